import fc from 'fast-check';
import { nextChain } from './chain.ts';
import { crc32c } from './crc32c.ts';
import { type Chain, chain, logIndex, term } from './identity.ts';
import { encodeUtf8 } from './utf8.ts';
import { xxh32 } from './xxh32.ts';

describe('CRC-32C', () => {
  test('has the check value of the catalogue and the vectors of RFC 3720 B.4', () => {
    expect(crc32c(encodeUtf8('123456789'))).toBe(0xe306_9283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8_ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd_794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113f_db5c);
  });

  test('continues over parts', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        expect(crc32c(b, crc32c(a))).toBe(crc32c(Buffer.concat([a, b])));
      }),
    );
  });

  test('sees every single flipped bit', () => {
    const bytes = Uint8Array.from({ length: 37 }, (_, i) => i * 7);
    const before = crc32c(bytes);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(crc32c(flipped)).not.toBe(before);
    }
  });
});

describe('XXH32', () => {
  test('has the reference values', () => {
    expect(xxh32(new Uint8Array(0))).toBe(0x02cc_5d05);
    expect(xxh32(encodeUtf8('a'))).toBe(0x550d_7456);
    expect(xxh32(encodeUtf8('abc'))).toBe(0x32d1_53ff);
    expect(xxh32(encodeUtf8('Nobody inspects the spammish repetition'))).toBe(0xe229_3b2f);
  });

  test('differs by seed', () => {
    expect(xxh32(encodeUtf8('abc'), 1)).not.toBe(xxh32(encodeUtf8('abc'), 2));
  });
});

describe('the chain', () => {
  const body = encodeUtf8('entry');
  const start: Chain = chain(0);

  test('depends on everything before and in the entry', () => {
    const base = nextChain(start, logIndex(1), term(1), 1, body);
    expect(nextChain(start, logIndex(1), term(1), 1, body)).toBe(base);
    expect(nextChain(chain(1), logIndex(1), term(1), 1, body)).not.toBe(base);
    expect(nextChain(start, logIndex(2), term(1), 1, body)).not.toBe(base);
    expect(nextChain(start, logIndex(1), term(2), 1, body)).not.toBe(base);
    expect(nextChain(start, logIndex(1), term(1), 0, body)).not.toBe(base);
    expect(nextChain(start, logIndex(1), term(1), 1, encodeUtf8('Entry'))).not.toBe(base);
  });

  test('is a safe integer and spreads over both halves', () => {
    let current = start;
    let high = 0;
    for (let i = 1; i <= 1000; i++) {
      current = nextChain(current, logIndex(i), term(1), 1, body);
      expect(Number.isSafeInteger(current)).toBe(true);
      high |= Math.floor(current / 2 ** 32);
    }
    expect(high).toBe(0x1f_ffff);
  });
});
