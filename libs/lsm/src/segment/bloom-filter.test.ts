import { DecodeError, SeededRandom } from '@kvstore/std';
import { BloomFilter, BloomFilterBuilder, hashPrefix } from './bloom-filter.ts';

function keyOf(number: number): Uint8Array {
  const key = new Uint8Array(20).fill(0x61);
  new DataView(key.buffer).setUint32(8, number);
  return key;
}

function filterOf(count: number): BloomFilter {
  const builder = new BloomFilterBuilder();
  for (let i = 0; i < count; i++) builder.add(hashPrefix(keyOf(i), 20));
  return new BloomFilter(builder.finish());
}

describe('BloomFilter', () => {
  test.each([1, 10, 1_000, 50_000])('of %i prefixes has no false negative', (count) => {
    const filter = filterOf(count);
    for (let i = 0; i < count; i++) expect(filter.mayContain(hashPrefix(keyOf(i), 20))).toBe(true);
  });

  test.each([1_000, 50_000])('of %i prefixes has at most 1.1 % false positives', (count) => {
    const filter = filterOf(count);
    const random = new SeededRandom(5);
    let positives = 0;
    const probes = 50_000;
    for (let i = 0; i < probes; i++) {
      const absent = count + random.below(0x4000_0000);
      if (filter.mayContain(hashPrefix(keyOf(absent), 20))) positives += 1;
    }
    expect(positives / probes).toBeLessThan(0.011);
    expect(positives).toBeGreaterThan(0);
  });

  test('an empty filter contains nothing', () => {
    const filter = new BloomFilter(new BloomFilterBuilder().finish());
    expect(filter.mayContain(hashPrefix(keyOf(1), 20))).toBe(false);
  });

  test('only the prefix counts', () => {
    const builder = new BloomFilterBuilder();
    builder.add(hashPrefix(keyOf(1), 12));
    const filter = new BloomFilter(builder.finish());
    const other = keyOf(1);
    other[15] = 0;
    expect(filter.mayContain(hashPrefix(other, 12))).toBe(true);
  });

  test('a damaged layout is a DecodeError', () => {
    const bytes = new BloomFilterBuilder().finish();
    expect(() => new BloomFilter(bytes.subarray(0, 8))).toThrow(DecodeError);
    expect(() => new BloomFilter(Uint8Array.of(7, 0xff, 0xff, 0xff, 0xff, 1))).toThrow(DecodeError);
    expect(() => new BloomFilter(Uint8Array.of(7, 0, 0, 0, 0))).toThrow(DecodeError);
  });
});
