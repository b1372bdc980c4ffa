/**
 * Writes protobuf messages (proto3: a value that is the default is not written). One message at a time into
 * a scratch buffer that is kept; `finish` hands out a copy, or the scratch itself when it has become large.
 */
const SCRATCH_BYTES = 16 * 1024;
const ASCII_LOOP_MAX = 64;
const TWO_31 = 0x8000_0000;
const VARINT_BYTES_MAX = 10;
const VARINT = 0;
const BYTES = 2;

export class ProtoWriter {
  #bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #at = 0;

  /** An integer of 0..2^53-1. */
  uint(field: number, value: number): this {
    if (value === 0) return this;
    this.#reserve(VARINT_BYTES_MAX * 2);
    this.#varint((field << 3) | VARINT);
    this.#varint(value);
    return this;
  }

  bool(field: number, value: boolean): this {
    return this.uint(field, value ? 1 : 0);
  }

  text(field: number, value: string): this {
    return value === '' ? this : this.entryText(field, value);
  }

  bytes(field: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.#lengthAndBytes(field, value);
  }

  /** A nested message, written whether or not it has fields. */
  message(field: number, write: (writer: this) => void): this {
    this.#reserve(VARINT_BYTES_MAX * 2);
    this.#varint((field << 3) | BYTES);
    const start = this.#at++;
    write(this);
    const length = this.#at - start - 1;
    if (length < 0x80) {
      this.#bytes[start] = length;
      return this;
    }
    // The length needs more room than was left for it.
    const more = varintBytes(length) - 1;
    this.#reserve(more);
    this.#bytes.copyWithin(start + 1 + more, start + 1, this.#at);
    this.#at = start;
    this.#varint(length);
    this.#at += length;
    return this;
  }

  /** The message, owned by the caller; the writer starts again empty. */
  finish(): Buffer {
    const length = this.#at;
    this.#at = 0;
    const scratch = this.#bytes;
    if (scratch.length > SCRATCH_BYTES) {
      this.#bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
      return scratch.subarray(0, length);
    }
    const message = Buffer.allocUnsafe(length);
    scratch.copy(message, 0, 0, length);
    return message;
  }

  /** Forgets what was written: whoever wrote it failed. */
  clear(): this {
    this.#at = 0;
    return this;
  }

  /** Text that is written when it is empty, too. */
  entryText(field: number, value: string): this {
    const { length } = value;
    if (length > ASCII_LOOP_MAX) return this.#lengthAndBytes(field, Buffer.from(value, 'utf8'));
    this.#reserve(VARINT_BYTES_MAX * 2 + ASCII_LOOP_MAX);
    const start = this.#at;
    this.#varint((field << 3) | BYTES);
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at++] = length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) {
        this.#at = start;
        return this.#lengthAndBytes(field, Buffer.from(value, 'utf8'));
      }
      bytes[at++] = code;
    }
    this.#at = at;
    return this;
  }

  #lengthAndBytes(field: number, value: Uint8Array): this {
    this.#reserve(VARINT_BYTES_MAX * 2 + value.length);
    this.#varint((field << 3) | BYTES);
    this.#varint(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let rest = value;
    for (; rest >= TWO_31; rest = Math.floor(rest / 0x80)) bytes[this.#at++] = (rest % 0x80) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) bytes[this.#at++] = (rest & 0x7f) | 0x80;
    bytes[this.#at++] = rest;
  }

  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) count++;
  return count;
}
