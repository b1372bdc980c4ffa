/**
 * Integers of HPACK (RFC 7541, section 5.1): a prefix of 1–8 bits, then seven bits per octet.
 *
 * Nothing that this codec counts is larger than 2^28; larger values and longer encodings are refused, so
 * that no sum can overflow.
 */
import { HpackError } from './hpack-error.ts';

const SHIFT_MAX = 21;

/** Reads integers from one block; `at` is the position after the last one. */
export class IntegerReader {
  at = 0;

  /** `at` is on the octet with the prefix of `bits` bits. */
  read(bytes: Uint8Array, at: number, end: number, bits: number): number {
    if (at >= end) throw new HpackError('a header block ends within an integer');
    const full = (1 << bits) - 1;
    const prefix = (bytes[at] as number) & full;
    if (prefix < full) {
      this.at = at + 1;
      return prefix;
    }
    return this.#continue(bytes, at + 1, end, full);
  }

  #continue(bytes: Uint8Array, from: number, end: number, full: number): number {
    let value = full;
    let at = from;
    for (let shift = 0; at < end; shift += 7) {
      if (shift > SHIFT_MAX) throw new HpackError('an integer of a header block is too large');
      const octet = bytes[at++] as number;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) {
        this.at = at;
        return value;
      }
    }
    throw new HpackError('a header block ends within an integer');
  }
}

/** Appends `value` with `pattern` in the bits above the prefix. */
export function writeInteger(into: number[], value: number, bits: number, pattern: number): void {
  const full = (1 << bits) - 1;
  if (value < full) {
    into.push(pattern | value);
    return;
  }
  into.push(pattern | full);
  let rest = value - full;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) into.push((rest & 0x7f) | 0x80);
  into.push(rest);
}
