import { prefixEnd, sharesPrefix } from './key-prefix.ts';

describe('prefixEnd', () => {
  test.each([
    [[1, 2, 3], 2, [1, 3]],
    [[1, 0xff, 3], 2, [2]],
    [[0xff, 0xff], 2, undefined],
    [[1], 0, undefined],
    [[0], 1, [1]],
  ])('of %p at %i is %p', (key, length, end) => {
    const expected = end === undefined ? undefined : Uint8Array.from(end);
    expect(prefixEnd(Uint8Array.from(key), length)).toEqual(expected);
  });
});

test('a shorter key does not share a longer prefix', () => {
  expect(sharesPrefix(Uint8Array.of(1), Uint8Array.of(1, 2), 2)).toBe(false);
  expect(sharesPrefix(Uint8Array.of(1, 3), Uint8Array.of(1, 2), 1)).toBe(true);
});
