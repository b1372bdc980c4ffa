/**
 * A block as read back (`block-writer.ts` has its layout). Its checksum has been verified; a layout
 * that still makes no sense throws `DecodeError`, and no length in it is believed unchecked. Restarts
 * ascend and have at most so many entries between them as are written, so that no walk costs more than once over.
 *
 * Searches compare in place: while walking from a restart, only the number of bytes that the
 * target shares with the entry before is kept, and no key is put together.
 */
import { DecodeError } from '@kvstore/std';
import type { Cursor } from '../cursor.ts';
import { TOMBSTONE, type Stored } from '../stored.ts';
import { RESTART_INTERVAL } from './block-writer.ts';
import { compareSlice } from './byte-slice.ts';

const NO_KEY = new Uint8Array(0);

export class Block {
  readonly bytes: Uint8Array;
  readonly #restartsAt: number;
  readonly #restartCount: number;
  /** The entry last decoded by `#decode`. */
  #shared = 0;
  #keyAt = 0;
  #keyLength = 0;
  #valueLength = 0;
  #next = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    if (bytes.length < 8) throw new DecodeError('block too short');
    this.#restartCount = this.#u32(bytes.length - 4);
    this.#restartsAt = bytes.length - 4 - 4 * this.#restartCount;
    if (this.#restartCount === 0 || this.#restartsAt <= 0) throw new DecodeError('block restarts');
  }

  find(key: Uint8Array): Stored | undefined {
    const at = this.#seek(key);
    if (at === this.#restartsAt || !this.#matches(key)) return undefined;
    return this.#value();
  }

  ascend(from: Uint8Array): Cursor {
    const at = this.#seek(from);
    if (at === this.#restartsAt) return new BlockCursor(this, undefined);
    return new BlockCursor(this, this.#entryAfter(from));
  }

  descend(before: Uint8Array | undefined): Cursor {
    let restart = before === undefined ? this.#restartCount - 1 : this.#restartBelow(before);
    if (restart < 0) restart = 0;
    return new ReverseBlockCursor(this, restart, before);
  }

  /** The entry at `offset`, given the key before it; undefined at the end of the block. */
  entryAt(offset: number, previousKey: Uint8Array): BlockEntry | undefined {
    if (offset === this.#restartsAt) return undefined;
    this.#decode(offset);
    return this.#entryAfter(previousKey);
  }

  /** All entries from one restart to the next, ascending. */
  run(restart: number): BlockEntry[] {
    const entries: BlockEntry[] = [];
    const end = restart + 1 < this.#restartCount ? this.#restart(restart + 1) : this.#restartsAt;
    let offset = this.#restart(restart);
    let key: Uint8Array = NO_KEY;
    if (end <= offset) throw new DecodeError('block restarts do not ascend');
    while (offset < end) {
      if (entries.length === RESTART_INTERVAL) throw new DecodeError('block run');
      this.#decode(offset);
      const entry = this.#entryAfter(key);
      entries.push(entry);
      key = entry.key;
      offset = entry.next;
    }
    if (offset !== end) throw new DecodeError('block entry');
    return entries;
  }

  /** Decodes the first entry at or after `key` and returns its offset, or the end of the entries. */
  #seek(key: Uint8Array): number {
    const restart = this.#restartBelow(key);
    let offset = this.#restart(restart < 0 ? 0 : restart);
    let matched = 0;
    while (offset < this.#restartsAt) {
      this.#decode(offset);
      if (this.#shared < matched) return offset;
      if (this.#shared === matched) {
        const limit = Math.min(this.#keyLength, key.length - matched);
        let same = 0;
        while (same < limit && this.bytes[this.#keyAt + same] === key[matched + same]) same++;
        const keyEnds = matched + same === key.length;
        if (keyEnds) return offset;
        const entryEnds = same === this.#keyLength;
        if (
          !entryEnds &&
          (this.bytes[this.#keyAt + same] as number) > (key[matched + same] as number)
        ) {
          return offset;
        }
        matched += same;
      }
      offset = this.#next;
    }
    return this.#restartsAt;
  }

  /** Whether the decoded entry, found by `#seek(key)`, has exactly that key. */
  #matches(key: Uint8Array): boolean {
    if (this.#shared + this.#keyLength !== key.length) return false;
    const rest = this.#shared;
    for (let i = 0; i < this.#keyLength; i++) {
      if (this.bytes[this.#keyAt + i] !== key[rest + i]) return false;
    }
    return true;
  }

  /** The last restart whose key is below `key`, or -1. */
  #restartBelow(key: Uint8Array): number {
    let low = 0;
    let high = this.#restartCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      this.#decode(this.#restart(middle));
      if (this.#shared !== 0) throw new DecodeError('block restart');
      if (compareSlice(this.bytes, this.#keyAt, this.#keyLength, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #entryAfter(previousKey: Uint8Array): BlockEntry {
    const shared = this.#shared;
    if (shared > previousKey.length) throw new DecodeError('block key');
    const key = new Uint8Array(shared + this.#keyLength);
    for (let i = 0; i < shared; i++) key[i] = previousKey[i] as number;
    for (let i = 0; i < this.#keyLength; i++)
      key[shared + i] = this.bytes[this.#keyAt + i] as number;
    return { key, value: this.#value(), next: this.#next };
  }

  #value(): Stored {
    if (this.#valueLength < 0) return TOMBSTONE;
    const start = this.#keyAt + this.#keyLength;
    return this.bytes.subarray(start, start + this.#valueLength);
  }

  #decode(offset: number): void {
    this.#next = offset;
    this.#shared = this.#varint();
    this.#keyLength = this.#varint();
    this.#valueLength = this.#varint() - 1;
    this.#keyAt = this.#next;
    this.#next += this.#keyLength + Math.max(0, this.#valueLength);
    if (this.#next > this.#restartsAt) throw new DecodeError('block entry');
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.#next >= this.#restartsAt) throw new DecodeError('block varint');
      const byte = this.bytes[this.#next++] as number;
      value = (value | ((byte & 0x7f) << shift)) >>> 0;
      if (byte < 0x80) return value;
    }
    throw new DecodeError('block varint');
  }

  #restart(index: number): number {
    const offset = this.#u32(this.#restartsAt + 4 * index);
    if (offset >= this.#restartsAt) throw new DecodeError('block restart');
    return offset;
  }

  #u32(at: number): number {
    const bytes = this.bytes;
    return (
      (((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)) >>>
      0
    );
  }
}

interface BlockEntry {
  readonly key: Uint8Array;
  readonly value: Stored;
  /** Offset of the entry after it. */
  readonly next: number;
}

class BlockCursor implements Cursor {
  readonly #block: Block;
  #entry: BlockEntry | undefined;

  constructor(block: Block, entry: BlockEntry | undefined) {
    this.#block = block;
    this.#entry = entry;
  }

  get done(): boolean {
    return this.#entry === undefined;
  }

  get key(): Uint8Array {
    return (this.#entry as BlockEntry).key;
  }

  get value(): Stored {
    return (this.#entry as BlockEntry).value;
  }

  next(): void {
    const entry = this.#entry as BlockEntry;
    this.#entry = this.#block.entryAt(entry.next, entry.key);
  }
}

/** Entries link forward only: going down, one run between restarts is decoded at a time. */
class ReverseBlockCursor implements Cursor {
  readonly #block: Block;
  #restart: number;
  #run: readonly BlockEntry[];
  #at: number;

  constructor(block: Block, restart: number, before: Uint8Array | undefined) {
    this.#block = block;
    this.#restart = restart;
    this.#run = block.run(restart);
    this.#at = this.#run.length - 1;
    if (before === undefined) return;
    while (this.#at >= 0 && compareSlice(this.key, 0, this.key.length, before) >= 0) this.#at--;
  }

  get done(): boolean {
    return this.#at < 0;
  }

  get key(): Uint8Array {
    return (this.#run[this.#at] as BlockEntry).key;
  }

  get value(): Stored {
    return (this.#run[this.#at] as BlockEntry).value;
  }

  next(): void {
    this.#at -= 1;
    if (this.#at >= 0 || this.#restart === 0) return;
    this.#restart -= 1;
    this.#run = this.#block.run(this.#restart);
    this.#at = this.#run.length - 1;
  }
}
