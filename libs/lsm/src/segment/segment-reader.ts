/**
 * Reads one segment. Its index and filter come from the index cache, its blocks from the block
 * cache, both from the file when they are not there; every part's checksum is verified when it is
 * read from the file, and a part that fails is `SEGMENT_CORRUPT`, never a wrong answer.
 */
import { assert, compareBytes, DecodeError, equalBytes } from '@kvstore/std';
import type { Cursor, Layer } from '../cursor.ts';
import type { Stored } from '../stored.ts';
import type { ByteBoundedCache } from './byte-bounded-cache.ts';
import { BlockIndex } from './block-index.ts';
import { Block } from './block.ts';
import { BloomFilter, type PrefixHash } from './bloom-filter.ts';
import { SegmentError } from './segment-error.ts';
import {
  decodeProperties,
  SEGMENT_FORMAT_VERSION,
  SegmentPart,
  segmentChecksum,
  type SegmentMetadata,
} from './segment-metadata.ts';
import type { ChecksummedBytes, SegmentSource } from './segment-store.ts';

/** Blocks of a segment that the cache can tell apart, and segments of a directory. */
const BLOCKS_MAX = 2 ** 22;
const SEGMENTS_MAX = 2 ** 31;
const PART_NAMES = { index: 'index', filter: 'filter', properties: 'properties' } as const;

export interface SegmentCaches {
  readonly blocks: ByteBoundedCache<Block>;
  readonly indexes: ByteBoundedCache<SegmentIndex>;
}

/** What is needed of a segment to decide which block to read. */
export interface SegmentIndex {
  readonly index: BlockIndex;
  readonly filter: BloomFilter;
}

export class SegmentReader implements Layer {
  readonly metadata: SegmentMetadata;
  readonly #source: SegmentSource;
  readonly #caches: SegmentCaches;

  /** Checks the file's own properties against the manifest's; owns `source` from here on. */
  constructor(metadata: SegmentMetadata, source: SegmentSource, caches: SegmentCaches) {
    assert(metadata.id > 0 && metadata.id < SEGMENTS_MAX, 'segment id out of range');
    this.metadata = metadata;
    this.#source = source;
    this.#caches = caches;
    this.#checkProperties();
  }

  /** False: `key` is not here. */
  covers(key: Uint8Array): boolean {
    const { firstKey, lastKey } = this.metadata;
    return compareBytes(lastKey, key) >= 0 && compareBytes(firstKey, key) <= 0;
  }

  /** False: no key in [from, to) is here. */
  overlaps(from: Uint8Array, to: Uint8Array | undefined): boolean {
    return (
      compareBytes(this.metadata.lastKey, from) >= 0 &&
      (to === undefined || compareBytes(this.metadata.firstKey, to) < 0)
    );
  }

  /** False: no key with this filter prefix is here. */
  mayContain(prefix: PrefixHash): boolean {
    return this.#index().filter.mayContain(prefix);
  }

  find(key: Uint8Array): Stored | undefined {
    const { index } = this.#index();
    const block = index.blockAtOrAfter(key);
    if (block === index.blocks || !index.covers(block, key)) return undefined;
    try {
      return this.block(block).find(key);
    } catch (error) {
      throw this.corruption(error, `block ${block}`);
    }
  }

  ascend(from: Uint8Array): Cursor {
    const { index } = this.#index();
    return new SegmentCursor(this, index.blockAtOrAfter(from), index.blocks, 1, (block) =>
      block.ascend(from),
    );
  }

  descend(before: Uint8Array | undefined): Cursor {
    const { index } = this.#index();
    const block = before === undefined ? index.blocks - 1 : index.blockBelow(before);
    return new SegmentCursor(this, block, index.blocks, -1, (first) => first.descend(before));
  }

  close(): void {
    this.#source.close();
  }

  block(number: number): Block {
    const cacheKey = this.metadata.id * BLOCKS_MAX + number;
    const cached = this.#caches.blocks.get(cacheKey);
    if (cached !== undefined) return cached;
    const bytes = this.#verified(this.#source.block(number), number, `block ${number}`);
    const block = this.#decodeBlock(bytes, number);
    this.#caches.blocks.add(cacheKey, block, bytes.length);
    return block;
  }

  #decodeBlock(bytes: Uint8Array, number: number): Block {
    try {
      return new Block(bytes);
    } catch (error) {
      throw this.corruption(error, `block ${number}`);
    }
  }

  #index(): SegmentIndex {
    const cached = this.#caches.indexes.get(this.metadata.id);
    if (cached !== undefined) return cached;
    const indexBytes = this.#part(SegmentPart.index, PART_NAMES.index);
    const filterBytes = this.#part(SegmentPart.filter, PART_NAMES.filter);
    try {
      const loaded = { index: new BlockIndex(indexBytes), filter: new BloomFilter(filterBytes) };
      if (loaded.index.blocks !== this.metadata.blocks) throw new DecodeError('block count');
      const bytes = loaded.index.byteLength + filterBytes.length;
      this.#caches.indexes.add(this.metadata.id, loaded, bytes);
      return loaded;
    } catch (error) {
      throw this.corruption(error, PART_NAMES.index);
    }
  }

  #checkProperties(): void {
    const { metadata } = this;
    if (metadata.formatVersion !== SEGMENT_FORMAT_VERSION) {
      const detail = `format version ${metadata.formatVersion} is not ${SEGMENT_FORMAT_VERSION}`;
      throw new SegmentError('UNKNOWN_FORMAT', metadata.file, detail);
    }
    const bytes = this.#part(SegmentPart.properties, PART_NAMES.properties);
    try {
      const found = decodeProperties(bytes);
      const same =
        found.formatVersion === metadata.formatVersion &&
        found.id === metadata.id &&
        found.label === metadata.label &&
        found.level === metadata.level &&
        found.position.index === metadata.position.index &&
        found.position.term === metadata.position.term &&
        found.position.chain === metadata.position.chain &&
        found.entries === metadata.entries &&
        found.blocks === metadata.blocks &&
        equalBytes(found.firstKey, metadata.firstKey) &&
        equalBytes(found.lastKey, metadata.lastKey);
      if (!same) throw new DecodeError('not the segment that the manifest lists');
    } catch (error) {
      throw this.corruption(error, PART_NAMES.properties);
    }
  }

  #part(part: SegmentPart, name: string): Uint8Array {
    return this.#verified(this.#source.part(part), part, name);
  }

  #verified(found: ChecksummedBytes | undefined, number: number, name: string): Uint8Array {
    if (found === undefined) {
      throw new SegmentError('SEGMENT_CORRUPT', this.metadata.file, `${name} is missing`);
    }
    if (segmentChecksum(this.metadata.id, number, found.bytes) !== found.checksum) {
      throw new SegmentError('SEGMENT_CORRUPT', this.metadata.file, `${name} has a wrong checksum`);
    }
    return found.bytes;
  }

  /** SEGMENT_CORRUPT for what could not be decoded; other errors as they are. */
  corruption(error: unknown, name: string): unknown {
    if (!(error instanceof DecodeError)) return error;
    const detail = `${name} cannot be decoded: ${error.message}`;
    return new SegmentError('SEGMENT_CORRUPT', this.metadata.file, detail, error);
  }
}

/** Walks from block to block; `start` positions in the first one. */
class SegmentCursor implements Cursor {
  readonly #segment: SegmentReader;
  readonly #blocks: number;
  readonly #step: 1 | -1;
  #number: number;
  #cursor: Cursor | undefined;

  constructor(
    segment: SegmentReader,
    first: number,
    blocks: number,
    step: 1 | -1,
    start: (block: Block) => Cursor,
  ) {
    this.#segment = segment;
    this.#number = first;
    this.#blocks = blocks;
    this.#step = step;
    if (first < 0 || first >= blocks) return;
    try {
      this.#cursor = start(segment.block(first));
      if (this.#cursor.done) this.#nextBlock();
    } catch (error) {
      throw segment.corruption(error, `block ${this.#number}`);
    }
  }

  get done(): boolean {
    return this.#cursor === undefined;
  }

  get key(): Uint8Array {
    return (this.#cursor as Cursor).key;
  }

  get value(): Stored {
    return (this.#cursor as Cursor).value;
  }

  next(): void {
    const cursor = this.#cursor as Cursor;
    try {
      cursor.next();
      if (cursor.done) this.#nextBlock();
    } catch (error) {
      throw this.#segment.corruption(error, `block ${this.#number}`);
    }
  }

  #nextBlock(): void {
    this.#number += this.#step;
    this.#cursor = undefined;
    if (this.#number < 0 || this.#number >= this.#blocks) return;
    const block = this.#segment.block(this.#number);
    this.#cursor = this.#step === 1 ? block.ascend(NO_KEY) : block.descend(undefined);
  }
}

const NO_KEY = new Uint8Array(0);
