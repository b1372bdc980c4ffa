import { DecodeError } from '@kvstore/std';
import { Limits } from './limits.ts';
import {
  decodeSnapshotReply,
  decodeSnapshotRequest,
  encodeSnapshotReply,
  encodeSnapshotRequest,
} from './snapshot.ts';

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
