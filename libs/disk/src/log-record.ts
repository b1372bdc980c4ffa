/**
 * One entry in a segment file: a 64-byte header, the body, zeros up to a multiple of eight.
 *
 *    0  magic           4
 *    4  header CRC-32C  4   over the 56 bytes that follow, seeded with the segment's fingerprint
 *    8  kind, length    4   kind in the high byte, then the length of the body
 *   12  body CRC-32C    4   over body and padding, with the same seed
 *   16  sequence        8   number of the record, without a gap over all segments
 *   24  synced          8   highest sequence that was durable when this record was written
 *   32  acknowledged    8   highest index that the replica had acknowledged when it was written
 *   40  index           8
 *   48  term            8
 *   56  chain           8   after this entry
 *
 * The seed ties a record to its segment: an old block, or one of another file, does not pass. It
 * comes from a hash over the whole log before the segment, so that no body can be made to look like
 * a record. The header has a checksum of its own, so that no length is believed unchecked, and that
 * looking for a record at a place costs 64 bytes, whatever the bytes claim.
 */
import { chain, crc32c, logIndex, term } from '@kvstore/std';
import type { LogIndex } from '@kvstore/std';
import type { Entry } from '@kvstore/raft';
import { EntryKind } from '@kvstore/raft';

export const RECORD_HEADER_BYTES = 64;
export const RECORD_ALIGNMENT = 8;
/** Bodies are at most 1 MiB: an entry is at most 384 KiB by the leader's batching. */
export const BODY_BYTES_MAX = 1 << 20;
export const RECORD_BYTES_MAX = RECORD_HEADER_BYTES + BODY_BYTES_MAX;
const MAGIC = 0x4b56_5231;
const CHECKED_FROM = 8;
const BODY_LENGTH_MASK = 0xff_ffff;
const TWO_32 = 0x1_0000_0000;
const COUNTS_FROM = 16;
/** Of 2^53-1. */
const HIGH_WORD_MAX = 0x1f_ffff;

export interface RecordHeader {
  readonly sequence: number;
  readonly synced: number;
  readonly index: LogIndex;
}

export interface LogRecord {
  readonly sequence: number;
  readonly synced: number;
  readonly acknowledged: LogIndex;
  /** The body is a view into the bytes that were decoded. */
  readonly entry: Entry;
  /** Bytes that the record takes in the file. */
  readonly bytes: number;
}

export type DecodedRecord =
  | { readonly kind: 'record'; readonly record: LogRecord }
  /** It may be whole, but goes on to `bytes` from its beginning. */
  | { readonly kind: 'incomplete'; readonly bytes: number }
  /** Sixty-four zero bytes: what an unused part of a segment looks like. */
  | { readonly kind: 'unused' }
  /** `header` when that part is whole: it tells which record is lost. */
  | { readonly kind: 'bad'; readonly reason: string; readonly header?: RecordHeader };

/** Bytes that an entry with a body of this length takes in a segment. */
export function recordBytes(bodyBytes: number): number {
  return Math.ceil((RECORD_HEADER_BYTES + bodyBytes) / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
}

export interface RecordMarks {
  readonly sequence: number;
  readonly synced: number;
  readonly acknowledged: number;
}

/** Writes the record at `offset` of `target`, which has room for it; returns the bytes it took. */
export function encodeRecord(
  target: Uint8Array,
  offset: number,
  entry: Entry,
  marks: RecordMarks,
  fingerprint: number,
): number {
  const bytes = recordBytes(entry.body.length);
  const record = target.subarray(offset, offset + bytes);
  const view = new DataView(record.buffer, record.byteOffset, bytes);
  view.setUint32(0, MAGIC);
  view.setUint32(8, entry.kind * (BODY_LENGTH_MASK + 1) + entry.body.length);
  putU64(view, 16, marks.sequence);
  putU64(view, 24, marks.synced);
  putU64(view, 32, marks.acknowledged);
  putU64(view, 40, entry.index);
  putU64(view, 48, entry.term);
  putU64(view, 56, entry.chain);
  record.set(entry.body, RECORD_HEADER_BYTES);
  record.fill(0, RECORD_HEADER_BYTES + entry.body.length);
  view.setUint32(12, crc32c(record.subarray(RECORD_HEADER_BYTES), fingerprint));
  view.setUint32(4, headerChecksum(record, fingerprint));
  return bytes;
}

export function decodeRecord(
  bytes: Uint8Array,
  offset: number,
  fingerprint: number,
): DecodedRecord {
  const available = bytes.length - offset;
  if (available < RECORD_HEADER_BYTES) return { kind: 'incomplete', bytes: RECORD_HEADER_BYTES };
  const header = bytes.subarray(offset, offset + RECORD_HEADER_BYTES);
  const view = new DataView(header.buffer, header.byteOffset, RECORD_HEADER_BYTES);
  if (view.getUint32(0) !== MAGIC) {
    if (header.every(isZero)) return { kind: 'unused' };
    return { kind: 'bad', reason: 'no record begins here' };
  }
  if (view.getUint32(4) !== headerChecksum(header, fingerprint)) {
    return { kind: 'bad', reason: 'the checksum of the record header does not match' };
  }
  if (!hasCounts(view)) {
    return { kind: 'bad', reason: 'a number in the record header is above 2^53-1' };
  }
  const kind = view.getUint8(8);
  const bodyBytes = view.getUint32(8) & BODY_LENGTH_MASK;
  const known =
    kind === EntryKind.opening || kind === EntryKind.data || kind === EntryKind.configuration;
  if (!known || bodyBytes > BODY_BYTES_MAX) {
    return { kind: 'bad', reason: `kind ${kind} with ${bodyBytes} bytes is unknown` };
  }
  const length = recordBytes(bodyBytes);
  if (available < length) return { kind: 'incomplete', bytes: length };
  const padded = bytes.subarray(offset + RECORD_HEADER_BYTES, offset + length);
  if (crc32c(padded, fingerprint) !== view.getUint32(12)) {
    const reason = 'the checksum of the body does not match';
    return { kind: 'bad', reason, header: readHeader(view) };
  }
  const entry: Entry = {
    index: logIndex(getU64(view, 40)),
    term: term(getU64(view, 48)),
    kind,
    chain: chain(getU64(view, 56)),
    body: padded.subarray(0, bodyBytes),
  };
  const acknowledged = logIndex(getU64(view, 32));
  const { sequence, synced } = readHeader(view);
  return { kind: 'record', record: { sequence, synced, acknowledged, entry, bytes: length } };
}

/** The header of a record that begins here, whatever became of its body. */
export function findHeader(
  bytes: Uint8Array,
  offset: number,
  fingerprint: number,
): RecordHeader | undefined {
  if (bytes.length - offset < RECORD_HEADER_BYTES) return undefined;
  if (bytes[offset] !== MAGIC >>> 24) return undefined;
  const header = bytes.subarray(offset, offset + RECORD_HEADER_BYTES);
  const view = new DataView(header.buffer, header.byteOffset, RECORD_HEADER_BYTES);
  if (view.getUint32(0) !== MAGIC) return undefined;
  if (view.getUint32(4) !== headerChecksum(header, fingerprint)) return undefined;
  return hasCounts(view) ? readHeader(view) : undefined;
}

function readHeader(view: DataView): RecordHeader {
  return {
    sequence: getU64(view, 16),
    synced: getU64(view, 24),
    index: logIndex(getU64(view, 40)),
  };
}

/** Whether all numbers of the header are ones that were ever written. */
function hasCounts(view: DataView): boolean {
  for (let at = COUNTS_FROM; at < RECORD_HEADER_BYTES; at += 8) {
    if (view.getUint32(at) > HIGH_WORD_MAX) return false;
  }
  return true;
}

function headerChecksum(header: Uint8Array, fingerprint: number): number {
  return crc32c(header.subarray(CHECKED_FROM, RECORD_HEADER_BYTES), fingerprint);
}

function isZero(byte: number): boolean {
  return byte === 0;
}

function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value >>> 0);
}

function getU64(view: DataView, at: number): number {
  return view.getUint32(at) * TWO_32 + view.getUint32(at + 4);
}
