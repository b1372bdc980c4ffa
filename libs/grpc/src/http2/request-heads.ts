/**
 * From header blocks to requests, remembering the last few blocks: clients send the same block again and
 * again, and decoding, checking and interpreting it costs more than the rest of a small call.
 *
 * A block is remembered when decoding it left the dynamic table as it was, and means the same as long as
 * the table is the same. What `interpret` returns is shared by all requests with that block: it must be
 * immutable and depend on nothing but the fields.
 */
import { HeaderDecoder } from '../hpack/header-decoder.ts';
import type { HeaderField } from '../hpack/static-table.ts';
import { HEADER_TABLE_BYTES } from './protocol.ts';
import { checkRequestFields, checkTrailers } from './request-fields.ts';

export type Head<Request> =
  | { readonly kind: 'malformed' }
  | { readonly kind: 'too-large' }
  | {
      readonly kind: 'request';
      readonly request: Request;
      readonly contentLength: number | undefined;
    };

interface Memo<Request> {
  readonly block: Buffer;
  readonly tableVersion: number;
  readonly head: Head<Request>;
}

const MEMOS = 16;
const MEMO_BLOCK_BYTES_MAX = 512;
const HASH_PRIME = 0x0100_0193;

export class RequestHeads<Request> {
  readonly #decoder: HeaderDecoder;
  readonly #interpret: (fields: readonly HeaderField[]) => Request;
  readonly #memos: (Memo<Request> | undefined)[] = new Array<undefined>(MEMOS).fill(undefined);

  constructor(listBytesMax: number, interpret: (fields: readonly HeaderField[]) => Request) {
    this.#decoder = new HeaderDecoder({ tableBytesMax: HEADER_TABLE_BYTES, listBytesMax });
    this.#interpret = interpret;
  }

  /** Throws `HpackError`. */
  decode(bytes: Buffer, start: number, end: number): Head<Request> {
    if (end - start > MEMO_BLOCK_BYTES_MAX) return this.#decode(bytes, start, end);
    const version = this.#decoder.tableVersion;
    const place = placeOf(bytes, start, end);
    const memo = this.#memos[place];
    if (memo?.tableVersion === version && isSame(memo.block, bytes, start, end)) return memo.head;
    const head = this.#decode(bytes, start, end);
    if (this.#decoder.tableVersion === version) {
      const block = Buffer.from(bytes.subarray(start, end));
      this.#memos[place] = { block, tableVersion: version, head };
    }
    return head;
  }

  /** Decodes the block for the table's sake; false when they are not trailers. */
  decodeTrailers(bytes: Buffer, start: number, end: number): boolean {
    const { fields, tooLarge } = this.#decoder.decode(bytes, start, end);
    return !tooLarge && checkTrailers(fields);
  }

  #decode(bytes: Buffer, start: number, end: number): Head<Request> {
    const { fields, tooLarge } = this.#decoder.decode(bytes, start, end);
    if (tooLarge) return { kind: 'too-large' };
    const check = checkRequestFields(fields);
    if (check.kind === 'malformed') return check;
    const { contentLength } = check;
    return { kind: 'request', request: this.#interpret(fields), contentLength };
  }
}

function placeOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), HASH_PRIME);
  return (hash ^ (hash >>> 15)) & (MEMOS - 1);
}

function isSame(block: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (block.length !== end - start) return false;
  for (let i = 0; i < block.length; i++) if (block[i] !== bytes[start + i]) return false;
  return true;
}
