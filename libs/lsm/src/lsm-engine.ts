/**
 * The engine: a log-structured merge tree (O'Neil et al. 1996) without a write-ahead log of its own.
 * The replicated log is that log: whole entries are ended in order, and after a crash the owner
 * replays the entries behind `applied`, which then equals `durable`.
 *
 * Invariants
 *   1. a memtable holds whole entries: it is sealed between two entries, never within one
 *   2. durable ≤ applied, both grow, and `durable` is a position that the manifest holds durably
 *   3. every write up to `durable` is in a live segment; every write is in exactly one layer's order
 *   4. at most `numMemtables` sealed memtables exist; one that is full then stays active
 *
 * Not here yet: compaction (level 0 grows without bound), the value log, encryption.
 * Synchronous for its one writer and its readers; flushing goes on beside them.
 */
import { assert, compareBytes, type LogPosition, type Timer, type Timers } from '@kvstore/std';
import type { Cursor } from './cursor.ts';
import { Flusher, type SealedMemtable } from './flusher.ts';
import { prefixEnd, sharesPrefix } from './key-prefix.ts';
import type { LsmConfig } from './lsm-config.ts';
import { Memtable } from './memtable/memtable.ts';
import { hashPrefix } from './segment/bloom-filter.ts';
import { ByteBoundedCache } from './segment/byte-bounded-cache.ts';
import { SegmentReader, type SegmentCaches } from './segment/segment-reader.ts';
import type { SegmentStore } from './segment/segment-store.ts';
import { TOMBSTONE, type FilterPrefixLength } from './stored.ts';
import type { Manifest, ManifestState } from './version/manifest.ts';
import { SuperVersion } from './version/super-version.ts';

export interface LsmOptions {
  readonly config: LsmConfig;
  readonly segments: SegmentStore;
  readonly manifest: Manifest;
  /** What the manifest held when it was opened. */
  readonly recovered: ManifestState;
  readonly timers: Timers;
  /** Names the cluster, group and node, in every segment. */
  readonly label: string;
  readonly filterPrefixLength: FilterPrefixLength;
  /** Called once, with the failure after which the process must stop. */
  readonly onFatal: (error: Error) => void;
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface KeyBounds {
  /** Inclusive. */
  readonly from: Uint8Array;
  /** Exclusive; undefined: to the end. */
  readonly to?: Uint8Array | undefined;
  readonly reverse?: boolean;
}

export interface LsmStatistics {
  readonly segments: number;
  readonly segmentBytes: number;
  readonly memtableBytes: number;
  readonly sealedMemtables: number;
  /** The failure that flushing is retrying, or that ended it. */
  readonly flushError: string | undefined;
}

interface Waiter {
  ready(): boolean;
  resolve(): void;
  reject(error: Error): void;
}

export class LsmEngine {
  readonly #options: LsmOptions;
  readonly #flusher: Flusher;
  #version: SuperVersion;
  #applied: LogPosition;
  #durable: LogPosition;
  /** Whether there are writes that belong to an entry that has not ended. */
  #withinEntry = false;
  /** Counts writes, to notice a scan that goes on across one. */
  #writes = 0;
  #logBytes = 0;
  #ageTimer: Timer | undefined;
  #sealWanted = false;
  #lastSealed: LogPosition | undefined;
  #waiters: Waiter[] = [];
  #ended: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    options: LsmOptions,
    caches: SegmentCaches,
    segments: readonly SegmentReader[],
  ) {
    this.#options = options;
    this.#version = new SuperVersion(this.#freshMemtable(), [], segments);
    this.#applied = options.recovered.position;
    this.#durable = options.recovered.position;
    this.#flusher = new Flusher({
      segments: options.segments,
      manifest: options.manifest,
      caches,
      timers: options.timers,
      label: options.label,
      blockBytes: options.config.blockBytes,
      nextSegmentId: (segments[0]?.metadata.id ?? 0) + 1,
      onLive: (sealed, segment) => this.#goLive(sealed, segment),
      onEnd: (error) => this.#end(error),
      onFatal: (error) => options.onFatal(error),
    });
  }

  /** Opens every live segment; rejects with `SegmentError` when one is missing or not what it was. */
  static async open(options: LsmOptions): Promise<LsmEngine> {
    const { config, recovered } = options;
    const caches: SegmentCaches = {
      blocks: new ByteBoundedCache(config.blockCacheBytes),
      indexes: new ByteBoundedCache(config.indexCacheBytes),
    };
    checkOrder(recovered);
    const readers: SegmentReader[] = [];
    try {
      for (const metadata of recovered.segments) {
        const source = await options.segments.open(metadata);
        readers.unshift(new SegmentReader(metadata, source, caches));
      }
    } catch (error) {
      for (const reader of readers) reader.close();
      throw error;
    }
    return new LsmEngine(options, caches, readers);
  }

  /** The last entry ended; after open, the last one in a live segment. */
  get applied(): LogPosition {
    return this.#applied;
  }

  /** The last entry whose effects survive a crash. */
  get durable(): LogPosition {
    return this.#durable;
  }

  get statistics(): LsmStatistics {
    const { active, sealed, segments } = this.#version;
    return {
      segments: segments.length,
      segmentBytes: segments.reduce((sum, segment) => sum + segment.metadata.bytes, 0),
      memtableBytes: sealed.reduce((sum, memtable) => sum + memtable.bytes, active.bytes),
      sealedMemtables: sealed.length,
      flushError: this.#flusher.error?.message,
    };
  }

  /** The live segments and what they stand for: all that is durable. */
  get live(): ManifestState {
    const segments = this.#version.segments.map(({ metadata }) => metadata).reverse();
    return { segments, position: this.#durable };
  }

  /** True while as many memtables as may be wait to be flushed: the writer must wait. */
  get stalled(): boolean {
    return this.#version.sealed.length >= this.#options.config.numMemtables;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const stored = this.#version.find(key, this.#options.filterPrefixLength);
    return stored === TOMBSTONE ? undefined : stored;
  }

  /**
   * The first pair at or after `from` that shares its first `prefixLength` bytes. Segments are
   * passed over by their filters when the filter prefix of `from` lies within that prefix.
   */
  first(from: Uint8Array, prefixLength: number): KeyValue | undefined {
    assert(prefixLength <= from.length, 'prefix longer than its key');
    const filterPrefix = this.#options.filterPrefixLength(from);
    const filtered = filterPrefix > 0 && filterPrefix <= prefixLength;
    const cursor = this.#version.cursor({
      from,
      to: prefixEnd(from, prefixLength),
      reverse: false,
      prefix: filtered ? hashPrefix(from, filterPrefix) : undefined,
    });
    while (!cursor.done && cursor.value === TOMBSTONE) cursor.next();
    if (cursor.done || !sharesPrefix(cursor.key, from, prefixLength)) return undefined;
    return { key: cursor.key, value: cursor.value as Uint8Array };
  }

  /** The value of `first`, for keys whose later writes sort first and that are never deleted. */
  newest(from: Uint8Array, prefixLength: number): Uint8Array | undefined {
    assert(prefixLength <= from.length, 'prefix longer than its key');
    const filterPrefix = this.#options.filterPrefixLength(from);
    const stored = this.#version.newest(from, prefixLength, filterPrefix);
    assert(stored !== TOMBSTONE, 'a key that is written once was deleted');
    return stored;
  }

  /** In byte order, descending with `reverse`. Going on after a write throws `InvariantError`. */
  scan(bounds: KeyBounds): Iterable<KeyValue> {
    const { from, to, reverse = false } = bounds;
    return this.#visible(this.#version.cursor({ from, to, reverse, prefix: undefined }), bounds);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#withinEntry = true;
    this.#writes += 1;
    this.#version.active.put(key, value);
  }

  delete(key: Uint8Array): void {
    this.#withinEntry = true;
    this.#writes += 1;
    this.#version.active.put(key, TOMBSTONE);
  }

  /** Ends the entry at `position`, which follows `applied`; its body was `logBytes` long. */
  endEntry(position: LogPosition, logBytes: number): void {
    assert(this.#closing === undefined, 'entry ended on a closed engine');
    assert(position.index === this.#applied.index + 1, 'entries end in the order of the log');
    assert(position.term >= this.#applied.term, 'terms never fall along the log');
    this.#applied = position;
    this.#withinEntry = false;
    this.#logBytes += logBytes;
    this.#ageTimer ??= this.#options.timers.after(this.#options.config.memtableAgeMs, () => {
      this.#sealWhenPossible();
    });
    const { memtableBytes, memtableLogBytes } = this.#options.config;
    const full = this.#version.active.bytes >= memtableBytes || this.#logBytes >= memtableLogBytes;
    if (full || this.#sealWanted) this.#sealWhenPossible();
  }

  /** Resolves when `stalled` is false; rejects when flushing has ended for good. */
  async whenWritable(): Promise<void> {
    await this.#wait(() => !this.stalled);
  }

  /**
   * Seals what has been ended, and flushes; resolves when that is durable. Rejects when flushing
   * has ended for good; while it only fails and is retried, this waits.
   */
  async flush(): Promise<void> {
    const target = this.#applied.index;
    if (this.#hasUnsealed()) this.#sealWhenPossible();
    this.#flusher.hurry();
    await this.#wait(() => this.#durable.index >= target);
  }

  /**
   * Flushes and closes. When the flush fails there is no further attempt: everything is closed all
   * the same, the log still has the entries, and the failure is thrown.
   */
  close(): Promise<void> {
    assert(!this.#withinEntry, 'closed within an entry');
    return (this.#closing ??= this.#close());
  }

  /**
   * Gives up what is not durable and closes the segments; whoever waits is rejected. The manifest and
   * the segment store stay open, and nothing of this engine touches them any more.
   */
  discard(): Promise<void> {
    return (this.#closing ??= this.#discard());
  }

  async #discard(): Promise<void> {
    this.#ageTimer?.cancel();
    this.#end(new Error('the engine is discarded'));
    await this.#flusher.abandon();
    for (const segment of this.#version.segments) segment.close();
  }

  async #close(): Promise<void> {
    if (this.#ended === undefined && this.#hasUnsealed()) this.#seal();
    await this.#flusher.stop();
    this.#ageTimer?.cancel();
    await this.#options.manifest.close();
    await this.#options.segments.close();
    for (const segment of this.#version.segments) segment.close();
    const failure = this.#ended;
    this.#end(failure ?? new Error('the engine is closed'));
    if (failure !== undefined) throw failure;
  }

  /** Whether an entry has ended that is neither in a sealed memtable nor durable. */
  #hasUnsealed(): boolean {
    return (this.#lastSealed ?? this.#durable).index < this.#applied.index;
  }

  #sealWhenPossible(): void {
    this.#sealWanted = true;
    if (this.#withinEntry || this.stalled || this.#ended !== undefined) return;
    if (this.#closing !== undefined) return;
    if (this.#hasUnsealed()) this.#seal();
    this.#sealWanted = false;
  }

  #seal(): void {
    const memtable = this.#version.active;
    this.#ageTimer?.cancel();
    this.#ageTimer = undefined;
    this.#logBytes = 0;
    this.#lastSealed = this.#applied;
    this.#version = this.#version.seal(this.#freshMemtable());
    this.#flusher.enqueue({ memtable, position: this.#applied });
  }

  #goLive(sealed: SealedMemtable, segment: SegmentReader | undefined): void {
    assert(sealed.position.index > this.#durable.index, 'durable grows');
    this.#version = this.#version.goLive(sealed.memtable, segment);
    this.#durable = sealed.position;
    if (this.#sealWanted) this.#sealWhenPossible();
    this.#settle();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#settle();
  }

  #wait(ready: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ ready, resolve, reject });
      this.#settle();
    });
  }

  #settle(): void {
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) {
      if (waiter.ready()) waiter.resolve();
      else if (this.#ended !== undefined) waiter.reject(this.#ended);
      else this.#waiters.push(waiter);
    }
  }

  *#visible(cursor: Cursor, { from, to, reverse = false }: KeyBounds): Generator<KeyValue> {
    const writes = this.#writes;
    for (; !cursor.done; cursor.next()) {
      const { key, value } = cursor;
      if (reverse ? compareBytes(key, from) < 0 : to !== undefined && compareBytes(key, to) >= 0) {
        return;
      }
      if (value === TOMBSTONE) continue;
      yield { key, value };
      assert(this.#writes === writes, 'a scan goes on across a write');
    }
  }

  #freshMemtable(): Memtable {
    return new Memtable(this.#options.filterPrefixLength);
  }
}

function checkOrder({ segments, position }: ManifestState): void {
  let last = { id: 0, index: 0 };
  for (const { id, position: sealed } of segments) {
    assert(id > last.id && sealed.index > last.index, 'segments are in the order they were sealed');
    last = { id, index: sealed.index };
  }
  assert(position.index >= last.index, 'the manifest is at or after its newest segment');
}
