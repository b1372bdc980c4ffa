import { decodeUtf8, encodeUtf8 } from '@kvstore/std';
import * as fc from 'fast-check';
import { readU32, readU64, utf8Length, writeU32, writeU64, writeUtf8 } from './fixed-fields.ts';

describe('integers', () => {
  test('every 32-bit and every 53-bit integer comes back', () => {
    const bytes = new Uint8Array(14);
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.maxSafeNat(), (word, long) => {
        writeU32(bytes, 1, word);
        writeU64(bytes, 5, long);
        expect(readU32(bytes, 1)).toBe(word);
        expect(readU64(bytes, 5)).toBe(long);
        expect(bytes[0]).toBe(0);
        expect(bytes[13]).toBe(0);
      }),
    );
  });

  test('the highest integers come back', () => {
    const bytes = new Uint8Array(8);
    writeU64(bytes, 0, Number.MAX_SAFE_INTEGER);
    expect(readU64(bytes, 0)).toBe(Number.MAX_SAFE_INTEGER);
    writeU32(bytes, 0, 0xffff_ffff);
    expect(readU32(bytes, 0)).toBe(0xffff_ffff);
  });

  test('a stored integer above 2^53-1 is refused', () => {
    const bytes = Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0);
    expect(() => readU64(bytes, 0)).toThrow('integer above 2^53-1');
  });
});

describe('text', () => {
  test('length and bytes are those of UTF-8, lone surrogates included', () => {
    const text = fc.string({
      unit: fc.oneof(fc.string(), fc.constantFrom('\ud800', '\udc00', '€')),
    });
    fc.assert(
      fc.property(text, (value) => {
        const expected = encodeUtf8(value);
        expect(utf8Length(value)).toBe(expected.length);
        const bytes = new Uint8Array(expected.length + 2);
        expect(writeUtf8(bytes, 1, value, expected.length)).toBe(expected.length + 1);
        expect(bytes).toEqual(Uint8Array.of(0, ...expected, 0));
      }),
    );
    expect(utf8Length('aé€😀\ud800')).toBe(1 + 2 + 3 + 4 + 3);
    expect(decodeUtf8(encodeUtf8('\ud800'))).toBe('\ufffd');
  });
});
