/** Results of `KvApi` into gRPC messages. */
import type { LogTimeMs } from '@kvstore/std';
import type { DeleteDone, Found, PutDone } from '../kv/kv-api.ts';
import type { ClusterStatus } from '../status/cluster-status.ts';
import type { Timestamp } from './messages.ts';

interface KeyName {
  readonly namespace: string;
  readonly key: Uint8Array;
}

export function encodePut(name: KeyName, done: PutDone): object {
  return {
    ...keyOf(name),
    version: done.version,
    revision: done.revision,
    create_revision: done.createRevision,
    ...times(done),
  };
}

export function encodeFound(name: KeyName, { entry, revision }: Found): object {
  return {
    ...keyOf(name),
    value: entry.value,
    content_type: entry.contentType,
    tags: Object.fromEntries(entry.tags.map((tag) => [tag.name, tag.value])),
    version: entry.version,
    create_revision: entry.createRevision,
    mod_revision: entry.modRevision,
    revision,
    ...times(entry),
  };
}

export function encodeDeleted(done: DeleteDone): object {
  return { revision: done.revision, existed: done.existed };
}

/** The REST document has the message's names; null there is unset here. */
export function encodeStatus(status: ClusterStatus): object {
  return status;
}

function keyOf({ namespace, key }: KeyName): { readonly namespace: string; readonly key: string } {
  return { namespace, key: Buffer.from(key.buffer, key.byteOffset, key.length).toString('utf8') };
}

function times(of: {
  readonly createdAt: LogTimeMs;
  readonly updatedAt: LogTimeMs;
  readonly expiresAt: LogTimeMs | undefined;
}): object {
  const common = { created_at: timestamp(of.createdAt), updated_at: timestamp(of.updatedAt) };
  return of.expiresAt === undefined ? common : { ...common, expires_at: timestamp(of.expiresAt) };
}

function timestamp(time: LogTimeMs): Timestamp {
  return { seconds: Math.trunc(time / 1_000), nanos: (time % 1_000) * 1_000_000 };
}
