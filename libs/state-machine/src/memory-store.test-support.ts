/**
 * An `OrderedStore` as a sorted array, obviously right and deliberately nasty: it holds its caller
 * to every sentence of the port. Bytes it handed out turn to 0xEE at the next write, bytes it was
 * given must never change, and lookups must fit the bloom filters that a real store has.
 */
import { assert, compareBytes, equalBytes } from '@kvstore/std';
import { filterPrefixLength } from './ordered-keys.ts';
import type { KeyBounds, KeyValue, OrderedStore } from './ordered-store.ts';

interface Pair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly keyCopy: Uint8Array;
  readonly valueCopy: Uint8Array;
}

export class MemoryStore implements OrderedStore {
  #pairs: Pair[] = [];
  #handedOut: Uint8Array[] = [];
  #writes = 0;

  get writes(): number {
    return this.#writes;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    assert(filterPrefixLength(key) === key.length, 'a point lookup of a key without a filter');
    const pair = this.#pairs[this.#seek(key)];
    return pair !== undefined && equalBytes(pair.key, key) ? this.#lend(pair.value) : undefined;
  }

  newest(from: Uint8Array, prefixLength: number): Uint8Array | undefined {
    return this.first(from, prefixLength)?.value;
  }

  first(from: Uint8Array, prefixLength: number): KeyValue | undefined {
    assert(filterPrefixLength(from) === prefixLength, 'a prefix that no filter is built over');
    const pair = this.#pairs[this.#seek(from)];
    if (pair === undefined) return undefined;
    const prefix = from.subarray(0, prefixLength);
    if (!equalBytes(pair.key.subarray(0, prefixLength), prefix)) return undefined;
    return { key: this.#lend(pair.key), value: this.#lend(pair.value) };
  }

  *scan({ from, to, reverse = false }: KeyBounds): Iterable<KeyValue> {
    const writes = this.#writes;
    const end = to === undefined ? this.#pairs.length : this.#seek(to);
    const inside = this.#pairs.slice(this.#seek(from), end);
    for (const pair of reverse ? inside.reverse() : inside) {
      assert(writes === this.#writes, 'a scan across a write');
      yield { key: this.#lend(pair.key), value: this.#lend(pair.value) };
    }
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#beginWrite();
    const pair = { key, value, keyCopy: key.slice(), valueCopy: value.slice() };
    const at = this.#seek(key);
    const present = this.#pairs[at];
    const replaced = present !== undefined && equalBytes(present.key, key) ? 1 : 0;
    this.#pairs.splice(at, replaced, pair);
  }

  delete(key: Uint8Array): void {
    this.#beginWrite();
    const at = this.#seek(key);
    const present = this.#pairs[at];
    if (present !== undefined && equalBytes(present.key, key)) this.#pairs.splice(at, 1);
  }

  /** Every pair in order, as text; checks that nobody changed bytes after handing them in. */
  dump(): string[] {
    return this.#pairs.map((pair) => {
      assert(equalBytes(pair.key, pair.keyCopy), 'a key was changed after put');
      assert(equalBytes(pair.value, pair.valueCopy), 'a value was changed after put');
      return `${hex(pair.key)} = ${hex(pair.value)}`;
    });
  }

  pairs(): readonly KeyValue[] {
    return this.#pairs.map(({ keyCopy, valueCopy }) => ({ key: keyCopy, value: valueCopy }));
  }

  clone(): MemoryStore {
    const copy = new MemoryStore();
    copy.#pairs = this.#pairs.map(({ keyCopy, valueCopy }) => {
      return { key: keyCopy, value: valueCopy, keyCopy, valueCopy };
    });
    return copy;
  }

  #lend(bytes: Uint8Array): Uint8Array {
    const lent = bytes.slice();
    this.#handedOut.push(lent);
    return lent;
  }

  #beginWrite(): void {
    this.#writes += 1;
    for (const lent of this.#handedOut) lent.fill(0xee);
    this.#handedOut = [];
  }

  /** Position of the first key at or after `key`. */
  #seek(key: Uint8Array): number {
    let low = 0;
    let high = this.#pairs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const pair = this.#pairs[middle];
      if (pair !== undefined && compareBytes(pair.key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
