/**
 * The engine under a replica: an `OrderedStore` that persists whole entries in order. Implemented
 * by the LSM engine and, in memory, by `testing`; both pass the conformance suite there.
 */
import type { LogPosition } from '@kvstore/std';
import type { OrderedStore } from '@kvstore/state-machine';

export interface ReplicaStoreStatistics {
  readonly segments: number;
  readonly segmentBytes: number;
  readonly memtableBytes: number;
  /** The error of the last failed flush while it is being retried, e.g. a full disk. */
  readonly flushError: string | undefined;
}

export interface ReplicaStore extends OrderedStore {
  /** The last entry ended; after open, the last one in a live segment. */
  readonly applied: LogPosition;
  /** The last entry whose effects survive a crash. */
  readonly durable: LogPosition;
  readonly statistics: ReplicaStoreStatistics;
  /**
   * Ends the entry at `position`: its writes are one unit from here on. `logBytes` is the size of
   * its body. May seal the memtable; flushing goes on in the background.
   */
  endEntry(position: LogPosition, logBytes: number): void;
  /** True while too many sealed memtables wait to be flushed: apply must wait. */
  readonly stalled: boolean;
  /** Resolves when `stalled` is false. */
  whenWritable(): Promise<void>;
  /** Seals and flushes everything that has been ended; resolves when `durable` equals `applied`. */
  flush(): Promise<void>;
  /** Flushes and closes. */
  close(): Promise<void>;
}
