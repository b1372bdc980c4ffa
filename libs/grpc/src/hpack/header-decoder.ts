/**
 * Decodes header blocks (RFC 7541, section 3 and 6) against one connection's dynamic table.
 *
 * A list above `listBytesMax` (RFC 9113, section 6.5.2: 32 octets a field besides its text) is decoded to
 * its end, so that the table stays right, but its fields are dropped and `tooLarge` is set: an index of one
 * octet may stand for 4 KiB. What cannot be decoded throws `HpackError`, and the decoder is done for.
 */
import { DynamicTable } from './dynamic-table.ts';
import { HpackError } from './hpack-error.ts';
import { decodeHuffman } from './huffman.ts';
import { IntegerReader } from './integer.ts';
import type { HeaderField } from './static-table.ts';

export interface HeaderLimits {
  readonly tableBytesMax: number;
  readonly listBytesMax: number;
}

export interface HeaderList {
  readonly fields: readonly HeaderField[];
  readonly tooLarge: boolean;
}

const FIELD_OVERHEAD = 32;
let scratch = Buffer.allocUnsafeSlow(1_024);

export class HeaderDecoder {
  readonly #table: DynamicTable;
  readonly #listBytesMax: number;
  readonly #integer = new IntegerReader();
  #fields: HeaderField[] = [];
  #listBytes = 0;

  constructor(limits: HeaderLimits) {
    this.#table = new DynamicTable(limits.tableBytesMax);
    this.#listBytesMax = limits.listBytesMax;
  }

  /** While it is the same, the same block means the same fields, if decoding it did not change it. */
  get tableVersion(): number {
    return this.#table.version;
  }

  decode(bytes: Buffer, start: number, end: number): HeaderList {
    this.#fields = [];
    this.#listBytes = 0;
    const integer = this.#integer;
    let at = this.#sizeUpdates(bytes, start, end);
    while (at < end) {
      const octet = bytes[at] as number;
      if (octet >= 0x80) {
        this.#take(this.#table.field(integer.read(bytes, at, end, 7)));
        at = integer.at;
      } else if (octet >= 0x40) {
        at = this.#literal(bytes, at, end, 6, true);
      } else if (octet >= 0x20) {
        throw new HpackError('a table size update stands behind a field');
      } else {
        at = this.#literal(bytes, at, end, 4, false);
      }
    }
    const tooLarge = this.#listBytes > this.#listBytesMax;
    return { fields: tooLarge ? [] : this.#fields, tooLarge };
  }

  #sizeUpdates(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && ((bytes[at] as number) & 0xe0) === 0x20) {
      this.#table.resize(this.#integer.read(bytes, at, end, 5));
      at = this.#integer.at;
    }
    return at;
  }

  #literal(bytes: Buffer, start: number, end: number, bits: number, indexed: boolean): number {
    const integer = this.#integer;
    const index = integer.read(bytes, start, end, bits);
    let at = integer.at;
    let name: string;
    if (index === 0) {
      name = this.#text(bytes, at, end);
      at = integer.at;
    } else {
      name = this.#table.field(index).name;
    }
    const value = this.#text(bytes, at, end);
    const field = { name, value };
    this.#take(field);
    if (indexed) this.#table.add(field);
    return integer.at;
  }

  /** Leaves `#integer.at` behind the string. */
  #text(bytes: Buffer, start: number, end: number): string {
    const integer = this.#integer;
    const length = integer.read(bytes, start, end, 7);
    const from = integer.at;
    const to = from + length;
    if (to > end) throw new HpackError('a header string passes the end of its block');
    integer.at = to;
    if ((bytes[start] as number) < 0x80) return bytes.toString('latin1', from, to);
    const room = Math.ceil((length * 8) / 5);
    if (scratch.length < room) scratch = Buffer.allocUnsafeSlow(room);
    return scratch.toString('latin1', 0, decodeHuffman(bytes, from, to, scratch));
  }

  #take(field: HeaderField): void {
    this.#listBytes += field.name.length + field.value.length + FIELD_OVERHEAD;
    if (this.#listBytes <= this.#listBytesMax) this.#fields.push(field);
  }
}
