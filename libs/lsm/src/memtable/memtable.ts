/**
 * The memtable: a skip list (Pugh 1990) over shared memory, ordered by unsigned bytes of the key.
 *
 * Invariants
 *   1. the links of level 0 visit every key once, ascending; level n+1 visits a subset of level n
 *   2. nodes and bytes are never moved, changed or freed, but for links and the value of a node
 *   3. after `share()` nothing is written: another thread may read the same memory
 *
 * A node is a run of words. What searches read comes first from its address on: key length << 4 |
 * height, one link per level, the key's bytes. What they do not lies before it: filter prefix
 * length, value address, value length or -1 for a tombstone, previous node. Searches are bound by
 * cache misses, not by instructions; for the same reason values have an arena of their own.
 * Heights come from a generator with a fixed seed. Address 4 is the head, the first node, which no
 * link ever names; 0 ends a list.
 *
 * Ascending runs of keys (counters, change records) are inserted in constant time: for each of 16
 * leading key bytes a "finger" remembers the path of the last insertion (as RocksDB's hints do).
 * The first key of every filter prefix is found by a hash index, and a key right before it (a user
 * key's next version) is inserted there: three in four have one level and need no search at all.
 */
import { assert, SeededRandom } from '@kvstore/std';
import type { Cursor, Layer } from '../cursor.ts';
import { KEY_BYTES_MAX, TOMBSTONE, type FilterPrefixLength, type Stored } from '../stored.ts';
import { Arena, CHUNK_WORDS_LOG2, WORD_MASK } from './arena.ts';
import { MemtableCursor } from './memtable-cursor.ts';
import { PrefixIndex } from './prefix-index.ts';

const HEIGHT_MAX = 12;
/** One node in four is also on the next level. */
const BRANCHING = 4;
const FINGERS = 16;

const FILTER_PREFIX = -4;
const VALUE_ADDRESS = -3;
const VALUE_LENGTH = -2;
const PREVIOUS = -1;
/** Words before a node's address. */
const COLD_WORDS = 4;
const SHAPE = 0;
const LINKS = 1;
const HEAD = COLD_WORDS;
const END = 0;
const TOMBSTONE_LENGTH = -1;

/** A sealed memtable as another thread receives it. */
export interface SharedMemtable {
  readonly nodes: readonly SharedArrayBuffer[];
  readonly values: readonly SharedArrayBuffer[];
  readonly entries: number;
  readonly bytes: number;
}

export class Memtable implements Layer {
  readonly #nodes: Arena;
  readonly #values: Arena;
  readonly #filterPrefixLength: FilterPrefixLength;
  readonly #random = new SeededRandom(0x6d65_6d74);
  readonly #index = new PrefixIndex();
  readonly #fingers = new Int32Array(FINGERS * HEIGHT_MAX);
  #height = 1;
  #entries = 0;
  #bytes = 0;
  #shared = false;
  #search = new Int32Array(64);
  #searchBytes = new Uint8Array(this.#search.buffer);
  #searchLength = 0;

  constructor(filterPrefixLength: FilterPrefixLength);
  constructor(shared: SharedMemtable);
  constructor(from: FilterPrefixLength | SharedMemtable) {
    this.#fingers.fill(HEAD);
    if (typeof from === 'function') {
      this.#nodes = new Arena();
      this.#values = new Arena();
      this.#filterPrefixLength = from;
      this.#nodes.allocate((COLD_WORDS + LINKS + HEIGHT_MAX) * 4);
      return;
    }
    this.#nodes = new Arena(from.nodes);
    this.#values = new Arena(from.values);
    this.#filterPrefixLength = () => 0;
    this.#entries = from.entries;
    this.#bytes = from.bytes;
    this.#height = HEIGHT_MAX;
    this.#shared = true;
  }

  /** Keys, tombstones included. */
  get entries(): number {
    return this.#entries;
  }

  /** Memory that entries occupy, overwritten values included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Hands the memory to another thread, and refuses every later write here. */
  share(): SharedMemtable {
    this.#shared = true;
    return {
      nodes: this.#nodes.chunks,
      values: this.#values.chunks,
      entries: this.#entries,
      bytes: this.#bytes,
    };
  }

  /** Inserts or overwrites; both byte strings are copied. */
  put(key: Uint8Array, value: Stored): void {
    assert(!this.#shared, 'write to a sealed memtable');
    assert(key.length <= KEY_BYTES_MAX, 'key too long');
    this.#setValue(this.#findOrInsert(key), value);
    this.#bytes = this.#nodes.usedBytes + this.#values.usedBytes;
  }

  find(key: Uint8Array): Stored | undefined {
    this.#startSearch(key);
    const node = this.#firstAtOrAfter(this.#filterPrefixLength(key));
    return node !== END && this.#compare(node) === 0 ? this.valueOf(node) : undefined;
  }

  /**
   * The value of the first key at or after `from` that shares its first `prefixLength` bytes.
   * `filterPrefix`: the length of the filter prefix of `from` when it lies within these bytes, else 0.
   */
  first(from: Uint8Array, prefixLength: number, filterPrefix: number): Stored | undefined {
    this.#startSearch(from);
    const node = this.#firstAtOrAfter(filterPrefix);
    return node !== END && this.#sharesPrefix(node, prefixLength) ? this.valueOf(node) : undefined;
  }

  ascend(from: Uint8Array): Cursor {
    this.#startSearch(from);
    return new MemtableCursor(this, this.#seekAtOrAfter(), false);
  }

  descend(before: Uint8Array | undefined): Cursor {
    if (before === undefined) return new MemtableCursor(this, this.#last(), true);
    this.#startSearch(before);
    const after = this.#seekAtOrAfter();
    return new MemtableCursor(this, after === END ? this.#last() : this.previousOf(after), true);
  }

  /** The first node, or 0; with `nextOf` and `previousOf`, for cursors and the segment writer. */
  firstNode(): number {
    return this.#link(HEAD, 0);
  }

  nextOf(node: number): number {
    return this.#link(node, 0);
  }

  previousOf(node: number): number {
    const previous = this.#word(node, PREVIOUS);
    return previous === HEAD ? END : previous;
  }

  keyOf(node: number): Uint8Array {
    const shape = this.#word(node, SHAPE);
    const start = ((node & WORD_MASK) + LINKS + (shape & 0xf)) << 2;
    const bytes = this.#nodes.bytes[node >>> CHUNK_WORDS_LOG2] as Uint8Array;
    return bytes.subarray(start, start + (shape >>> 4));
  }

  valueOf(node: number): Stored {
    const length = this.#word(node, VALUE_LENGTH);
    if (length === TOMBSTONE_LENGTH) return TOMBSTONE;
    return this.#values.view(this.#word(node, VALUE_ADDRESS), length);
  }

  filterPrefixLengthOf(node: number): number {
    return this.#word(node, FILTER_PREFIX);
  }

  // --- search and insertion -----------------------------------------------------------------------

  /**
   * The first node at or after the searched key; with a filter prefix of the key, 0 also when the
   * first one has another prefix.
   */
  #firstAtOrAfter(filterPrefix: number): number {
    if (filterPrefix === 0) return this.#seekAtOrAfter();
    const first = this.#firstOfPrefix(this.#hashOf(filterPrefix), filterPrefix);
    if (first === END) return this.#index.complete ? END : this.#seekAtOrAfter();
    return this.#compare(first) <= 0 ? first : this.#seekAtOrAfter();
  }

  #firstOfPrefix(hash: number, length: number): number {
    return this.#index.find(
      hash,
      (node) => this.filterPrefixLengthOf(node) === length && this.#sharesPrefix(node, length),
    );
  }

  #findOrInsert(key: Uint8Array): number {
    this.#startSearch(key);
    const filterPrefix = this.#filterPrefixLength(key);
    assert(filterPrefix >= 0 && filterPrefix <= key.length, 'filter prefix outside its key');
    if (filterPrefix === 0) return this.#findOrInsertByFinger(key, filterPrefix);
    const hash = this.#hashOf(filterPrefix);
    const first = this.#firstOfPrefix(hash, filterPrefix);
    const order = first === END ? 1 : this.#compare(first);
    if (order === 0) return first;
    if (order < 0) {
      const node = this.#insertBefore(first, key, filterPrefix);
      this.#index.replace(hash, first, node);
      return node;
    }
    const entries = this.#entries;
    const node = this.#findOrInsertByFinger(key, filterPrefix);
    if (first === END && this.#entries > entries) this.#index.add(hash, node);
    return node;
  }

  #findOrInsertByFinger(key: Uint8Array, filterPrefix: number): number {
    const finger = fingerOf(key);
    const found = this.#seekByFinger(finger);
    if (found !== END && this.#compare(found) === 0) return found;
    const height = this.#randomHeight();
    const node = this.#create(key, filterPrefix, height);
    this.#join(node, height, finger);
    return node;
  }

  /** The searched key is the last one before the node `after`. */
  #insertBefore(after: number, key: Uint8Array, filterPrefix: number): number {
    const before = this.#word(after, PREVIOUS);
    assert(before === HEAD || this.#compare(before) > 0, 'a filter prefix within another one');
    const height = this.#randomHeight();
    const node = this.#create(key, filterPrefix, height);
    if (height === 1) {
      this.#linkIn(node, before, after);
    } else {
      const finger = fingerOf(key);
      this.#descendTo(this.#fingers, finger);
      this.#join(node, height, finger);
    }
    return node;
  }

  #create(key: Uint8Array, filterPrefix: number, height: number): number {
    const node = COLD_WORDS + this.#nodes.allocate((COLD_WORDS + LINKS + height) * 4 + key.length);
    const words = this.#nodes.words[node >>> CHUNK_WORDS_LOG2] as Int32Array;
    const at = node & WORD_MASK;
    words[at + SHAPE] = (key.length << 4) | height;
    words[at + FILTER_PREFIX] = filterPrefix;
    words[at + VALUE_LENGTH] = TOMBSTONE_LENGTH;
    const bytes = this.#nodes.bytes[node >>> CHUNK_WORDS_LOG2] as Uint8Array;
    bytes.set(key, (at + LINKS + height) << 2);
    this.#entries += 1;
    return node;
  }

  /** Links `node` in after the predecessors that the finger holds, and moves the finger to it. */
  #join(node: number, height: number, finger: number): void {
    if (height > this.#height) this.#height = height;
    for (let level = 0; level < height; level++) {
      let before = this.#fingers[finger + level] as number;
      let after = this.#link(before, level);
      while (after !== END && this.#compare(after) > 0) {
        before = after;
        after = this.#link(before, level);
      }
      if (level === 0) {
        this.#linkIn(node, before, after);
      } else {
        this.#setWord(node, LINKS + level, after);
        this.#setWord(before, LINKS + level, node);
      }
      this.#fingers[finger + level] = node;
    }
  }

  /** On level 0, between two neighbours. */
  #linkIn(node: number, before: number, after: number): void {
    this.#setWord(node, LINKS, after);
    this.#setWord(node, PREVIOUS, before);
    this.#setWord(before, LINKS, node);
    if (after !== END) this.#setWord(after, PREVIOUS, node);
  }

  #setValue(node: number, value: Stored): void {
    if (value === TOMBSTONE) {
      this.#setWord(node, VALUE_LENGTH, TOMBSTONE_LENGTH);
      return;
    }
    const address = this.#values.allocate(value.length);
    const bytes = this.#values.bytes[address >>> CHUNK_WORDS_LOG2] as Uint8Array;
    bytes.set(value, (address & WORD_MASK) << 2);
    this.#setWord(node, VALUE_ADDRESS, address);
    this.#setWord(node, VALUE_LENGTH, value.length);
  }

  /**
   * The first node at or after the searched key, or 0. Makes the finger hold, per level, a node below
   * the key: at level 0 the last one, or the key's own. When the key falls right behind the finger,
   * two comparisons do; the higher levels may then lag, and `#join` walks them on.
   */
  #seekByFinger(finger: number): number {
    const before = this.#fingers[finger] as number;
    const order = before === HEAD ? 1 : this.#compare(before);
    if (order === 0) return before;
    if (order > 0) {
      const after = this.#link(before, 0);
      if (after === END || this.#compare(after) <= 0) return after;
    }
    return this.#descendTo(this.#fingers, finger);
  }

  #seekAtOrAfter(): number {
    return this.#descendTo(undefined, 0);
  }

  /** The first node at or after the searched key; `path` receives the node before it per level. */
  #descendTo(path: Int32Array | undefined, offset: number): number {
    let before = HEAD;
    let after = END;
    for (let level = this.#height - 1; level >= 0; level--) {
      const bound = after;
      after = this.#link(before, level);
      // The node that bounded the level above is not compared again.
      while (after !== END && after !== bound && this.#compare(after) > 0) {
        before = after;
        after = this.#link(before, level);
      }
      if (path !== undefined) path[offset + level] = before;
    }
    return after;
  }

  #last(): number {
    let node = HEAD;
    for (let level = this.#height - 1; level >= 0; level--) {
      for (let next = this.#link(node, level); next !== END; next = this.#link(node, level)) {
        node = next;
      }
    }
    return node === HEAD ? END : node;
  }

  #startSearch(key: Uint8Array): void {
    if (key.length > this.#searchBytes.length) {
      this.#search = new Int32Array(key.length);
      this.#searchBytes = new Uint8Array(this.#search.buffer);
    }
    this.#searchBytes.set(key);
    this.#searchLength = key.length;
  }

  /** Order of the searched key against a node's: a word at a time while they are the same. */
  #compare(node: number): number {
    const chunk = node >>> CHUNK_WORDS_LOG2;
    const words = this.#nodes.words[chunk] as Int32Array;
    const search = this.#search;
    const at = node & WORD_MASK;
    const shape = words[at + SHAPE] as number;
    const keyLength = shape >>> 4;
    const keyAt = at + LINKS + (shape & 0xf);
    const common = Math.min(keyLength, this.#searchLength);
    const commonWords = common >>> 2;
    let word = 0;
    while (word < commonWords && search[word] === words[keyAt + word]) word++;
    const searchBytes = this.#searchBytes;
    const keyBytes = this.#nodes.bytes[chunk] as Uint8Array;
    const keyByte = keyAt << 2;
    for (let i = word << 2; i < common; i++) {
      const difference = (searchBytes[i] as number) - (keyBytes[keyByte + i] as number);
      if (difference !== 0) return difference;
    }
    return this.#searchLength - keyLength;
  }

  /** Of the first `length` bytes of the searched key; all bits depend on all bytes. */
  #hashOf(length: number): number {
    const search = this.#search;
    let hash = length;
    for (let word = 0; word < length >>> 2; word++) {
      hash = Math.imul(hash ^ (search[word] as number), 0x9e37_79b1);
      hash ^= hash >>> 15;
    }
    for (let i = length & ~3; i < length; i++) {
      hash = Math.imul(hash ^ (this.#searchBytes[i] as number), 0x85eb_ca6b);
      hash ^= hash >>> 13;
    }
    hash = Math.imul(hash, 0xc2b2_ae35);
    return hash ^ (hash >>> 16);
  }

  #sharesPrefix(node: number, length: number): boolean {
    const chunk = node >>> CHUNK_WORDS_LOG2;
    const words = this.#nodes.words[chunk] as Int32Array;
    const shape = words[(node & WORD_MASK) + SHAPE] as number;
    if (shape >>> 4 < length) return false;
    const keyByte = ((node & WORD_MASK) + LINKS + (shape & 0xf)) << 2;
    const keyBytes = this.#nodes.bytes[chunk] as Uint8Array;
    const searchBytes = this.#searchBytes;
    for (let i = length - 1; i >= 0; i--) {
      if (searchBytes[i] !== keyBytes[keyByte + i]) return false;
    }
    return true;
  }

  #randomHeight(): number {
    let height = 1;
    while (height < HEIGHT_MAX && this.#random.below(BRANCHING) === 0) height++;
    return height;
  }

  #link(node: number, level: number): number {
    return this.#word(node, LINKS + level);
  }

  #word(node: number, field: number): number {
    const words = this.#nodes.words[node >>> CHUNK_WORDS_LOG2] as Int32Array;
    return words[(node & WORD_MASK) + field] as number;
  }

  #setWord(node: number, field: number, value: number): void {
    const words = this.#nodes.words[node >>> CHUNK_WORDS_LOG2] as Int32Array;
    words[(node & WORD_MASK) + field] = value;
  }
}

/** Where the finger of a key begins. */
function fingerOf(key: Uint8Array): number {
  return ((key[0] ?? 0) % FINGERS) * HEIGHT_MAX;
}
