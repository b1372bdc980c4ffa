/**
 * Turns a sealed memtable into the parts of a segment: blocks, block index, filter, properties.
 * Pure and synchronous: it runs in a worker thread over the memtable's shared memory.
 */
import { assert } from '@kvstore/std';
import type { LogPosition } from '@kvstore/std';
import type { Memtable } from '../memtable/memtable.ts';
import { TOMBSTONE } from '../stored.ts';
import { encodeBlockIndex, type IndexedBlock } from './block-index.ts';
import { BlockWriter } from './block-writer.ts';
import { BloomFilterBuilder, hashPrefix } from './bloom-filter.ts';
import { sharedPrefixLength } from './byte-slice.ts';
import {
  Compression,
  encodeProperties,
  SEGMENT_FORMAT_VERSION,
  SegmentPart,
  segmentChecksum,
  type SegmentProperties,
} from './segment-metadata.ts';

export interface SegmentOptions {
  readonly id: number;
  readonly label: string;
  readonly level: number;
  readonly position: LogPosition;
  /** A block is closed once it holds this many bytes; one entry may make it larger. */
  readonly blockBytes: number;
}

/** Takes the parts in this order: blocks 0, 1, 2…, then index, filter and properties. */
export interface SegmentSink {
  block(number: number, bytes: Uint8Array, checksum: number): void;
  part(part: SegmentPart, bytes: Uint8Array, checksum: number): void;
}

/** Writes a memtable of at least one entry. */
export function writeSegment(
  memtable: Memtable,
  options: SegmentOptions,
  sink: SegmentSink,
): SegmentProperties {
  assert(memtable.entries > 0, 'a segment has at least one entry');
  const blocks: IndexedBlock[] = [];
  const writer = new BlockWriter();
  const filter = new BloomFilterBuilder();
  let entries = 0;
  let tombstones = 0;
  let filtered: Uint8Array | undefined;

  const closeBlock = (): void => {
    const { entries: count, firstKey, lastKey } = writer;
    const bytes = writer.finish();
    sink.block(blocks.length, bytes, segmentChecksum(options.id, blocks.length, bytes));
    blocks.push({ bytes: bytes.length, entries: count, firstKey, lastKey });
  };

  for (let node = memtable.firstNode(); node !== 0; node = memtable.nextOf(node)) {
    const key = memtable.keyOf(node);
    const value = memtable.valueOf(node);
    writer.add(key, value);
    entries += 1;
    if (value === TOMBSTONE) tombstones += 1;
    const prefix = memtable.filterPrefixLengthOf(node);
    if (prefix > 0 && !isPrefixOf(filtered, key, prefix)) {
      filter.add(hashPrefix(key, prefix));
      filtered = key.subarray(0, prefix);
    }
    if (writer.byteLength >= options.blockBytes) closeBlock();
  }
  if (writer.entries > 0) closeBlock();
  assert(entries === memtable.entries, 'the memtable lost an entry');

  const properties: SegmentProperties = {
    formatVersion: SEGMENT_FORMAT_VERSION,
    compression: Compression.none,
    id: options.id,
    label: options.label,
    level: options.level,
    position: options.position,
    entries,
    tombstones,
    blocks: blocks.length,
    // Copies: a view would keep a chunk of the memtable alive as long as the segment.
    firstKey: (blocks[0] as IndexedBlock).firstKey.slice(),
    lastKey: (blocks[blocks.length - 1] as IndexedBlock).lastKey.slice(),
  };
  const part = (name: SegmentPart, bytes: Uint8Array): void => {
    sink.part(name, bytes, segmentChecksum(options.id, name, bytes));
  };
  part(SegmentPart.index, encodeBlockIndex(blocks));
  part(SegmentPart.filter, filter.finish());
  part(SegmentPart.properties, encodeProperties(properties));
  return properties;
}

/** Versions of one key follow each other: their common prefix enters the filter once. */
function isPrefixOf(last: Uint8Array | undefined, key: Uint8Array, length: number): boolean {
  return last !== undefined && last.length === length && sharedPrefixLength(last, key) === length;
}
