/**
 * Fields at fixed offsets of a buffer whose exact size is known beforehand: one allocation per key
 * or record and no reader or writer object per field, which the put path would feel.
 *
 * Integers are big-endian, 0..2^53-1 in eight bytes. Text is UTF-8; most of it is ASCII and is
 * copied character by character. Where writing, bounds are the caller's: it has computed the size.
 */
import { DecodeError, encodeUtf8 } from '@kvstore/std';

const TWO_32 = 0x1_0000_0000;

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Throws `DecodeError` when the bytes end before. */
export function readU32(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) throw new DecodeError('truncated');
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return high * 0x1_0000 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}

export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / TWO_32));
  writeU32(bytes, at + 4, value >>> 0);
}

/** Throws `DecodeError` above 2^53-1, and when the bytes end before. */
export function readU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at);
  if (high > 0x1f_ffff) throw new DecodeError('integer above 2^53-1');
  return high * TWO_32 + readU32(bytes, at + 4);
}

/** Bytes of `text` as UTF-8; a lone surrogate counts as the U+FFFD that it is encoded as. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else {
      length += 2;
      if (isSurrogatePair(unit, text.charCodeAt(i + 1))) i += 1;
    }
  }
  return length;
}

function isSurrogatePair(unit: number, next: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000;
}

/** Writes `text`, whose `utf8Length` is `length`, and returns the offset after it. */
export function writeUtf8(bytes: Uint8Array, at: number, text: string, length: number): number {
  if (length !== text.length) bytes.set(encodeUtf8(text), at);
  else for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + length;
}
