import { SeededRandom } from '@kvstore/std';
import { ByteBoundedCache } from './byte-bounded-cache.ts';

const OVERHEAD = 128;

describe('ByteBoundedCache', () => {
  test('forgets what was not used since it was last looked at', () => {
    const cache = new ByteBoundedCache<string>(3 * (OVERHEAD + 10));
    for (const key of [1, 2, 3]) cache.add(key, `value ${key}`, 10);
    expect(cache.get(1)).toBe('value 1');
    cache.add(4, 'value 4', 10);
    expect(cache.get(2)).toBeUndefined();
    expect([1, 3, 4].map((key) => cache.get(key))).toEqual(['value 1', 'value 3', 'value 4']);
  });

  test('lets go of entries that are all in use, too', () => {
    const cache = new ByteBoundedCache<number>(3 * (OVERHEAD + 10));
    for (const key of [1, 2, 3]) cache.add(key, key, 10);
    for (const key of [1, 2, 3]) cache.get(key);
    cache.add(4, 4, 10);
    expect([1, 2, 3, 4].map((key) => cache.get(key))).toEqual([undefined, 2, 3, 4]);
  });

  test('never holds more than its bound', () => {
    const cache = new ByteBoundedCache<number>(10_000);
    const random = new SeededRandom(3);
    for (let key = 0; key < 2_000; key++) {
      cache.add(key, key, random.below(3_000));
      cache.get(random.below(key + 1));
      expect(cache.bytes).toBeLessThanOrEqual(10_000);
    }
    expect(cache.bytes).toBeGreaterThan(0);
  });

  test('a value larger than the bound is not kept and displaces nothing', () => {
    const cache = new ByteBoundedCache<string>(1_000);
    cache.add(1, 'small', 10);
    cache.add(2, 'large', 1_000);
    expect(cache.get(1)).toBe('small');
    expect(cache.get(2)).toBeUndefined();
  });

  test('of size 0 keeps nothing', () => {
    const cache = new ByteBoundedCache<string>(0);
    cache.add(1, 'empty', 0);
    expect(cache.get(1)).toBeUndefined();
    expect(cache.bytes).toBe(0);
  });
});
