/**
 * The one read operation of a storage: wait (bounded) until `minIndex` and `minRevision` are
 * reached, then answer all reads from one snapshot.
 *
 *   read:  u64 min index · u64 min revision · u32 wait ms · u16 reads × (u8+namespace · u16+key · u64 at revision)
 *   reply: u8 status · u64 revision · u16 answers × (u8 kind · u32+record)
 *
 * A reply holds as many answers, in order, as fit one frame, at least one; the caller asks again
 * for the rest. `at revision` 0 is "now".
 */
import {
  ByteReader,
  ByteWriter,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  logIndex,
  type LogIndex,
  revision,
  type Revision,
} from '@kvstore/std';

export interface ReadOperation {
  readonly namespace: string;
  readonly key: Uint8Array;
  readonly atRevision: Revision | undefined;
}

export interface ReadBatch {
  readonly minIndex: LogIndex;
  readonly minRevision: Revision;
  readonly waitMs: number;
  readonly reads: readonly ReadOperation[];
}

export function encodeRead(batch: ReadBatch): Uint8Array {
  const writer = new ByteWriter(22 + batch.reads.length * 64)
    .u64(batch.minIndex)
    .u64(batch.minRevision)
    .u32(batch.waitMs)
    .u16(batch.reads.length);
  for (const read of batch.reads) {
    writer
      .bytes8(encodeUtf8(read.namespace))
      .bytes16(read.key)
      .u64(read.atRevision ?? 0);
  }
  return writer.finish();
}

export function decodeRead(body: Uint8Array): ReadBatch {
  const reader = new ByteReader(body);
  const minIndex = logIndex(reader.u64());
  const minRevision = revision(reader.u64());
  const waitMs = reader.u32();
  const reads = reader.list(reader.u16(), () => {
    const namespace = decodeUtf8(reader.bytes8());
    const key = reader.bytes16();
    const at = reader.u64();
    return { namespace, key, atRevision: at === 0 ? undefined : revision(at) };
  });
  reader.end();
  return { minIndex, minRevision, waitMs, reads };
}

export const ReadStatus = {
  served: 1,
  /** The wait ran out: nothing was read. */
  behind: 2,
  /** Too many reads are waiting here. */
  overloaded: 3,
} as const;
export type ReadStatus = (typeof ReadStatus)[keyof typeof ReadStatus];

export const AnswerKind = {
  /** The bytes are the stored record. */
  found: 1,
  notFound: 2,
  /** History at that revision is gone; the bytes are the oldest revision kept, u64. */
  compacted: 3,
  /** `at revision` is above the store's revision. */
  future: 4,
} as const;
export type AnswerKind = (typeof AnswerKind)[keyof typeof AnswerKind];

export interface ReadAnswer {
  readonly kind: AnswerKind;
  readonly bytes: Uint8Array;
}

export interface ReadReply {
  readonly status: ReadStatus;
  /** Revision of the snapshot. */
  readonly revision: Revision;
  readonly answers: readonly ReadAnswer[];
}

export function encodeReadReply(reply: ReadReply): Uint8Array {
  let bytes = 11;
  for (const answer of reply.answers) bytes += 5 + answer.bytes.length;
  const writer = new ByteWriter(bytes)
    .u8(reply.status)
    .u64(reply.revision)
    .u16(reply.answers.length);
  for (const answer of reply.answers) writer.u8(answer.kind).bytes32(answer.bytes);
  return writer.finish();
}

export function decodeReadReply(body: Uint8Array): ReadReply {
  const reader = new ByteReader(body);
  const status = member(ReadStatus, reader.u8(), 'unknown read status');
  const at = revision(reader.u64());
  const answers = reader.list(reader.u16(), () => ({
    kind: member(AnswerKind, reader.u8(), 'unknown answer kind'),
    bytes: reader.bytes32(),
  }));
  reader.end();
  return { status, revision: at, answers };
}

function member<Value extends number>(
  set: Readonly<Record<string, Value>>,
  value: number,
  message: string,
): Value {
  for (const each of Object.values(set)) if (each === value) return each;
  throw new DecodeError(message);
}
