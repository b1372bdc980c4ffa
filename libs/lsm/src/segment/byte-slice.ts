/** Keys and numbers inside larger buffers, read in place: no view object per comparison. */
import type { ByteWriter } from '@kvstore/std';

/** Order of `bytes[start, start + length)` against `key`. */
export function compareSlice(
  bytes: Uint8Array,
  start: number,
  length: number,
  key: Uint8Array,
): number {
  const common = Math.min(length, key.length);
  for (let i = 0; i < common; i++) {
    const difference = (bytes[start + i] as number) - (key[i] as number);
    if (difference !== 0) return difference;
  }
  return length - key.length;
}

/** How many leading bytes two keys share. */
export function sharedPrefixLength(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  let length = 0;
  while (length < common && a[length] === b[length]) length++;
  return length;
}

/** LEB128 of 0..2^32-1: seven bits a byte, low ones first. */
export function writeVarint(writer: ByteWriter, value: number): void {
  let rest = value;
  while (rest > 0x7f) {
    writer.u8((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  writer.u8(rest);
}
