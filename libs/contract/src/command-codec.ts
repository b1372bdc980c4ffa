/**
 * The wire and log format of one command.
 *
 *   u8 feature level · u8 kind · fields
 *   put, delete: u8+principal · u8+namespace · u16+key · u8+idempotency key (empty: none)
 *                · u8 conditions × condition
 *                · put: u64 ttl ms (0: none) · u8+content type · u8 tags × (u8+name · u16+value) · u32+value
 *   register-session: u64 ttl ms
 *   keep-alive: nothing
 *
 * Decoding never throws: what cannot be decoded is a `malformed` command, the same on every
 * replica. A command above this build's feature level is not malformed: the replica must stop.
 */
import {
  assertNever,
  ByteReader,
  type ByteWriter,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  revision,
  type Revision,
  xxh32,
} from '@kvstore/std';
import type { Command, Condition, DeleteCommand, PutCommand, Tag } from '@kvstore/state-machine';
import { Limits } from './limits.ts';

export const FEATURE_LEVEL = 1;

const CommandKind = { put: 1, delete: 2, registerSession: 3, keepAlive: 4 } as const;
const ConditionKind = {
  modRevisionIn: 1,
  modRevisionNotIn: 2,
  versionIs: 3,
  exists: 4,
  absent: 5,
} as const;

type Encodable =
  | Omit<PutCommand, 'digest'>
  | Omit<DeleteCommand, 'digest'>
  | Exclude<Command, PutCommand | DeleteCommand | { readonly kind: 'malformed' }>;

const NONE = new Uint8Array(0);

/** Appends one command. Fields are within `Limits`: the caller has validated them. */
export function encodeCommand(writer: ByteWriter, command: Encodable): void {
  writer.u8(FEATURE_LEVEL);
  switch (command.kind) {
    case 'put':
      encodeKeyFields(writer.u8(CommandKind.put), command);
      writer
        .u64(command.ttlMs ?? 0)
        .bytes8(text(command.contentType))
        .u8(command.tags.length);
      for (const tag of command.tags) writer.bytes8(text(tag.name)).bytes16(encodeUtf8(tag.value));
      writer.bytes32(command.value);
      return;
    case 'delete':
      encodeKeyFields(writer.u8(CommandKind.delete), command);
      return;
    case 'register-session':
      writer.u8(CommandKind.registerSession).u64(command.ttlMs);
      return;
    case 'keep-alive':
      writer.u8(CommandKind.keepAlive);
      return;
    default:
      assertNever(command);
  }
}

/** Bytes that `encodeCommand` will append, never less: for the cut rule. */
export function commandBytesMax(command: Encodable): number {
  if (command.kind !== 'put' && command.kind !== 'delete') return 16;
  let bytes = 600 + command.key.length;
  for (const condition of command.conditions) {
    if ('revisions' in condition) bytes += 3 + 8 * condition.revisions.length;
    else bytes += 9;
  }
  if (command.kind === 'put') {
    bytes += command.value.length + 3 * command.contentType.length + 16;
    bytes += command.tags.length * (1 + 64 + 2 + Limits.tagValueBytesMax);
  }
  return bytes;
}

function encodeKeyFields(
  writer: ByteWriter,
  command: Omit<PutCommand, 'digest'> | Omit<DeleteCommand, 'digest'>,
): void {
  writer
    .bytes8(text(command.principal))
    .bytes8(text(command.namespace))
    .bytes16(command.key)
    .bytes8(command.idempotencyKey === undefined ? NONE : encodeUtf8(command.idempotencyKey))
    .u8(command.conditions.length);
  for (const condition of command.conditions) encodeCondition(writer, condition);
}

function encodeCondition(writer: ByteWriter, condition: Condition): void {
  switch (condition.kind) {
    case 'mod-revision-in':
      encodeRevisions(writer.u8(ConditionKind.modRevisionIn), condition.revisions);
      return;
    case 'mod-revision-not-in':
      encodeRevisions(writer.u8(ConditionKind.modRevisionNotIn), condition.revisions);
      return;
    case 'version-is':
      writer.u8(ConditionKind.versionIs).u64(condition.version);
      return;
    case 'exists':
      writer.u8(ConditionKind.exists);
      return;
    case 'absent':
      writer.u8(ConditionKind.absent);
      return;
    default:
      assertNever(condition);
  }
}

function encodeRevisions(writer: ByteWriter, revisions: readonly Revision[]): void {
  writer.u16(revisions.length);
  for (const each of revisions) writer.u64(each);
}

/** A command that only a newer build understands: the replica stops and says so. */
export class FeatureLevelError extends Error {
  override readonly name = 'FeatureLevelError';
  readonly code = 'FEATURE_LEVEL';
  readonly retryable = false;

  constructor(level: number) {
    super(
      `an entry needs feature level ${level}, this build has ${FEATURE_LEVEL}: upgrade this node`,
    );
  }
}

export function decodeCommand(bytes: Uint8Array): Command {
  const reader = new ByteReader(bytes);
  try {
    const level = reader.u8();
    if (level > FEATURE_LEVEL) throw new FeatureLevelError(level);
    const command = decodeFields(reader);
    reader.end();
    return command;
  } catch (error) {
    if (error instanceof DecodeError) return { kind: 'malformed', reason: error.message };
    throw error;
  }
}

function decodeFields(reader: ByteReader): Command {
  const kind = reader.u8();
  switch (kind) {
    case CommandKind.put:
    case CommandKind.delete:
      return decodeKeyed(reader, kind);
    case CommandKind.registerSession:
      return { kind: 'register-session', ttlMs: reader.u64() };
    case CommandKind.keepAlive:
      return { kind: 'keep-alive' };
    default:
      throw new DecodeError(`unknown command kind ${kind}`);
  }
}

function decodeKeyed(reader: ByteReader, kind: 1 | 2): Command {
  const principal = shared(reader.bytes8());
  const namespace = shared(reader.bytes8());
  const key = reader.bytes16();
  if (key.length === 0 || key.length > Limits.keyBytesMax) throw new DecodeError('key length');
  const idempotencyBytes = reader.bytes8();
  const idempotencyKey = idempotencyBytes.length === 0 ? undefined : decodeUtf8(idempotencyBytes);
  const start = reader.offset;
  const conditions = decodeConditions(reader);
  const rest = kind === CommandKind.put ? decodePut(reader) : undefined;
  const digest = idempotencyKey === undefined ? 0 : digestOf(reader, start, kind, namespace, key);
  const common = { namespace, key, conditions, principal, idempotencyKey, digest };
  return rest === undefined ? { kind: 'delete', ...common } : { kind: 'put', ...common, ...rest };
}

function decodePut(
  reader: ByteReader,
): Pick<PutCommand, 'value' | 'contentType' | 'tags' | 'ttlMs'> {
  const ttlMs = reader.u64();
  const contentType = shared(reader.bytes8());
  const count = reader.u8();
  if (count > Limits.tagsMax) throw new DecodeError('too many tags');
  const tags: Tag[] = [];
  for (let i = 0; i < count; i++) {
    tags.push({ name: shared(reader.bytes8()), value: decodeUtf8(reader.bytes16()) });
  }
  return { ttlMs: ttlMs === 0 ? undefined : ttlMs, contentType, tags, value: reader.bytes32() };
}

const NO_CONDITIONS: readonly Condition[] = [];

function decodeConditions(reader: ByteReader): readonly Condition[] {
  const count = reader.u8();
  if (count === 0) return NO_CONDITIONS;
  const conditions: Condition[] = [];
  for (let i = 0; i < count; i++) conditions.push(decodeCondition(reader));
  return conditions;
}

function decodeCondition(reader: ByteReader): Condition {
  const kind = reader.u8();
  switch (kind) {
    case ConditionKind.modRevisionIn:
      return { kind: 'mod-revision-in', revisions: decodeRevisions(reader) };
    case ConditionKind.modRevisionNotIn:
      return { kind: 'mod-revision-not-in', revisions: decodeRevisions(reader) };
    case ConditionKind.versionIs:
      return { kind: 'version-is', version: reader.u64() };
    case ConditionKind.exists:
      return { kind: 'exists' };
    case ConditionKind.absent:
      return { kind: 'absent' };
    default:
      throw new DecodeError(`unknown condition kind ${kind}`);
  }
}

function decodeRevisions(reader: ByteReader): Revision[] {
  return reader.list(reader.u16(), () => revision(reader.u64()));
}

/** 53 bits over everything that makes two requests the same request. */
function digestOf(
  reader: ByteReader,
  start: number,
  kind: number,
  namespace: string,
  key: Uint8Array,
): number {
  const rest = reader.since(start);
  const seed = (xxh32(encodeUtf8(namespace), kind) ^ xxh32(key, kind)) >>> 0;
  return (xxh32(rest, ~seed) & 0x1f_ffff) * 0x1_0000_0000 + xxh32(rest, seed);
}

/*
 * Principals, namespaces, content types and tag names are few and repeat in every command: both
 * directions go through small bounded caches instead of the text codec.
 */
const CACHE_ENTRIES_MAX = 256;
const encoded = new Map<string, Uint8Array>();
const decoded = new Map<number, { readonly bytes: Uint8Array; readonly text: string }>();

function text(value: string): Uint8Array {
  const cached = encoded.get(value);
  if (cached !== undefined) return cached;
  const bytes = encodeUtf8(value);
  if (encoded.size >= CACHE_ENTRIES_MAX) encoded.clear();
  encoded.set(value, bytes);
  return bytes;
}

function shared(bytes: Uint8Array): string {
  if (bytes.length === 0) return '';
  const slot = xxh32(bytes);
  const cached = decoded.get(slot);
  if (cached !== undefined && Buffer.compare(cached.bytes, bytes) === 0) return cached.text;
  const value = decodeUtf8(bytes);
  if (decoded.size >= CACHE_ENTRIES_MAX) decoded.clear();
  decoded.set(slot, { bytes: new Uint8Array(bytes), text: value });
  return value;
}
