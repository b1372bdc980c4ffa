/** What a simulated cluster tells whoever checks its invariants. */
import type { LsmStore } from '@kvstore/lsm';
import type { Entry } from '@kvstore/raft';
import type { Sequencer } from '@kvstore/sequencer';
import type { LogPosition, NodeId } from '@kvstore/std';
import type { SimProcess } from './sim-process.ts';
import type { StoreWitness } from './watched-stores.ts';

export interface ClusterWitness {
  spawned(process: SimProcess): void;
  /** The witness of the stores of this incarnation; `isOnDisk`: would a power cut leave the entry? */
  consensusStarting(node: NodeId, isOnDisk: (entry: Entry) => boolean): StoreWitness;
  consensusStarted(node: NodeId, sequencer: Sequencer): void;
  storageStarting(node: NodeId, durable: LogPosition): void;
  /** An entry was applied; the engine is between two entries. */
  applied(node: NodeId, store: LsmStore): void;
  notice(node: NodeId, kind: string): void;
  /** A process stopped by itself. */
  stopped(process: SimProcess, error: unknown): void;
  died(process: SimProcess): void;
  /** A sync of its log is about to fail. */
  syncFailed(process: SimProcess): void;
  diskFilled(node: NodeId): void;
  /** There is space again. */
  diskFreed(node: NodeId): void;
}
