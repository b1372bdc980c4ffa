/**
 * replica: one node's copy of one group's data. `Replica` applies the log to the state machine over
 * a `ReplicaStore`, whose port it owns, and serves outcomes and reads over the `Bus`.
 */
export { DivergedError } from './applier.ts';
export type { EntryArchive } from './entry-archive.ts';
export { Replica } from './replica.ts';
export type { ReplicaCounters } from './replica.ts';
export type { ReplicaNotice, ReplicaOptions } from './replica-options.ts';
export type {
  IncomingSnapshot,
  ReplicaStore,
  ReplicaStoreStatistics,
  StoreSnapshot,
} from './replica-store.ts';
