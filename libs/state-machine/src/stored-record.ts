/**
 * The stored record of one version of a key. Replicas send these bytes as they are and gateways
 * decode them, so the format is also a wire format.
 *
 *   0 u8 kind   1 u64 mod revision
 *   tombstone:  9 u64 log time
 *   value:      9 u64 create revision · 17 u64 version · 25 u64 created at · 33 u64 updated at
 *               41 u64 expires at (0: never) · 49 u32 value length · 53 value
 *               u8+content type · u8 tags × (u8+name · u16+value)
 *
 * Everything that apply reads of an earlier version stands at a fixed offset (`readVersion`).
 */
import {
  ByteReader,
  DecodeError,
  decodeUtf8,
  logTimeMs,
  type LogTimeMs,
  revision,
  type Revision,
} from '@kvstore/std';
import type { Tag } from './command.ts';
import { readU32, readU64, utf8Length, writeU32, writeU64, writeUtf8 } from './fixed-fields.ts';
import type { Slab } from './slab.ts';

const RecordKind = { value: 1, deleted: 2, expired: 3 } as const;

const VALUE_OFFSET = 53;
const TOMBSTONE_BYTES = 17;

export type TombstoneCause = 'delete' | 'expire';

export interface ValueRecord {
  readonly kind: 'value';
  readonly modRevision: Revision;
  readonly createRevision: Revision;
  /** 1, 2, 3… since the key was created. */
  readonly version: number;
  readonly createdAt: LogTimeMs;
  readonly updatedAt: LogTimeMs;
  readonly expiresAt: LogTimeMs | undefined;
  readonly contentType: string;
  readonly tags: readonly Tag[];
  readonly value: Uint8Array;
}

export interface TombstoneRecord {
  readonly kind: 'tombstone';
  readonly modRevision: Revision;
  readonly cause: TombstoneCause;
  /** Log time of the removal. */
  readonly removedAt: LogTimeMs;
}

export type StoredRecord = ValueRecord | TombstoneRecord;

/** What apply and reads need of a live version, without decoding all of it. */
export interface Version {
  readonly modRevision: Revision;
  readonly createRevision: Revision;
  readonly version: number;
  readonly createdAt: LogTimeMs;
  readonly expiresAt: LogTimeMs | undefined;
  readonly valueLength: number;
}

/** Undefined for a tombstone. Throws `DecodeError`. */
export function readVersion(record: Uint8Array): Version | undefined {
  if (!isValueRecord(record)) return undefined;
  return {
    modRevision: readU64(record, 1) as Revision,
    createRevision: readU64(record, 9) as Revision,
    version: readU64(record, 17),
    createdAt: readU64(record, 25) as LogTimeMs,
    expiresAt: readExpiresAt(record),
    valueLength: readU32(record, 49),
  };
}

/** False for a tombstone. Throws `DecodeError` for what is neither. */
export function isValueRecord(record: Uint8Array): boolean {
  const kind = record[0];
  if (kind === RecordKind.value) return true;
  if (kind === RecordKind.deleted || kind === RecordKind.expired) return false;
  throw new DecodeError(`unknown record kind ${kind}`);
}

/** Of a value record. */
export function readExpiresAt(record: Uint8Array): LogTimeMs | undefined {
  const expiresAt = readU64(record, 41);
  return expiresAt === 0 ? undefined : (expiresAt as LogTimeMs);
}

/**
 * The content type has at most 255 bytes, tags are at most 255 with names up to 255 bytes. The
 * record is owned by the caller, and cut from `slab` where there is one.
 */
export function encodeValueRecord(record: Omit<ValueRecord, 'kind'>, slab?: Slab): Uint8Array {
  const { value, contentType, tags } = record;
  const contentTypeLength = utf8Length(contentType);
  let length = VALUE_OFFSET + value.length + 1 + contentTypeLength + 1;
  for (const tag of tags) length += 3 + utf8Length(tag.name) + utf8Length(tag.value);
  const bytes = slab === undefined ? new Uint8Array(length) : slab.take(length);
  bytes[0] = RecordKind.value;
  writeU64(bytes, 1, record.modRevision);
  writeU64(bytes, 9, record.createRevision);
  writeU64(bytes, 17, record.version);
  writeU64(bytes, 25, record.createdAt);
  writeU64(bytes, 33, record.updatedAt);
  writeU64(bytes, 41, record.expiresAt ?? 0);
  writeU32(bytes, 49, value.length);
  bytes.set(value, VALUE_OFFSET);
  let at = VALUE_OFFSET + value.length;
  bytes[at] = contentTypeLength;
  at = writeUtf8(bytes, at + 1, contentType, contentTypeLength);
  bytes[at++] = tags.length;
  for (const tag of tags) at = writeTag(bytes, at, tag);
  return bytes;
}

function writeTag(bytes: Uint8Array, offset: number, tag: Tag): number {
  const nameLength = utf8Length(tag.name);
  bytes[offset] = nameLength;
  const at = writeUtf8(bytes, offset + 1, tag.name, nameLength);
  const valueLength = utf8Length(tag.value);
  bytes[at] = valueLength >>> 8;
  bytes[at + 1] = valueLength;
  return writeUtf8(bytes, at + 2, tag.value, valueLength);
}

export function encodeTombstone(
  modRevision: Revision,
  cause: TombstoneCause,
  removedAt: LogTimeMs,
): Uint8Array {
  const bytes = new Uint8Array(TOMBSTONE_BYTES);
  bytes[0] = cause === 'delete' ? RecordKind.deleted : RecordKind.expired;
  writeU64(bytes, 1, modRevision);
  writeU64(bytes, 9, removedAt);
  return bytes;
}

/** Throws `DecodeError`; `value` is a view into `bytes`. */
export function decodeRecord(bytes: Uint8Array): StoredRecord {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  const modRevision = revision(reader.u64());
  switch (kind) {
    case RecordKind.value:
      return decodeValueRecord(reader, modRevision);
    case RecordKind.deleted:
    case RecordKind.expired: {
      const removedAt = logTimeMs(reader.u64());
      reader.end();
      const cause = kind === RecordKind.deleted ? 'delete' : 'expire';
      return { kind: 'tombstone', modRevision, cause, removedAt };
    }
    default:
      throw new DecodeError(`unknown record kind ${kind}`);
  }
}

function decodeValueRecord(reader: ByteReader, modRevision: Revision): ValueRecord {
  const createRevision = revision(reader.u64());
  const version = reader.u64();
  const createdAt = logTimeMs(reader.u64());
  const updatedAt = logTimeMs(reader.u64());
  const expiresAt = reader.u64();
  const value = reader.bytes32();
  const contentType = decodeUtf8(reader.bytes8());
  const tags = reader.list(reader.u8(), () => ({
    name: decodeUtf8(reader.bytes8()),
    value: decodeUtf8(reader.bytes16()),
  }));
  reader.end();
  return {
    kind: 'value',
    modRevision,
    createRevision,
    version,
    createdAt,
    updatedAt,
    expiresAt: expiresAt === 0 ? undefined : logTimeMs(expiresAt),
    contentType,
    tags,
    value,
  };
}
