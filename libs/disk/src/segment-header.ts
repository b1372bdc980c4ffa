/**
 * The first 4 KiB of a segment file, written and synced before the file gets its name:
 *
 *   magic (8) · version (2) · label (1 + n) · segment bytes (8) · first sequence (8) ·
 *   index, term and chain of the log's last entry when the segment was begun (24) · zeros ·
 *   CRC-32C (4) over all before it
 *
 * That checksum is also the segment's fingerprint, with which the checksums of its records are
 * seeded. The file is named after its first sequence, which is the index of its first entry as
 * long as no entry was ever cut off.
 */
import {
  ByteReader,
  ByteWriter,
  chain,
  crc32c,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  equalBytes,
  logIndex,
  term,
} from '@kvstore/std';
import type { LogPosition } from '@kvstore/std';

export const SEGMENT_HEADER_BYTES = 4096;
const MAGIC = encodeUtf8('KVLOGSEG');
const VERSION = 1;

export interface SegmentHeader {
  readonly label: string;
  readonly segmentBytes: number;
  readonly firstSequence: number;
  /** The last entry before the segment, as the log stood. */
  readonly previous: LogPosition;
}

export type DecodedHeader =
  | { readonly kind: 'header'; readonly header: SegmentHeader; readonly fingerprint: number }
  | { readonly kind: 'bad'; readonly reason: string }
  /** Whole, and nothing that this program can read. */
  | { readonly kind: 'foreign'; readonly reason: string };

export interface EncodedHeader {
  readonly bytes: Uint8Array;
  readonly fingerprint: number;
}

export function encodeHeader(header: SegmentHeader): EncodedHeader {
  const writer = new ByteWriter(SEGMENT_HEADER_BYTES);
  writer.raw(MAGIC).u16(VERSION).bytes8(encodeUtf8(header.label));
  writer.u64(header.segmentBytes).u64(header.firstSequence);
  writer.u64(header.previous.index).u64(header.previous.term).u64(header.previous.chain);
  writer.raw(new Uint8Array(SEGMENT_HEADER_BYTES - 4 - writer.length));
  const fingerprint = crc32c(writer.view());
  return { bytes: writer.u32(fingerprint).finish(), fingerprint };
}

export function decodeHeader(bytes: Uint8Array): DecodedHeader {
  if (bytes.length < SEGMENT_HEADER_BYTES) return { kind: 'bad', reason: 'the file is too short' };
  const body = bytes.subarray(0, SEGMENT_HEADER_BYTES - 4);
  const fingerprint = crc32c(body);
  try {
    if (new ByteReader(bytes.subarray(SEGMENT_HEADER_BYTES - 4)).u32() !== fingerprint) {
      return { kind: 'bad', reason: 'the checksum of the segment header does not match' };
    }
    const reader = new ByteReader(body);
    if (!equalBytes(reader.raw(MAGIC.length), MAGIC)) {
      return { kind: 'foreign', reason: 'this is not a log segment' };
    }
    const version = reader.u16();
    if (version !== VERSION) {
      return { kind: 'foreign', reason: `format version ${version} is unknown to this program` };
    }
    return { kind: 'header', header: readFields(reader), fingerprint };
  } catch (error) {
    if (error instanceof DecodeError) return { kind: 'bad', reason: error.message };
    throw error;
  }
}

function readFields(reader: ByteReader): SegmentHeader {
  return {
    label: decodeUtf8(reader.bytes8()),
    segmentBytes: reader.u64(),
    firstSequence: reader.u64(),
    previous: {
      index: logIndex(reader.u64()),
      term: term(reader.u64()),
      chain: chain(reader.u64()),
    },
  };
}

const NAME_DIGITS = 20;
const NAME = /^\d{20}\.log$/;

export function segmentName(firstSequence: number): string {
  return `${String(firstSequence).padStart(NAME_DIGITS, '0')}.log`;
}

export function isSegmentName(name: string): boolean {
  return NAME.test(name);
}

export function firstSequenceOf(name: string): number {
  return Number(name.slice(0, NAME_DIGITS));
}
