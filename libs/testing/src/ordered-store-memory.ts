/**
 * The ordered store and the replica store as sorted arrays: obviously right, slow, and strict about
 * what the ports forbid (a scan across a write, entries out of order).
 */
import { assert, compareBytes, equalBytes, LOG_START, type LogPosition } from '@kvstore/std';
import type { ReplicaStore, ReplicaStoreStatistics } from '@kvstore/replica';
import type { KeyBounds, KeyValue, OrderedStore } from '@kvstore/state-machine';

export class MemoryOrderedStore implements OrderedStore {
  #pairs: readonly KeyValue[] = [];
  #writes = 0;

  get pairs(): readonly KeyValue[] {
    return this.#pairs;
  }

  /** Another store with the same pairs. */
  copy(): MemoryOrderedStore {
    const copy = new MemoryOrderedStore();
    copy.#pairs = this.#pairs;
    return copy;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const pair = this.#pairs[this.#seek(key)];
    return pair !== undefined && equalBytes(pair.key, key) ? pair.value : undefined;
  }

  newest(from: Uint8Array, prefixLength: number): Uint8Array | undefined {
    return this.first(from, prefixLength)?.value;
  }

  first(from: Uint8Array, prefixLength: number): KeyValue | undefined {
    const pair = this.#pairs[this.#seek(from)];
    const prefix = from.subarray(0, prefixLength);
    return pair !== undefined && equalBytes(pair.key.subarray(0, prefixLength), prefix)
      ? pair
      : undefined;
  }

  *scan({ from, to, reverse = false }: KeyBounds): Iterable<KeyValue> {
    const writes = this.#writes;
    const end = to === undefined ? this.#pairs.length : this.#seek(to);
    const inside = this.#pairs.slice(this.#seek(from), Math.max(end, 0));
    for (const pair of reverse ? inside.reverse() : inside) {
      yield pair;
      assert(this.#writes === writes, 'a scan goes on across a write');
    }
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#replace(key, [{ key: key.slice(), value: value.slice() }]);
  }

  delete(key: Uint8Array): void {
    this.#replace(key, []);
  }

  #replace(key: Uint8Array, by: readonly KeyValue[]): void {
    const at = this.#seek(key);
    const present = this.#pairs[at];
    const replaced = present !== undefined && equalBytes(present.key, key) ? 1 : 0;
    this.#pairs = [...this.#pairs.slice(0, at), ...by, ...this.#pairs.slice(at + replaced)];
    this.#writes += 1;
  }

  /** Place of the first key at or after `key`. */
  #seek(key: Uint8Array): number {
    let low = 0;
    let high = this.#pairs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes((this.#pairs[middle] as KeyValue).key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A replica store whose disk is a variable: `reopen` gives what survives a crash. */
export class MemoryReplicaStore implements ReplicaStore {
  readonly #live: MemoryOrderedStore;
  #survives: MemoryOrderedStore;
  #applied: LogPosition;
  #durable: LogPosition;
  #stalled = false;
  #waiting: (() => void)[] = [];

  constructor(survives = new MemoryOrderedStore(), position: LogPosition = LOG_START) {
    this.#live = survives.copy();
    this.#survives = survives;
    this.#applied = position;
    this.#durable = position;
  }

  get applied(): LogPosition {
    return this.#applied;
  }

  get durable(): LogPosition {
    return this.#durable;
  }

  get statistics(): ReplicaStoreStatistics {
    return { segments: 0, segmentBytes: 0, memtableBytes: 0, flushError: undefined };
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  /** Makes the store stall, or go on, as a test says. */
  setStalled(stalled: boolean): void {
    this.#stalled = stalled;
    if (stalled) return;
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** The store after a crash: what was flushed, and nothing else. */
  reopen(): MemoryReplicaStore {
    return new MemoryReplicaStore(this.#survives, this.#durable);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#live.get(key);
  }

  newest(from: Uint8Array, prefixLength: number): Uint8Array | undefined {
    return this.#live.newest(from, prefixLength);
  }

  first(from: Uint8Array, prefixLength: number): KeyValue | undefined {
    return this.#live.first(from, prefixLength);
  }

  scan(bounds: KeyBounds): Iterable<KeyValue> {
    return this.#live.scan(bounds);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#live.put(key, value);
  }

  delete(key: Uint8Array): void {
    this.#live.delete(key);
  }

  endEntry(position: LogPosition, _logBytes: number): void {
    assert(position.index === this.#applied.index + 1, 'entries end in the order of the log');
    this.#applied = position;
  }

  whenWritable(): Promise<void> {
    if (!this.#stalled) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  flush(): Promise<void> {
    this.#survives = this.#live.copy();
    this.#durable = this.#applied;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return this.flush();
  }
}
