/** Every decoder of this lib, from bytes that no segment should hold; their checksums are taken for right. */
import { join } from 'node:path';
import { chain, DecodeError, encodeUtf8, logIndex, term } from '@kvstore/std';
import { hostileBytes } from '@kvstore/testing';
import type { Cursor } from './cursor.ts';
import { BlockIndex, encodeBlockIndex } from './segment/block-index.ts';
import { BlockWriter } from './segment/block-writer.ts';
import { Block } from './segment/block.ts';
import { BloomFilter, BloomFilterBuilder, hashPrefix } from './segment/bloom-filter.ts';
import {
  Compression,
  decodeProperties,
  encodeProperties,
  type SegmentMetadata,
} from './segment/segment-metadata.ts';
import { decodeSnapshotManifest, encodeSnapshotManifest } from './snapshot/snapshot-manifest.ts';
import { TOMBSTONE } from './stored.ts';

const corpus = join(import.meta.dirname, '../testdata/hostile');
const NO_KEY = new Uint8Array(0);
const keys = Array.from({ length: 20 }, (_, i) => encodeUtf8(`key ${10 + i}`));
const probes = [NO_KEY, keys[0], keys[7], keys[19], encodeUtf8('l')] as readonly Uint8Array[];

/** Everything that can be asked of a block, to its end. */
function walk(bytes: Uint8Array): void {
  const block = new Block(bytes);
  for (const probe of probes) {
    block.find(probe);
    exhaust(block.ascend(probe), bytes.length);
    exhaust(block.descend(probe), bytes.length);
  }
  exhaust(block.descend(undefined), bytes.length);
}

/** An entry has at least three bytes. */
function exhaust(cursor: Cursor, bytes: number): void {
  let steps = 0;
  for (; !cursor.done; cursor.next()) steps += 1;
  if (steps > bytes / 3) throw new Error('a walk goes over the same entries again');
}

function blockOf(count: number): Uint8Array {
  const writer = new BlockWriter();
  for (const [i, key] of keys.slice(0, count).entries()) {
    writer.add(key, i % 5 === 0 ? TOMBSTONE : Uint8Array.of(i));
  }
  return writer.finish();
}

/** Why open-ended: the restarts are found from the end, and may be anywhere. */
hostileBytes('block', {
  samples: [blockOf(20), blockOf(1)],
  decode: walk,
  isOpenEnded: true,
  corpus,
});

describe('a block of 64 KiB whose restarts go up and down', () => {
  const entries = 16_384 - 16;
  const restarts = 4_000;
  const block = (restart: (i: number) => number): Uint8Array => {
    const bytes = new Uint8Array(3 * entries + 4 * restarts + 4);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < restarts; i++) view.setUint32(3 * entries + 4 * i, restart(i));
    view.setUint32(bytes.length - 4, restarts);
    return bytes;
  };

  test.each([
    ['between two places', (i: number) => (i % 2 === 0 ? 0 : 3 * (entries - 1))],
    ['nowhere', () => 0],
    ['over too many entries', (i: number) => (i === 0 ? 0 : 3 * (entries - restarts + i))],
  ])('%s is refused: no entry goes missing, and none is walked again', (_, restart) => {
    const cursor = (): void => exhaust(new Block(block(restart)).descend(undefined), 3 * entries);
    expect(cursor).toThrow(DecodeError);
  });
});

const indexed = (first: string, last: string) => ({
  bytes: 100,
  entries: 3,
  firstKey: encodeUtf8(first),
  lastKey: encodeUtf8(last),
});
hostileBytes('block index', {
  samples: [encodeBlockIndex([indexed('a', 'key 12'), indexed('key 15', 'z')])],
  decode: (bytes) => {
    const index = new BlockIndex(bytes);
    for (const probe of probes) {
      const at = index.blockAtOrAfter(probe);
      if (at < index.blocks) index.covers(at, probe);
      index.blockBelow(probe);
    }
    return index;
  },
  corpus,
});

const hashes = keys.map((key) => hashPrefix(key, key.length));
const builder = new BloomFilterBuilder();
for (const hash of hashes.slice(0, 7)) builder.add(hash);
hostileBytes('bloom filter', {
  samples: [builder.finish()],
  decode: (bytes) => {
    const filter = new BloomFilter(bytes);
    return hashes.filter((hash) => filter.mayContain(hash)).length;
  },
  corpus,
});

const at = (index: number) => ({ index: logIndex(index), term: term(1), chain: chain(index * 7) });
const segment = (id: number): SegmentMetadata => ({
  formatVersion: 1,
  compression: Compression.none,
  id,
  label: 'c/g0/node-1',
  level: 0,
  position: at(id * 10),
  entries: 3,
  tombstones: 1,
  blocks: 1,
  firstKey: Uint8Array.of(1),
  lastKey: Uint8Array.of(2, 3),
  file: '',
  bytes: 4096,
  sha256: id.toString(16).padStart(64, '0'),
});
hostileBytes('properties', {
  samples: [encodeProperties(segment(1))],
  decode: decodeProperties,
  encode: encodeProperties,
  corpus,
});

hostileBytes('snapshot manifest', {
  samples: [encodeSnapshotManifest({ segments: [segment(1)], position: at(50) })],
  decode: decodeSnapshotManifest,
  encode: ({ segments, position }) =>
    encodeSnapshotManifest({ segments: segments.map((each) => ({ ...each, file: '' })), position }),
  corpus,
});
