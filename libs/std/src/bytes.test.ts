import fc from 'fast-check';
import { ByteReader, ByteWriter, compareBytes, DecodeError, equalBytes } from './bytes.ts';
import { InvariantError } from './assert.ts';

const bytes = fc.uint8Array({ maxLength: 40 });

describe('byte strings', () => {
  test('order is that of unsigned bytes, a prefix first', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Math.sign(Buffer.compare(a, b)));
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
      }),
    );
    expect(compareBytes(new Uint8Array([1]), new Uint8Array([1, 0]))).toBeLessThan(0);
    expect(compareBytes(new Uint8Array([0x7f]), new Uint8Array([0x80]))).toBeLessThan(0);
  });
});

describe('reader and writer', () => {
  test('what is written is read back, across growth', () => {
    fc.assert(
      fc.property(
        fc.nat(0xff),
        fc.nat(0xffff),
        fc.nat(0xffff_ffff),
        fc.maxSafeNat(),
        bytes,
        (a, b, c, d, e) => {
          const written = new ByteWriter(1)
            .u8(a)
            .u16(b)
            .u32(c)
            .u64(d)
            .bytes8(e)
            .bytes16(e)
            .bytes32(e)
            .raw(e)
            .finish();
          const reader = new ByteReader(written);
          expect([reader.u8(), reader.u16(), reader.u32(), reader.u64()]).toEqual([a, b, c, d]);
          expect(equalBytes(reader.bytes8(), e)).toBe(true);
          expect(equalBytes(reader.bytes16(), e)).toBe(true);
          expect(equalBytes(reader.bytes32(), e)).toBe(true);
          expect(equalBytes(reader.raw(e.length), e)).toBe(true);
          reader.end();
        },
      ),
    );
  });

  test('an encoded number sorts as the number does', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        const encode = (value: number): Uint8Array => new ByteWriter(8).u64(value).finish();
        expect(Math.sign(compareBytes(encode(a), encode(b)))).toBe(Math.sign(a - b));
      }),
    );
  });

  test('64-bit numbers above 2^53-1 are refused in both directions', () => {
    expect(() => new ByteWriter().u64(2 ** 53)).toThrow(InvariantError);
    expect(() => new ByteWriter().u64(-1)).toThrow(InvariantError);
    expect(() => new ByteWriter().u64(0.5)).toThrow(InvariantError);
    const above = new Uint8Array([0, 0x20, 0, 0, 0, 0, 0, 0]);
    expect(() => new ByteReader(above).u64()).toThrow(DecodeError);
    expect(new ByteReader(new Uint8Array([0, 0x1f, 255, 255, 255, 255, 255, 255])).u64()).toBe(
      Number.MAX_SAFE_INTEGER,
    );
  });

  test('reading past the end and trailing bytes are decode errors', () => {
    expect(() => new ByteReader(new Uint8Array(3)).u32()).toThrow(DecodeError);
    expect(() => new ByteReader(new Uint8Array([9, 1])).bytes8()).toThrow(DecodeError);
    expect(() => new ByteReader(new Uint8Array([0xff, 0xff, 0xff, 0xff])).bytes32()).toThrow(
      DecodeError,
    );
    expect(() => new ByteReader(new Uint8Array(1)).end()).toThrow(DecodeError);
  });

  test('finish hands out the bytes and starts afresh', () => {
    const writer = new ByteWriter(4);
    const first = writer.u32(1).finish();
    writer.u32(2);
    expect(new ByteReader(first).u32()).toBe(1);
    expect(new ByteReader(writer.finish()).u32()).toBe(2);
  });

  test('a patched length stands where it was reserved', () => {
    const writer = new ByteWriter(4).u32(0).u8(7);
    writer.patchU32(0, 0xfeed);
    const reader = new ByteReader(writer.finish());
    expect([reader.u32(), reader.u8()]).toEqual([0xfeed, 7]);
    expect(() => new ByteWriter().patchU32(0, 1)).toThrow(InvariantError);
  });

  test('a list ends at the first item that is not there, whatever its count', () => {
    const reader = new ByteReader(new Uint8Array([1, 2, 3]));
    expect(reader.list(2, (from) => from.u8())).toEqual([1, 2]);
    expect(() => reader.list(2 ** 32 - 1, (from) => from.u8())).toThrow(DecodeError);
  });

  test('a flag is 0 or 1', () => {
    const reader = new ByteReader(new Uint8Array([0, 1, 2]));
    expect([reader.flag(), reader.flag()]).toEqual([false, true]);
    expect(() => reader.flag()).toThrow(DecodeError);
  });
});
