/**
 * Builds one sorted block (LevelDB's table format, without its compression):
 *
 *   entry*    varint shared, varint unshared, varint value length + 1 (0: tombstone), key, value
 *   restart*  u32 offset of every 16th entry, whose key is written whole
 *   u32       number of restarts
 */
import { assert, ByteWriter, compareBytes } from '@kvstore/std';
import { TOMBSTONE, type Stored } from '../stored.ts';
import { sharedPrefixLength, writeVarint } from './byte-slice.ts';

export const RESTART_INTERVAL = 16;
const NO_KEY = new Uint8Array(0);

export class BlockWriter {
  readonly #writer = new ByteWriter(32 * 1024);
  #restarts: number[] = [];
  #entries = 0;
  #firstKey: Uint8Array = NO_KEY;
  #lastKey: Uint8Array = NO_KEY;

  get entries(): number {
    return this.#entries;
  }

  get firstKey(): Uint8Array {
    return this.#firstKey;
  }

  get lastKey(): Uint8Array {
    return this.#lastKey;
  }

  /** Size of the block if it were finished now. */
  get byteLength(): number {
    return this.#writer.length + 4 * this.#restarts.length + 4;
  }

  /** Keys must ascend; they are kept until `finish`, so the caller must not change them. */
  add(key: Uint8Array, value: Stored): void {
    const restart = this.#entries % RESTART_INTERVAL === 0;
    if (this.#entries === 0) this.#firstKey = key;
    else assert(compareBytes(this.#lastKey, key) < 0, 'keys of a block must ascend');
    if (restart) this.#restarts.push(this.#writer.length);
    const shared = restart ? 0 : sharedPrefixLength(this.#lastKey, key);
    writeVarint(this.#writer, shared);
    writeVarint(this.#writer, key.length - shared);
    writeVarint(this.#writer, value === TOMBSTONE ? 0 : value.length + 1);
    this.#writer.raw(shared === 0 ? key : key.subarray(shared));
    if (value !== TOMBSTONE) this.#writer.raw(value);
    this.#lastKey = key;
    this.#entries += 1;
  }

  /** The block, owned by the caller; the writer starts the next one. */
  finish(): Uint8Array {
    for (const offset of this.#restarts) this.#writer.u32(offset);
    this.#writer.u32(this.#restarts.length);
    this.#restarts = [];
    this.#entries = 0;
    return this.#writer.finishCopy();
  }
}
