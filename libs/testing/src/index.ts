/** testing: memory implementations of ports, fault wrappers and conformance suites. Never in production. */
export { diskConformance } from './disk-conformance.ts';
export type { DiskHarness } from './disk-conformance.ts';
export { failNext, failOperation, FaultyDisk, Gate, stallSyncs } from './disk-faults.ts';
export type { DiskHook, DiskOperation, DiskOperationKind } from './disk-faults.ts';
export { MemoryDisk, UNSYNCED_FATES } from './disk-memory.ts';
export type { UnsyncedFate } from './disk-memory.ts';
export { makeBase, makeBody, makeEntries } from './log-entries.ts';
export { hardStateConformance, logStoreConformance } from './log-store-conformance.ts';
export type { StoreHarness } from './log-store-conformance.ts';
export { MemoryHardState, MemoryLogStore } from './log-store-memory.ts';
export { ManualTimers } from './disk-timers.ts';
export { busConformance } from './bus-conformance.ts';
export type { BusPair } from './bus-conformance.ts';
export { hostileBytes } from './hostile-bytes.ts';
export type { HostileDecoder } from './hostile-bytes.ts';
export { MemoryEngineFiles, MemoryIncomingFiles } from './engine-files-memory.ts';
export { eventually, LocalCluster, realClock, realTimers } from './local-cluster.ts';
export type { LocalClusterOptions, MemberStores } from './local-cluster.ts';
export { NatsServer } from './nats-server.ts';
export type { NatsServerOptions } from './nats-server.ts';
export { plain, positionAt } from './log-positions.ts';
export { orderedStoreConformance, replicaStoreConformance } from './ordered-store-conformance.ts';
export type { StoreLifecycle } from './ordered-store-conformance.ts';
export { MemoryOrderedStore } from './ordered-store-memory.ts';
export { MemoryReplicaStore } from './replica-store-memory.ts';
export { MemoryManifest, MemorySegmentStore } from './segment-store-memory.ts';
export type { SegmentHook } from './segment-store-memory.ts';
export {
  type CheckCounts,
  type CheckOptions,
  type CheckResult,
  checkLinearizability,
  describeCheck,
  type GivenUp,
  type Violation,
} from './linearizability/linearizability.ts';
export {
  decodeHistory,
  encodeHistory,
  HistoryError,
  type DeleteOperation,
  type GetOperation,
  type History,
  type Operation,
  type PutOperation,
  type WriteCondition,
} from './linearizability/history.ts';
export { TcpProxy } from './tcp-proxy.ts';
export type { ProxyDirection } from './tcp-proxy.ts';
