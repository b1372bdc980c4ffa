/**
 * contract: everything that two processes must agree on. Frames, subjects, the `Bus` port, the
 * bodies of each kind of frame, the batch and command format, limits, and the public error table.
 * It knows no transport and no framework.
 */
export {
  appendCommand,
  beginBatch,
  cutEntry,
  decodeBatch,
  decodeConfigurationBody,
  decodeEntryBody,
  decodeEntryHeader,
  encodeConfigurationBody,
  encodeEntryBody,
  isProposableBatch,
} from './batch.ts';
export type { BatchHeader, EntryBody, EntryHeader } from './batch.ts';
export { decodeBeacon, encodeBeacon } from './beacon.ts';
export type { Beacon } from './beacon.ts';
export { BusError } from './bus.ts';
export type { Bus, BusErrorCode, BusMessage, BusStatus, BusSubscription, Lanes } from './bus.ts';
export {
  commandBytesMax,
  decodeCommand,
  encodeCommand,
  FEATURE_LEVEL,
  FeatureLevelError,
} from './command-codec.ts';
export {
  askControl,
  clusterIdOf,
  clusterTagOf,
  decodeControl,
  encodeControl,
  requestControl,
} from './control.ts';
export { requestHello } from './hello.ts';
export type { Hello, HelloRequest, MemberHello } from './hello.ts';
export {
  decodeArchived,
  decodeEntry,
  decodeLive,
  decodePull,
  decodePullReply,
  encodeArchived,
  encodeEntry,
  encodeLive,
  encodePull,
  encodePullReply,
} from './entries.ts';
export type { Archived, Live, LogEntry, Pull, PullReply } from './entries.ts';
export { ErrorCodes, errorRow, failure, GrpcStatus } from './errors.ts';
export type { ErrorCode, Failure } from './errors.ts';
export { FrameCodec, FrameKind, FrameRefusal, SenderRole } from './frame.ts';
export type { Frame, FrameIdentity, Sender } from './frame.ts';
export { Limits } from './limits.ts';
export { checkMemberRequest, isStoragesBehind, STORAGES_BEHIND } from './members.ts';
export type {
  MemberEntry,
  MemberList,
  MemberQuestion,
  MemberReply,
  MemberRequest,
} from './members.ts';
export { decodeMark, encodeMark } from './mark.ts';
export type { Mark } from './mark.ts';
export {
  decodeOutcomesFrame,
  decodeOutcomesQuery,
  encodeOutcomesFrame,
  encodeOutcomesQuery,
  OutcomeStatus,
} from './outcomes.ts';
export type { BatchOutcomeBytes, Outcomes, OutcomesQuery } from './outcomes.ts';
export {
  decodePropose,
  decodeProposeReply,
  encodePropose,
  encodeProposeReply,
  RefusalReason,
} from './propose.ts';
export type { OutcomeRoute, Propose, ProposeReply } from './propose.ts';
export { decodeReadIndexReply, encodeReadIndexReply } from './read-index.ts';
export type { ReadIndexReply } from './read-index.ts';
export {
  AnswerKind,
  decodeRead,
  decodeReadReply,
  encodeRead,
  encodeReadReply,
  ReadStatus,
} from './read.ts';
export type { ReadAnswer, ReadBatch, ReadOperation, ReadReply } from './read.ts';
export {
  decodeSnapshotReply,
  decodeSnapshotRequest,
  encodeSnapshotReply,
  encodeSnapshotRequest,
  SnapshotRefusal,
} from './snapshot.ts';
export type { SnapshotReply, SnapshotRequest } from './snapshot.ts';
export type { ConsensusStatus, StorageStatus } from './status.ts';
export {
  busPermissions,
  ConsensusOperation,
  ControlOperation,
  isSubjectToken,
  logStreamName,
  StorageOperation,
  Subjects,
} from './subjects.ts';
export type { BusIdentity } from './subjects.ts';
