/**
 * raft: the consensus core of one replica of one group. A state machine in the strict sense: it is
 * told that time passed, that a message came, that a write is durable, and it says what to do next.
 * No clock, disk, network, randomness of its own, logger or codec; nothing in it waits. Read with
 * Ongaro's thesis ("Consensus: Bridging Theory and Practice", 2014) at hand.
 *
 * ## Duties of the caller (the driver)
 *
 * 1. Build a `RaftNode` from what the disk holds: the hard state, the last entry's position and the
 *    spans of terms. What is handed to the constructor must be durable.
 * 2. Call `tick()` at a steady rate; do not make up for ticks that were missed. Feed every message
 *    to `step()`, however late, doubled or out of order. Drain the inbox before a tick.
 * 3. After any call, while `hasReady()`, take `ready()` and carry out all of it, in this order:
 *    a. save `hardState`; when it is durable call `hardStatePersisted`
 *    b. write `append` behind that save, cutting the log at its first index if that is not above the
 *       log's last; when it is durable call `persisted` with the last entry's index and term. Writes
 *       become durable in the order in which they were handed out, and each one is reported.
 *    c. send `messages`, at once and without waiting for a or b: the core holds back what depends on
 *       them. Appends of a leader leave while its own disk still writes (thesis 10.2.1).
 *    d. take note of `commitIndex` and pass on `committed`
 *    e. answer `reads` once their index is applied, and fail `abandonedReads`
 *    f. read the entries that `loads` ask for, and the position before them (LOG_START before the
 *       first), and call `loaded`; when the log does not reach that position any more, do nothing
 *    Many calls may share one `ready()`: proposals of one turn become one append per follower.
 * 4. When a write or a load fails, stop the process. There is no way to tell the core.
 * 5. Never change a body, an entry or a message after it went in or came out: they are shared.
 * 6. An `InvariantError` ends the process. It means that replicas diverged or that there is a bug.
 *
 * ## What may surprise
 *
 * - A committed entry may not be durable here yet: others form the majority. `commitIndex` is 0
 *   after a restart until a leader says otherwise, and `committed` lists only what is in memory: load
 *   the entries up to the first listed one, or up to `commitIndex`, from the log.
 * - An entry in `append` may be replaced by a later `append` of the same index, until it is committed.
 * - An acceptance may name less than an append covered when only that much is durable yet.
 * - `propose` answers 'overloaded' also when this replica's own disk is what does not keep up.
 *
 * ## Where it differs from the thesis, and why
 *
 * - Pre-vote and check-quorum are always on (9.6, 6.2): a replica that comes back disturbs nobody, a
 *   leader without a majority stops claiming to lead. A vote is ignored for one minimum election
 *   timeout after hearing a leader *and after the start*, when the replica may have forgotten one.
 * - Whoever refuses an append names the highest entry that may agree by term, and the leader skips
 *   its own terms too: one probe per term instead of one per entry (4.2.3 sketches half of it).
 * - Requests of an older term are answered, also pre-votes and heartbeats, so that their sender
 *   learns the term; otherwise a replica with a higher term could be stuck outside for ever.
 * - Entries carry a hash chain: Log Matching is checked, not only proven.
 * - Reads confirm leadership by numbered rounds; one round is under way at a time and answers all
 *   reads that arrived before it started (6.4 numbers nothing).
 * - A sole voter campaigns at its first tick.
 * Not built yet: membership changes, leadership transfer, priorities, leases, snapshots, compaction.
 */
export { EntryKind } from './entry.ts';
export type { Entry } from './entry.ts';
export type { TermSpan } from './log/term-spans.ts';
export type { Change } from './membership/change.ts';
export {
  configurationOf,
  isValidConfiguration,
  NO_CONFIGURATION,
} from './membership/configuration.ts';
export type {
  Configuration,
  ConfigurationAt,
  ConfigurationCodec,
  LogBase,
  Priority,
} from './membership/configuration.ts';
export type {
  AppendRequest,
  AppendResponse,
  BaseRequest,
  HeartbeatRequest,
  HeartbeatResponse,
  Message,
  PreVoteRequest,
  PreVoteResponse,
  TimeoutNow,
  VoteRequest,
  VoteResponse,
} from './message.ts';
export type { RaftConfig, RestoredState } from './raft-config.ts';
export { RaftNode } from './raft-node.ts';
export type {
  ChangeProposed,
  ChangeRefusal,
  DroppedMessages,
  MemberStatus,
  Proposed,
  RaftStatus,
  TransferStarted,
} from './raft-status.ts';
export { Role } from './ready.ts';
export type { HardState, LoadRequest, ReadGrant, Ready, SoftState } from './ready.ts';
