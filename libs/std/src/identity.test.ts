import { InvariantError } from './assert.ts';
import { isNodeId, logIndex, nodeId, revision, term } from './identity.ts';
import { DiskError } from './disk.ts';
import { SeededRandom } from './random.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';
import { DecodeError } from './bytes.ts';

describe('identities', () => {
  test('positions are integers of 0..2^53-1', () => {
    for (const make of [logIndex, term, revision]) {
      expect(make(0)).toBe(0);
      expect(make(Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
      for (const bad of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => make(bad)).toThrow(InvariantError);
      }
    }
  });

  test('node ids are lower-case names that fit a subject token', () => {
    expect(nodeId('node-1')).toBe('node-1');
    for (const bad of ['', 'Node', 'a.b', 'a*', '-a', 'x'.repeat(33), 'a b']) {
      expect(isNodeId(bad)).toBe(false);
      expect(() => nodeId(bad)).toThrow(InvariantError);
    }
  });
});

describe('seeded randomness', () => {
  test('the same seed gives the same numbers, another seed others', () => {
    const take = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 8 }, () => random.below(1_000_000));
    };
    expect(take(7)).toEqual(take(7));
    expect(take(7)).not.toEqual(take(8));
    expect(take(2 ** 40)).not.toEqual(take(0));
  });

  test('stays below its bound and reaches every value of a small one', () => {
    const random = new SeededRandom(1);
    const seen = new Set<number>();
    for (let i = 0; i < 1000; i++) seen.add(random.below(6));
    expect([...seen].toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(() => random.below(0)).toThrow(InvariantError);
  });
});

describe('UTF-8', () => {
  test('round-trips, byte order mark included', () => {
    for (const text of ['', 'abc', 'ä€🙂', '\ufeffx', '\0']) {
      expect(decodeUtf8(encodeUtf8(text))).toBe(text);
    }
  });

  test('refuses what is not well-formed: overlong, surrogates, cut', () => {
    for (const bad of [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xff]]) {
      expect(() => decodeUtf8(new Uint8Array(bad))).toThrow(DecodeError);
    }
  });
});

test('only a full disk is worth retrying', () => {
  expect(new DiskError('DISK_FULL', 'full').retryable).toBe(true);
  expect(new DiskError('IO', 'broken').retryable).toBe(false);
});
