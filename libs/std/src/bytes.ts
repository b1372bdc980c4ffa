/**
 * Byte strings: order, equality, and a bounds-checked reader and growing writer for the fixed
 * layouts of frames, log records, blocks and stored records.
 *
 * Integers are big-endian, so that an encoded number sorts as the number does. 64-bit integers are
 * JavaScript numbers and refused above 2^53-1 in both directions. A reader never reads outside its
 * bytes: it throws `DecodeError`, the only error a decoder may throw.
 */
import { assert, InvariantError } from './assert.ts';
import { isCount } from './identity.ts';

export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  readonly code = 'DECODE';
}

/** Lexicographic order of unsigned bytes; a prefix sorts first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const TWO_32 = 0x1_0000_0000;
const CAPACITY_MIN = 64;
const EMPTY = new Uint8Array(0);

/** Appends to a growing buffer. `finish()` hands out the bytes and leaves the writer empty. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value);
    this.#length += 2;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value);
    this.#length += 4;
    return this;
  }

  /** An integer of 0..2^53-1 in eight bytes. */
  u64(value: number): this {
    assert(isCount(value), 'u64 out of range');
    this.#reserve(8);
    this.#view.setUint32(this.#length, Math.floor(value / TWO_32));
    this.#view.setUint32(this.#length + 4, value >>> 0);
    this.#length += 8;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** One length byte, then at most 255 bytes. */
  bytes8(bytes: Uint8Array): this {
    assert(bytes.length <= 0xff, 'bytes8 too long');
    return this.u8(bytes.length).raw(bytes);
  }

  /** Two length bytes, then at most 65,535 bytes. */
  bytes16(bytes: Uint8Array): this {
    assert(bytes.length <= 0xffff, 'bytes16 too long');
    return this.u16(bytes.length).raw(bytes);
  }

  /** Four length bytes, then the bytes. */
  bytes32(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  /** Overwrites four bytes written before, e.g. a length known only at the end. */
  patchU32(offset: number, value: number): void {
    assert(offset + 4 <= this.#length, 'patch outside the written bytes');
    this.#view.setUint32(offset, value);
  }

  /** The bytes written so far, valid until the next call on this writer. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The bytes, owned by the caller; the writer starts again empty. */
  finish(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#bytes = EMPTY;
    this.#length = 0;
    return bytes;
  }

  /** A copy of the bytes; the writer starts again empty and keeps its buffer. */
  finishCopy(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    if (needed > 0x7fff_ffff) throw new InvariantError('writer over 2 GiB');
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2, CAPACITY_MIN));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads a layout front to back. `raw` and `bytesN` return views into the input, not copies. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at);
    if (high > 0x1f_ffff) throw new DecodeError('integer above 2^53-1');
    return high * TWO_32 + this.#view.getUint32(at + 4);
  }

  /** One byte, 0 or 1. */
  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw new DecodeError('not a flag');
    return value === 1;
  }

  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  bytes8(): Uint8Array {
    return this.raw(this.u8());
  }

  bytes16(): Uint8Array {
    return this.raw(this.u16());
  }

  bytes32(): Uint8Array {
    return this.raw(this.u32());
  }

  /** `count` items, one after the other: nothing is allocated for items that are not there. */
  list<Item>(count: number, read: (reader: ByteReader) => Item): Item[] {
    const items: Item[] = [];
    for (let i = 0; i < count; i++) items.push(read(this));
    return items;
  }

  /** What has been read since `offset`, as a view. */
  since(offset: number): Uint8Array {
    return this.#bytes.subarray(offset, this.#offset);
  }

  /** Asserts that nothing follows: a layout with trailing bytes is malformed. */
  end(): void {
    if (this.remaining !== 0) throw new DecodeError(`${this.remaining} trailing bytes`);
  }

  #take(count: number): number {
    const at = this.#offset;
    if (count > this.#bytes.length - at) throw new DecodeError('truncated');
    this.#offset = at + count;
    return at;
  }
}
