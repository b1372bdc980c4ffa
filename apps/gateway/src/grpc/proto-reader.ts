/**
 * Reads the fields of a protobuf message in order (protobuf encoding, proto3). Bounds-checked and strict: what
 * is not well-formed, text that is not UTF-8 among it, throws `DecodeError`. Unknown fields, and known ones
 * with another wire type than they should have, are skipped by the caller's `skip`.
 *
 * 64-bit integers are numbers: exact up to 2^53, above it merely above 2^53.
 */
import { isUtf8 } from 'node:buffer';
import { DecodeError } from '@kvstore/std';

export const WireType = {
  varint: 0,
  fixed64: 1,
  bytes: 2,
  startGroup: 3,
  endGroup: 4,
  fixed32: 5,
} as const;

const VARINT_BYTES_MAX = 10;
const GROUP_DEPTH_MAX = 32;
const TWO_7 = 128;
const TAG_MAX = 0xffff_ffff;

export class ProtoReader {
  readonly #bytes: Buffer;
  #at = 0;
  readonly #end: number;
  #field = 0;
  #wireType = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  get done(): boolean {
    return this.#at === this.#end;
  }

  get wireType(): number {
    return this.#wireType;
  }

  /** The number of the next field, or 0 at the end. */
  next(): number {
    if (this.#at === this.#end) return 0;
    const tag = this.uint64();
    if (tag > TAG_MAX) throw new DecodeError('a field number is too large');
    this.#field = tag >>> 3;
    this.#wireType = tag & 7;
    if (this.#field === 0) throw new DecodeError('a field has the number 0');
    return this.#field;
  }

  /** Whether the value has this wire type; if not, it is skipped. */
  is(wireType: number): boolean {
    if (this.#wireType === wireType) return true;
    this.skip();
    return false;
  }

  uint64(): number {
    const bytes = this.#bytes;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      if (this.#at >= this.#end) throw new DecodeError('a number passes the end');
      const byte = bytes[this.#at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= TWO_7;
    }
    throw new DecodeError('a number without an end');
  }

  /** In two's complement; exact for numbers from -2^53. */
  int64(): number {
    const start = this.#at;
    const value = this.uint64();
    const last = this.#at - 1;
    if (last - start < VARINT_BYTES_MAX - 1 || ((this.#bytes[last] as number) & 1) === 0)
      return value;
    // Why: of a small negative number, only the distance to -1 is exact.
    let distance = 0;
    let scale = 1;
    for (let at = start; at < last; at++) {
      distance += (~(this.#bytes[at] as number) & 0x7f) * scale;
      scale *= TWO_7;
    }
    return -1 - distance;
  }

  bool(): boolean {
    return this.uint64() !== 0;
  }

  /** A view. */
  bytes(): Buffer {
    const length = this.uint64();
    const start = this.#at;
    if (length > this.#end - start) throw new DecodeError('a length passes the end');
    this.#at = start + length;
    return this.#bytes.subarray(start, start + length);
  }

  text(): string {
    const bytes = this.utf8();
    return bytes.length === 0 ? '' : bytes.toString('utf8');
  }

  /** Text as its bytes: a view. */
  utf8(): Buffer {
    const bytes = this.bytes();
    if (!isAscii(bytes) && !isUtf8(bytes)) throw new DecodeError('a text is not UTF-8');
    return bytes;
  }

  /** A nested message. */
  message(): ProtoReader {
    return new ProtoReader(this.bytes());
  }

  skip(depth = 0): void {
    switch (this.#wireType) {
      case WireType.varint:
        this.uint64();
        return;
      case WireType.fixed64:
        return this.#skipBytes(8);
      case WireType.bytes:
        this.bytes();
        return;
      case WireType.startGroup:
        return this.#skipGroup(this.#field, depth + 1);
      case WireType.fixed32:
        return this.#skipBytes(4);
      default:
        throw new DecodeError('a field has an unknown wire type');
    }
  }

  #skipBytes(count: number): void {
    if (count > this.#end - this.#at) throw new DecodeError('a value passes the end');
    this.#at += count;
  }

  #skipGroup(field: number, depth: number): void {
    if (depth > GROUP_DEPTH_MAX) throw new DecodeError('groups are nested too deep');
    for (;;) {
      const next = this.next();
      if (next === 0) throw new DecodeError('a group without an end');
      if (this.#wireType !== WireType.endGroup) this.skip(depth);
      else if (next === field) return;
      else throw new DecodeError('a group ends as another one');
    }
  }
}

const ASCII_LOOP_MAX = 64;

/** Only short ones are looked at: for others the platform is faster. */
function isAscii(bytes: Buffer): boolean {
  const { length } = bytes;
  if (length > ASCII_LOOP_MAX) return false;
  for (let i = 0; i < length; i++) if ((bytes[i] as number) >= 0x80) return false;
  return true;
}
