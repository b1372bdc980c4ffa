/**
 * The ordered store as a sorted array: obviously right, slow, and strict about what the port forbids (a
 * scan across a write).
 */
import { assert, compareBytes, equalBytes } from '@kvstore/std';
import type { KeyBounds, KeyValue, OrderedStore } from '@kvstore/state-machine';

export class MemoryOrderedStore implements OrderedStore {
  #pairs: readonly KeyValue[] = [];
  #writes = 0;

  get pairs(): readonly KeyValue[] {
    return this.#pairs;
  }

  /** A store with these pairs, which are in order. */
  static of(pairs: readonly KeyValue[]): MemoryOrderedStore {
    const store = new MemoryOrderedStore();
    store.#pairs = pairs;
    return store;
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
