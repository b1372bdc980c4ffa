/** testing: memory implementations of ports, fault wrappers and conformance suites. Never in production. */
export { diskConformance } from './disk-conformance.ts';
export type { DiskHarness } from './disk-conformance.ts';
export { failNext, failOperation, FaultyDisk, Gate, stallSyncs } from './disk-faults.ts';
export type { DiskHook, DiskOperation, DiskOperationKind } from './disk-faults.ts';
export { MemoryDisk, UNSYNCED_FATES } from './disk-memory.ts';
export type { UnsyncedFate } from './disk-memory.ts';
export { makeBody, makeEntries } from './log-entries.ts';
export { hardStateConformance, logStoreConformance } from './log-store-conformance.ts';
export type { StoreHarness } from './log-store-conformance.ts';
export { MemoryHardState, MemoryLogStore } from './log-store-memory.ts';
export { ManualTimers } from './disk-timers.ts';
export { busConformance } from './bus-conformance.ts';
export { eventually, LocalCluster, realClock, realTimers } from './local-cluster.ts';
export type { LocalClusterOptions, MemberStores } from './local-cluster.ts';
export {
  orderedStoreConformance,
  plain,
  positionAt,
  replicaStoreConformance,
} from './ordered-store-conformance.ts';
export type { StoreLifecycle } from './ordered-store-conformance.ts';
export { MemoryOrderedStore, MemoryReplicaStore } from './ordered-store-memory.ts';
export { MemoryManifest, MemorySegmentStore } from './segment-store-memory.ts';
export type { SegmentHook } from './segment-store-memory.ts';
