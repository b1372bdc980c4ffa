/** Results of `KvApi` into gRPC messages. Field numbers are those of `proto/kvstore/v1/kvstore.proto`. */
import type { LogTimeMs } from '@kvstore/std';
import type { DeleteDone, Found, PutDone } from '../kv/kv-api.ts';
import type { KeyName } from './messages.ts';
import { ProtoWriter } from './proto-writer.ts';

interface Times {
  readonly createdAt: LogTimeMs;
  readonly updatedAt: LogTimeMs;
  readonly expiresAt: LogTimeMs | undefined;
}

/** One for all: a message is written without interruption. */
const shared = new ProtoWriter();

/** PutResponse. */
export function encodePut({ namespace, key }: KeyName, done: PutDone): Buffer {
  const writer = shared.clear().text(1, namespace).bytes(2, key);
  writer.uint(3, done.version).uint(4, done.revision).uint(5, done.createRevision);
  return times(writer, 6, done).finish();
}

/** GetResponse. */
export function encodeFound({ namespace, key }: KeyName, { entry, revision }: Found): Buffer {
  const writer = shared.clear().text(1, namespace).bytes(2, key);
  writer.bytes(3, entry.value).text(4, entry.contentType);
  for (const { name, value } of entry.tags) {
    writer.message(5, (tag) => tag.entryText(1, name).entryText(2, value));
  }
  writer.uint(6, entry.version).uint(7, entry.createRevision).uint(8, entry.modRevision);
  return times(writer.uint(9, revision), 10, entry).finish();
}

/** DeleteResponse. */
export function encodeDeleted({ revision, existed }: DeleteDone): Buffer {
  return shared.clear().uint(1, revision).bool(2, existed).finish();
}

/** created_at, updated_at and expires_at stand in a row. */
function times(writer: ProtoWriter, field: number, of: Times): ProtoWriter {
  timestamp(writer, field, of.createdAt);
  timestamp(writer, field + 1, of.updatedAt);
  if (of.expiresAt !== undefined) timestamp(writer, field + 2, of.expiresAt);
  return writer;
}

/** google.protobuf.Timestamp. */
function timestamp(writer: ProtoWriter, field: number, time: LogTimeMs): void {
  const millis = time % 1_000;
  writer.message(field, (inner) =>
    inner.uint(1, (time - millis) / 1_000).uint(2, millis * 1_000_000),
  );
}
