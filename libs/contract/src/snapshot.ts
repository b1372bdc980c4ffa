/**
 * A snapshot on its way from one storage to another: the receiver asks for pieces of files, the sender
 * answers from files that do not change while the transfer is open.
 *
 *   request: u8 1 · u64 cluster tag · u64 min index             open
 *            u8 2 · u64 transfer · u32 file · u64 offset · u32 length    read a piece
 *            u8 3 · u64 transfer                                 close: published, no answer
 *   reply:   u8 1 · u64 transfer · u64 index · u64 term · u64 chain · u64 manifest bytes   opened
 *            u8 2 · u32 CRC-32C · u32+bytes                      a piece
 *            u8 3 · u8 reason                                    refused
 *
 * File 0 is the manifest, in the engine's own encoding; it names the others, 1, 2, 3…, in its order. A
 * piece is shorter than asked for only where its file ends.
 */
import {
  ByteReader,
  ByteWriter,
  chain,
  crc32c,
  DecodeError,
  logIndex,
  type LogIndex,
  type LogPosition,
  term,
} from '@kvstore/std';
import { Limits } from './limits.ts';

export type SnapshotRequest =
  | {
      readonly kind: 'open';
      /** Of the founded cluster whose data is wanted. */
      readonly clusterTag: number;
      /** The snapshot must stand at or above it: from there on the receiver can pull the log. */
      readonly minIndex: LogIndex;
    }
  | {
      readonly kind: 'read';
      readonly transfer: number;
      /** 0: the manifest. */
      readonly file: number;
      readonly offset: number;
      /** 1 to `Limits.snapshotPieceBytesMax`. */
      readonly length: number;
    }
  | { readonly kind: 'close'; readonly transfer: number };

export const SnapshotRefusal = {
  /** As many transfers as may be are open. */
  busy: 1,
  /** This storage has not made durable what is asked for. */
  behind: 2,
  /** It has no such transfer: it ended, or the process is another one by now. */
  unknown: 3,
  /** It does not serve, or has the data of another cluster. */
  unavailable: 4,
} as const;
export type SnapshotRefusal = (typeof SnapshotRefusal)[keyof typeof SnapshotRefusal];

export type SnapshotReply =
  | {
      readonly kind: 'opened';
      readonly transfer: number;
      readonly position: LogPosition;
      readonly manifestBytes: number;
    }
  | { readonly kind: 'piece'; readonly bytes: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: SnapshotRefusal };

const KIND_OPEN = 1;
const KIND_READ = 2;
const KIND_CLOSE = 3;
const KIND_OPENED = 1;
const KIND_PIECE = 2;
const KIND_REFUSED = 3;

export function encodeSnapshotRequest(request: SnapshotRequest): Uint8Array {
  const writer = new ByteWriter(25);
  switch (request.kind) {
    case 'open':
      return writer.u8(KIND_OPEN).u64(request.clusterTag).u64(request.minIndex).finish();
    case 'read':
      return writer
        .u8(KIND_READ)
        .u64(request.transfer)
        .u32(request.file)
        .u64(request.offset)
        .u32(request.length)
        .finish();
    case 'close':
      return writer.u8(KIND_CLOSE).u64(request.transfer).finish();
  }
}

/** Throws `DecodeError`. */
export function decodeSnapshotRequest(body: Uint8Array): SnapshotRequest {
  const reader = new ByteReader(body);
  const request = readRequest(reader);
  reader.end();
  return request;
}

function readRequest(reader: ByteReader): SnapshotRequest {
  const kind = reader.u8();
  if (kind === KIND_OPEN) {
    return { kind: 'open', clusterTag: reader.u64(), minIndex: logIndex(reader.u64()) };
  }
  if (kind === KIND_CLOSE) return { kind: 'close', transfer: reader.u64() };
  if (kind !== KIND_READ) throw new DecodeError('unknown snapshot request');
  const [transfer, file, offset, length] = [reader.u64(), reader.u32(), reader.u64(), reader.u32()];
  if (length === 0 || length > Limits.snapshotPieceBytesMax) {
    throw new DecodeError('a piece of a snapshot is out of range');
  }
  return { kind: 'read', transfer, file, offset, length };
}

export function encodeSnapshotReply(reply: SnapshotReply): Uint8Array {
  switch (reply.kind) {
    case 'opened': {
      const { transfer, position, manifestBytes } = reply;
      return new ByteWriter(41)
        .u8(KIND_OPENED)
        .u64(transfer)
        .u64(position.index)
        .u64(position.term)
        .u64(position.chain)
        .u64(manifestBytes)
        .finish();
    }
    case 'piece':
      return new ByteWriter(9 + reply.bytes.length)
        .u8(KIND_PIECE)
        .u32(crc32c(reply.bytes))
        .bytes32(reply.bytes)
        .finish();
    case 'refused':
      return new ByteWriter(2).u8(KIND_REFUSED).u8(reply.reason).finish();
  }
}

/** Throws `DecodeError`; also for a piece that fails its checksum. */
export function decodeSnapshotReply(body: Uint8Array): SnapshotReply {
  const reader = new ByteReader(body);
  const reply = readReply(reader);
  reader.end();
  return reply;
}

function readReply(reader: ByteReader): SnapshotReply {
  const kind = reader.u8();
  if (kind === KIND_OPENED) {
    const transfer = reader.u64();
    const index = logIndex(reader.u64());
    const position = { index, term: term(reader.u64()), chain: chain(reader.u64()) };
    return { kind: 'opened', transfer, position, manifestBytes: reader.u64() };
  }
  if (kind === KIND_PIECE) {
    const checksum = reader.u32();
    const bytes = reader.bytes32();
    if (crc32c(bytes) !== checksum) throw new DecodeError('a piece fails its checksum');
    return { kind: 'piece', bytes };
  }
  if (kind !== KIND_REFUSED) throw new DecodeError('unknown snapshot reply');
  const reason = reader.u8();
  for (const each of Object.values(SnapshotRefusal)) {
    if (each === reason) return { kind: 'refused', reason: each };
  }
  throw new DecodeError('unknown reason of a snapshot refusal');
}
