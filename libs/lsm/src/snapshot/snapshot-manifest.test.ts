import fc from 'fast-check';
import { chain, DecodeError, logIndex, term } from '@kvstore/std';
import { Compression, type SegmentMetadata } from '../segment/segment-metadata.ts';
import { decodeSnapshotManifest, encodeSnapshotManifest } from './snapshot-manifest.ts';

const at = (index: number) => ({ index: logIndex(index), term: term(1), chain: chain(index * 7) });

function segment(id: number, over: Partial<SegmentMetadata> = {}): SegmentMetadata {
  return {
    formatVersion: 1,
    compression: Compression.none,
    id,
    label: 'cluster/g0/node-1',
    level: 0,
    position: at(id * 10),
    entries: 3,
    tombstones: 1,
    blocks: 1,
    firstKey: Uint8Array.from([1]),
    lastKey: Uint8Array.from([2, 3]),
    file: `${id}.segment`,
    bytes: 4096,
    sha256: id.toString(16).padStart(64, '0'),
    ...over,
  };
}

const state = { segments: [segment(1), segment(4)], position: at(50) };
const encoded = encodeSnapshotManifest(state);

test('a manifest round-trips without the names of files', () => {
  const decoded = decodeSnapshotManifest(encoded);
  expect(decoded.position).toEqual(state.position);
  expect(decoded.segments).toEqual(
    state.segments.map(({ file: _, ...rest }) => ({ ...rest, firstKey: rest.firstKey })),
  );
});

test.each([
  ['not in the order of their ids', [segment(4), segment(1, { position: at(60) })]],
  ['not in the order of the log', [segment(1, { position: at(40) }), segment(2)]],
  ['beyond its end', [segment(1, { position: at(51) })]],
  ['empty', [segment(1, { bytes: 0 })]],
  ['twice the same', [segment(1), segment(2, { sha256: segment(1).sha256 })]],
  ['of no id', [segment(0, { position: at(10) })]],
])('segments %s are refused', (_, segments) => {
  const manifest = encodeSnapshotManifest({ ...state, segments });
  expect(() => decodeSnapshotManifest(manifest)).toThrow(DecodeError);
});

test('a name that is no SHA-256 is refused: it becomes a path', () => {
  for (const sha256 of ['', '../x', 'A'.repeat(64), `${'0'.repeat(63)}/`]) {
    const manifest = encodeSnapshotManifest({ ...state, segments: [segment(1, { sha256 })] });
    expect(() => decodeSnapshotManifest(manifest)).toThrow(DecodeError);
  }
});

test('cuts, changed bytes and any bytes at all decode, or are refused with a DecodeError', () => {
  const decode = (bytes: Uint8Array): void => {
    try {
      decodeSnapshotManifest(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  };
  for (let length = 0; length < encoded.length; length++) {
    expect(() => decodeSnapshotManifest(encoded.subarray(0, length))).toThrow(DecodeError);
  }
  fc.assert(
    fc.property(fc.nat(encoded.length - 1), fc.nat(255), (place, value) => {
      const changed = encoded.slice();
      changed[place] = value;
      decode(changed);
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (rest) => {
      decode(Uint8Array.from([0, 1, ...rest]));
      decode(rest);
    }),
    { numRuns: 1_000 },
  );
});
