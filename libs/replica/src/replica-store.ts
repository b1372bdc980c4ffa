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
  /** Snapshots that other storages hold. */
  readonly snapshots: number;
}

/** What another storage reads of this one: files that do not change until it is released. */
export interface StoreSnapshot {
  readonly position: LogPosition;
  /** In the engine's own encoding: describes the files, to `ReplicaStore.receive` of the other one. */
  readonly manifest: Uint8Array;
  /** Sizes of the files, in the order of the manifest. */
  readonly files: readonly number[];
  /** True as well when the store has been replaced: nothing can be read any more. */
  readonly isReleased: boolean;
  /** Shorter than `length` only at the end of the file. Owned by the caller. */
  read(file: number, offset: number, length: number): Promise<Uint8Array>;
  /** No effect the second time. */
  release(): void;
}

/** A snapshot of another storage on its way here. What has arrived stays when it is given up. */
export interface IncomingSnapshot {
  readonly position: LogPosition;
  /** `received`: bytes that were here already. */
  readonly files: readonly { readonly bytes: number; readonly received: number }[];
  /** In the order of the offsets. The bytes are the call's until it resolves. */
  write(file: number, offset: number, bytes: Uint8Array): Promise<void>;
  /** Durable and verified; false when it is not what the manifest says, and must come again. */
  finish(file: number): Promise<boolean>;
  /**
   * Replaces everything that the store holds, in one step, once every file is finished. Nothing may
   * read or write the store meanwhile. When it rejects, the store holds what it held, as far as that
   * was durable.
   */
  install(): Promise<void>;
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
  /**
   * Why it must not be served: what was found when it was opened, what `fence` or `setAside` was told, or
   * what an earlier process was that has not called `unfence`.
   */
  readonly damage: Error | undefined;
  /** Whether a failure of any call says that what is stored is damaged: only a rebuild helps. */
  isDamage(error: unknown): boolean;
  /** What is durable now. */
  snapshot(): StoreSnapshot;
  /** Throws `DecodeError` for a manifest that cannot be believed. */
  receive(manifest: Uint8Array): Promise<IncomingSnapshot>;
  /** Removes what is left of a snapshot that is not wanted any more. */
  dropIncoming(): Promise<void>;
  /**
   * Resolves when no crash can make what it holds be taken for sound; what it holds stays, and is kept
   * aside by what replaces it.
   */
  fence(why: Error): Promise<void>;
  /** What it holds is sound; resolves when that is durable. */
  unfence(): Promise<void>;
  /**
   * Becomes empty, at the start of the log, and fenced; what it held is kept aside for people to look at,
   * unless something is since it was fenced. Nothing may read or write the store meanwhile.
   */
  setAside(why: Error): Promise<void>;
  /** Flushes, unless it is fenced, and closes. */
  close(): Promise<void>;
}
