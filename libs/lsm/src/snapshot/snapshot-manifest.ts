/**
 * A snapshot as it is told to another storage: the manifest's state without file names, which are each
 * directory's own business.
 *
 *   u16 version · u64 index · u64 term · u64 chain · u32 segments × (u32+properties · u64 bytes · u8+SHA-256)
 *
 * What is decoded comes from another machine: nothing in it is believed that does not fit together.
 */
import {
  ByteReader,
  ByteWriter,
  chain,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  logIndex,
  type LogPosition,
  term,
} from '@kvstore/std';
import {
  decodeProperties,
  encodeProperties,
  type SegmentProperties,
} from '../segment/segment-metadata.ts';
import type { ManifestState } from '../version/manifest.ts';

const VERSION = 1;
/** Also a file's name while it is received: nothing else may pass. */
const SHA256 = /^[0-9a-f]{64}$/;
const SEGMENT_OVERHEAD_BYTES = 256;

/** A segment of a snapshot: what `SegmentMetadata` says but for the file's name. */
export interface SnapshotSegment extends SegmentProperties {
  readonly bytes: number;
  readonly sha256: string;
}

export interface SnapshotState {
  readonly segments: readonly SnapshotSegment[];
  readonly position: LogPosition;
}

export function encodeSnapshotManifest({ position, segments }: ManifestState): Uint8Array {
  const writer = new ByteWriter(64 + segments.length * SEGMENT_OVERHEAD_BYTES)
    .u16(VERSION)
    .u64(position.index)
    .u64(position.term)
    .u64(position.chain)
    .u32(segments.length);
  for (const segment of segments) {
    writer.bytes32(encodeProperties(segment)).u64(segment.bytes).bytes8(encodeUtf8(segment.sha256));
  }
  return writer.finish();
}

/** Throws `DecodeError`. */
export function decodeSnapshotManifest(manifest: Uint8Array): SnapshotState {
  const reader = new ByteReader(manifest);
  if (reader.u16() !== VERSION) throw new DecodeError('unknown version of a snapshot');
  const index = logIndex(reader.u64());
  const position = { index, term: term(reader.u64()), chain: chain(reader.u64()) };
  const segments: SnapshotSegment[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const properties = decodeProperties(reader.bytes32());
    const bytes = reader.u64();
    const sha256 = decodeUtf8(reader.bytes8());
    if (!SHA256.test(sha256)) throw new DecodeError('no SHA-256');
    segments.push({ ...properties, bytes, sha256 });
  }
  reader.end();
  checkOrder({ segments, position });
  return { segments, position };
}

/** The order that `LsmEngine` insists on. */
function checkOrder({ segments, position }: SnapshotState): void {
  let last = { id: 0, index: 0 };
  const files = new Set<string>();
  for (const { id, position: sealed, bytes, sha256 } of segments) {
    const inOrder = id > last.id && id < 2 ** 31 && sealed.index > last.index;
    if (!inOrder || bytes === 0 || files.has(sha256)) {
      throw new DecodeError('the segments of a snapshot are not in the order of the log');
    }
    files.add(sha256);
    last = { id, index: sealed.index };
  }
  if (position.index < last.index) throw new DecodeError('a snapshot ends before its segments');
}
