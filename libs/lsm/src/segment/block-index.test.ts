import { DecodeError } from '@kvstore/std';
import { BlockIndex, encodeBlockIndex } from './block-index.ts';

const key = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const block = (first: Uint8Array, last: Uint8Array) => ({
  bytes: 100,
  entries: 3,
  firstKey: first,
  lastKey: last,
});
const encoded = encodeBlockIndex([
  block(key(1), key(3)),
  block(key(5), key(5)),
  block(key(5, 0), key(9)),
]);

describe('BlockIndex', () => {
  const index = new BlockIndex(encoded);

  test.each([
    [key(), 0, false],
    [key(1), 0, true],
    [key(3), 0, true],
    [key(4), 1, false],
    [key(5), 1, true],
    [key(5, 0), 2, true],
    [key(9), 2, true],
  ])('the first block at or after %p is %i', (probe, at, covered) => {
    expect(index.blockAtOrAfter(probe)).toBe(at);
    expect(index.covers(at, probe)).toBe(covered);
  });

  test('past the last key there is no block', () => {
    expect(index.blockAtOrAfter(key(9, 0))).toBe(3);
  });

  test.each([
    [key(1), -1],
    [key(2), 0],
    [key(5), 0],
    [key(5, 0), 1],
    [key(6), 2],
    [key(0xff), 2],
  ])('the last block that begins below %p is %i', (probe, at) => {
    expect(index.blockBelow(probe)).toBe(at);
  });

  test('every truncation, and a count beyond the bytes, is a DecodeError', () => {
    for (let length = 0; length < encoded.length; length++) {
      expect(() => new BlockIndex(encoded.subarray(0, length))).toThrow(DecodeError);
    }
    const huge = encoded.slice();
    huge.fill(0xff, 0, 4);
    expect(() => new BlockIndex(huge)).toThrow(DecodeError);
  });
});
