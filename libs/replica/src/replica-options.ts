/** What a replica is made of, and what it tells its process. */
import type { Lanes } from '@kvstore/contract';
import type { Clock, LogIndex, NodeId, Timers } from '@kvstore/std';
import type { EntryArchive } from './entry-archive.ts';
import type { ReplicaStore } from './replica-store.ts';

export interface ReplicaOptions {
  readonly node: NodeId;
  readonly cluster: string;
  readonly group: string;
  readonly incarnation: number;
  readonly secret: Uint8Array;
  /** Tag of the founded cluster that the data belongs to; undefined: not known yet. */
  readonly clusterTag: number | undefined;
  /** Where entries can be pulled from before the first mark; the own node first. */
  readonly consensusNodes: readonly NodeId[];
  /** Read when no consensus serves an entry. */
  readonly archive?: EntryArchive;
  readonly lanes: Lanes;
  readonly store: ReplicaStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly onFatal: (error: unknown) => void;
  /** Something an operator should read about, once per cause. */
  readonly onNotice?: (notice: ReplicaNotice) => void;
}

export type ReplicaNotice =
  /** The first mark told which cluster this storage belongs to; to be remembered for ever. */
  | { readonly kind: 'cluster-learned'; readonly clusterTag: number }
  /** The data here is of a cluster that was founded apart from the one that `leader` leads. */
  | { readonly kind: 'foreign-data'; readonly leader: string }
  /** What was stored here is damaged or not the leader's: it serves nothing until it is rebuilt. */
  | { readonly kind: 'fenced'; readonly reason: string }
  /** A snapshot of another storage is what it holds now. */
  | { readonly kind: 'snapshot-installed'; readonly source: NodeId; readonly index: LogIndex }
  /** It serves again. */
  | { readonly kind: 'rebuilt'; readonly index: LogIndex };
