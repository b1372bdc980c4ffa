/**
 * The block index of a segment: for each block its size, entry count, first and last key, in key
 * order. Kept as encoded, with the offset of every record beside it.
 *
 * Layout: u32 blocks, then per block u32 bytes, u32 entries, first key and last key with u16 length.
 */
import { ByteReader, ByteWriter } from '@kvstore/std';
import { compareSlice } from './byte-slice.ts';

export interface IndexedBlock {
  readonly bytes: number;
  readonly entries: number;
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
}

export function encodeBlockIndex(blocks: readonly IndexedBlock[]): Uint8Array {
  const writer = new ByteWriter(64 * blocks.length + 64).u32(blocks.length);
  for (const block of blocks) {
    writer.u32(block.bytes).u32(block.entries).bytes16(block.firstKey).bytes16(block.lastKey);
  }
  return writer.finish();
}

export class BlockIndex {
  readonly blocks: number;
  readonly byteLength: number;
  readonly #bytes: Uint8Array;
  /** Offsets of the two keys of each block, behind their lengths. */
  readonly #keysAt: Uint32Array;

  /** Throws `DecodeError` on a layout that makes no sense. */
  constructor(bytes: Uint8Array) {
    const reader = new ByteReader(bytes);
    this.#bytes = bytes;
    const announced = reader.u32();
    // A count is believed only as far as the bytes can hold it.
    this.#keysAt = new Uint32Array(2 * Math.min(announced, Math.ceil(bytes.length / 12)));
    for (let block = 0; block < announced; block++) {
      reader.raw(8);
      for (let side = 0; side < 2; side++) {
        const length = reader.u16();
        this.#keysAt[2 * block + side] = reader.offset;
        reader.raw(length);
      }
    }
    reader.end();
    this.blocks = announced;
    this.byteLength = bytes.length + this.#keysAt.byteLength;
  }

  /** The first block whose last key is at or after `key`; `blocks` when there is none. */
  blockAtOrAfter(key: Uint8Array): number {
    let low = 0;
    let high = this.blocks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(2 * middle + 1, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The last block whose first key is below `key`, or -1. */
  blockBelow(key: Uint8Array): number {
    let low = 0;
    let high = this.blocks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(2 * middle, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Whether `key` lies between the first and the last key of the block. */
  covers(block: number, key: Uint8Array): boolean {
    return this.#compare(2 * block, key) <= 0 && this.#compare(2 * block + 1, key) >= 0;
  }

  #compare(slot: number, key: Uint8Array): number {
    const at = this.#keysAt[slot] as number;
    const length = ((this.#bytes[at - 2] as number) << 8) | (this.#bytes[at - 1] as number);
    return compareSlice(this.#bytes, at, length, key);
  }
}
