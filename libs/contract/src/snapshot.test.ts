import fc from 'fast-check';
import { chain, DecodeError, logIndex, term } from '@kvstore/std';
import { Limits } from './limits.ts';
import {
  decodeSnapshotReply,
  decodeSnapshotRequest,
  encodeSnapshotReply,
  encodeSnapshotRequest,
  type SnapshotReply,
  type SnapshotRequest,
} from './snapshot.ts';

const position = { index: logIndex(7), term: term(2), chain: chain(99) };
const requests: readonly SnapshotRequest[] = [
  { kind: 'open', clusterTag: 2 ** 52 - 1, minIndex: logIndex(12) },
  { kind: 'read', transfer: 3, file: 0, offset: 2 ** 40, length: Limits.snapshotPieceBytesMax },
  { kind: 'close', transfer: 3 },
];
const replies: readonly SnapshotReply[] = [
  { kind: 'opened', transfer: 3, position, manifestBytes: 400 },
  { kind: 'piece', bytes: Uint8Array.from([1, 2, 3]) },
  { kind: 'piece', bytes: new Uint8Array(0) },
  { kind: 'refused', reason: 4 },
];

const both = [
  ...requests.map((value) => [encodeSnapshotRequest(value), decodeSnapshotRequest, value] as const),
  ...replies.map((value) => [encodeSnapshotReply(value), decodeSnapshotReply, value] as const),
];

test('requests and replies round-trip, and every cut and every longer one is refused', () => {
  for (const [encoded, decode, value] of both) {
    expect(decode(encoded)).toEqual(value);
    for (let length = 0; length < encoded.length; length++) {
      expect(() => decode(encoded.subarray(0, length))).toThrow(DecodeError);
    }
    expect(() => decode(Buffer.concat([encoded, Buffer.from([1])]))).toThrow(DecodeError);
  }
});

test('a piece fits a frame, and one with any bit flipped is refused', () => {
  const bytes = new Uint8Array(Limits.snapshotPieceBytesMax).fill(7);
  expect(encodeSnapshotReply({ kind: 'piece', bytes }).length).toBeLessThan(
    Limits.frameBytesMax - 512,
  );
  const encoded = encodeSnapshotReply({ kind: 'piece', bytes: Uint8Array.from([5, 6, 7, 8]) });
  for (let bit = 8; bit < encoded.length * 8; bit++) {
    const flipped = encoded.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    expect(() => decodeSnapshotReply(flipped)).toThrow(DecodeError);
  }
});

test('a length of nothing, or above the bound, is refused', () => {
  for (const length of [0, Limits.snapshotPieceBytesMax + 1]) {
    const encoded = encodeSnapshotRequest({
      kind: 'read',
      transfer: 1,
      file: 1,
      offset: 0,
      length,
    });
    expect(() => decodeSnapshotRequest(encoded)).toThrow(DecodeError);
  }
});

test('any bytes decode, or are refused with a DecodeError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 0, max: 4 }), (rest, kind) => {
      const bytes = Uint8Array.from([kind, ...rest]);
      for (const decode of [decodeSnapshotRequest, decodeSnapshotReply]) {
        try {
          decode(bytes);
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
        }
      }
    }),
    { numRuns: 2_000 },
  );
});
