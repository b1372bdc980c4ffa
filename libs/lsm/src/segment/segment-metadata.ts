/**
 * What the manifest knows of a segment, and what the segment's own properties say. Both are compared
 * when a segment is opened, so that a file that is whole but in the wrong place is noticed.
 *
 * Properties layout: u16 format version, u8 compression, u64 id, label with u8 length, u8 level, sealed position (u64 index,
 * u64 term, u64 chain), u64 entries, u64 tombstones, u32 blocks, first and last key with u16 length.
 */
import {
  ByteReader,
  ByteWriter,
  chain,
  crc32c,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  logIndex,
  term,
  type LogPosition,
} from '@kvstore/std';

export const SEGMENT_FORMAT_VERSION = 1;

/** How blocks are compressed. A closed set in the file format; today only `none` is written. */
export const Compression = { none: 0 } as const;
export type Compression = (typeof Compression)[keyof typeof Compression];

export interface SegmentProperties {
  readonly formatVersion: number;
  readonly compression: Compression;
  /** 1, 2, 3… in seal order, within one data directory. */
  readonly id: number;
  /** Names the cluster, group and node that the data belongs to. */
  readonly label: string;
  /** 0: as flushed; segments of level 0 may overlap. */
  readonly level: number;
  /** The last entry whose writes are in this segment. */
  readonly position: LogPosition;
  readonly entries: number;
  readonly tombstones: number;
  readonly blocks: number;
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
}

export interface SegmentMetadata extends SegmentProperties {
  /** File name within the directory of segments. */
  readonly file: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Of the whole file, lower-case hexadecimal. */
  readonly sha256: string;
}

export function encodeProperties(properties: SegmentProperties): Uint8Array {
  return new ByteWriter(256)
    .u16(properties.formatVersion)
    .u8(properties.compression)
    .u64(properties.id)
    .bytes8(encodeUtf8(properties.label))
    .u8(properties.level)
    .u64(properties.position.index)
    .u64(properties.position.term)
    .u64(properties.position.chain)
    .u64(properties.entries)
    .u64(properties.tombstones)
    .u32(properties.blocks)
    .bytes16(properties.firstKey)
    .bytes16(properties.lastKey)
    .finish();
}

/** Throws `DecodeError`. A reader checks the format version before it believes the rest. */
export function decodeProperties(bytes: Uint8Array): SegmentProperties {
  const reader = new ByteReader(bytes);
  const formatVersion = reader.u16();
  const compression = reader.u8();
  if (compression !== Compression.none) throw new DecodeError('unknown compression');
  const properties: SegmentProperties = {
    formatVersion,
    compression,
    id: reader.u64(),
    label: decodeUtf8(reader.bytes8()),
    level: reader.u8(),
    position: {
      index: logIndex(reader.u64()),
      term: term(reader.u64()),
      chain: chain(reader.u64()),
    },
    entries: reader.u64(),
    tombstones: reader.u64(),
    blocks: reader.u32(),
    firstKey: reader.bytes16(),
    lastKey: reader.bytes16(),
  };
  reader.end();
  return properties;
}

/** Numbers of the parts of a segment that are not blocks, for their checksums. */
export const SegmentPart = {
  index: 0xffff_ffff,
  filter: 0xffff_fffe,
  properties: 0xffff_fffd,
} as const;
export type SegmentPart = (typeof SegmentPart)[keyof typeof SegmentPart];

/**
 * CRC-32C over the segment's id, the block's number (or `SegmentPart`) and the bytes: a block that
 * is whole but belongs elsewhere fails as well as a damaged one.
 */
export function segmentChecksum(segmentId: number, number: number, bytes: Uint8Array): number {
  return crc32c(bytes, crc32c(new ByteWriter(12).u64(segmentId).u32(number).view()));
}
