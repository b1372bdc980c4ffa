/**
 * Keys of the ordered store. The first byte is the key space:
 *
 *   00 system    01                                          meta
 *                02 · u64 session                            session header
 *                03 · u64 session · u64 batch number         outcomes of an applied batch
 *                04 · text principal · text namespace · text idempotency key
 *                05 · u64 due at · u8 kind · id              expiry index
 *   01 versions  text namespace · text key · u64 ~revision   one version of a user key
 *   02 changes   u64 revision · u32 n                        the same versions in order of revision
 *
 * `text` is escaped and terminated so that byte order is the order of the tuples: 00 is written as
 * 00 FF, the end as 00 01. Revisions of a key descend (they are stored complemented), so the first
 * pair at or after (key, r) within the key's prefix is its newest version at or below r.
 *
 * A version key without space byte and revision is the key's `identity`: what indexes refer to.
 */
import { DecodeError, encodeUtf8, type Revision } from '@kvstore/std';
import { readU64, writeU32, writeU64 } from './fixed-fields.ts';

const Space = { system: 0, versions: 1, changes: 2 } as const;
const System = { meta: 1, session: 2, sessionBatch: 3, idempotency: 4, expiry: 5 } as const;

const REVISION_BYTES = 8;
const ESCAPE = 0x00;
const ESCAPED_ZERO = 0xff;
const TERMINATOR = 0x01;
const TERMINATOR_BYTES = 2;
const ASCII_MAX = 0x7f;

/**
 * How many leading bytes of a stored key a point lookup knows: what bloom filters are built over.
 * All but the revision of a version, all of a system key read by name, 0 for keys only scanned.
 */
export function filterPrefixLength(key: Uint8Array): number {
  if (key[0] === Space.versions) return Math.max(0, key.length - REVISION_BYTES);
  if (key[0] === Space.system && key[1] !== System.expiry) return key.length;
  return 0;
}

/** The key before every version of a user key: `first` from here finds the newest one. */
export function newestVersionKey(namespace: string, key: Uint8Array): Uint8Array {
  const length = 1 + asciiTextLength(namespace) + textLength(key) + REVISION_BYTES;
  const bytes = new Uint8Array(length);
  bytes[0] = Space.versions;
  writeText(bytes, writeAsciiText(bytes, 1, namespace), key);
  return bytes;
}

export function newestVersionKeyOf(identity: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + identity.length + REVISION_BYTES);
  bytes[0] = Space.versions;
  bytes.set(identity, 1);
  return bytes;
}

/** Turns a version key into that of the same user key at `at`, in place. */
export function setRevision(versionKey: Uint8Array, at: Revision): void {
  const offset = versionKey.length - REVISION_BYTES;
  writeU32(versionKey, offset, ~Math.floor(at / 0x1_0000_0000));
  writeU32(versionKey, offset + 4, ~at);
}

/** A copy: small arrays are cheaper to copy than to view, and views would keep the key alive. */
export function identityOf(versionKey: Uint8Array): Uint8Array {
  return versionKey.slice(1, versionKey.length - REVISION_BYTES);
}

export function versionPrefixLength(versionKey: Uint8Array): number {
  return versionKey.length - REVISION_BYTES;
}

export interface UserKey {
  readonly namespace: string;
  readonly key: Uint8Array;
}

/** Throws `DecodeError` for bytes that are no identity. */
export function decodeIdentity(identity: Uint8Array): UserKey {
  const namespaceEnd = textEnd(identity, 0);
  const keyEnd = textEnd(identity, namespaceEnd);
  if (keyEnd !== identity.length) throw new DecodeError('bytes after an identity');
  return {
    namespace: readAsciiText(identity, 0, namespaceEnd),
    key: readText(identity, namespaceEnd, keyEnd),
  };
}

/** Key of the n-th change of a revision; the value there is the identity of the changed key. */
export function changeKey(at: Revision, n: number): Uint8Array {
  const bytes = new Uint8Array(13);
  bytes[0] = Space.changes;
  writeU64(bytes, 1, at);
  writeU32(bytes, 9, n);
  return bytes;
}

export const META_KEY: Uint8Array = Uint8Array.of(Space.system, System.meta);

export function sessionKey(session: number): Uint8Array {
  const bytes = new Uint8Array(10);
  bytes[1] = System.session;
  writeU64(bytes, 2, session);
  return bytes;
}

/** Batch numbers of one session are contiguous: (session, 0)..(session + 1, 0) holds them all. */
export function sessionBatchKey(session: number, batchNo: number): Uint8Array {
  const bytes = new Uint8Array(18);
  bytes[1] = System.sessionBatch;
  writeU64(bytes, 2, session);
  writeU64(bytes, 10, batchNo);
  return bytes;
}

export function idempotencyTableKey(
  principal: string,
  namespace: string,
  idempotencyKey: string,
): Uint8Array {
  const who = encodeUtf8(principal);
  const what = encodeUtf8(idempotencyKey);
  const length = 2 + textLength(who) + asciiTextLength(namespace) + textLength(what);
  const bytes = new Uint8Array(length);
  bytes[1] = System.idempotency;
  writeText(bytes, writeAsciiText(bytes, writeText(bytes, 2, who), namespace), what);
  return bytes;
}

/** What an entry of the expiry index refers to; its id is below. */
export const ExpiryKind = {
  /** Identity of a user key. */
  key: 1,
  /** u64 session. */
  session: 2,
  /** The idempotency table's key. */
  idempotency: 3,
} as const;
export type ExpiryKind = (typeof ExpiryKind)[keyof typeof ExpiryKind];

const EXPIRY_ID_OFFSET = 11;

export function expiryKey(dueAt: number, kind: ExpiryKind, id: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(EXPIRY_ID_OFFSET + id.length);
  bytes[1] = System.expiry;
  writeU64(bytes, 2, dueAt);
  bytes[10] = kind;
  bytes.set(id, EXPIRY_ID_OFFSET);
  return bytes;
}

/** The start of the expiry index at `dueAt`. */
export function expiryFrom(dueAt: number): Uint8Array {
  const bytes = new Uint8Array(10);
  bytes[1] = System.expiry;
  writeU64(bytes, 2, dueAt);
  return bytes;
}

export const EXPIRY_END: Uint8Array = Uint8Array.of(Space.system, System.expiry + 1);

export function dueAtOf(expiryIndexKey: Uint8Array): number {
  return readU64(expiryIndexKey, 2);
}

export interface ExpiryItem {
  readonly dueAt: number;
  readonly kind: ExpiryKind;
  readonly id: Uint8Array;
}

/** The id is a view. Throws `DecodeError`. */
export function decodeExpiryKey(bytes: Uint8Array): ExpiryItem {
  const kind = bytes[10];
  if (bytes[0] !== Space.system || bytes[1] !== System.expiry) {
    throw new DecodeError('no key of the expiry index');
  }
  if (kind !== ExpiryKind.key && kind !== ExpiryKind.session && kind !== ExpiryKind.idempotency) {
    throw new DecodeError('unknown kind in the expiry index');
  }
  return { dueAt: dueAtOf(bytes), kind, id: bytes.subarray(EXPIRY_ID_OFFSET) };
}

function textLength(bytes: Uint8Array): number {
  let length = bytes.length + TERMINATOR_BYTES;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] === ESCAPE) length += 1;
  return length;
}

function asciiTextLength(text: string): number {
  return text.length + TERMINATOR_BYTES;
}

/** Returns the offset after what was written. */
function writeText(into: Uint8Array, offset: number, bytes: Uint8Array): number {
  let at = offset;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    into[at++] = byte;
    if (byte === ESCAPE) into[at++] = ESCAPED_ZERO;
  }
  into[at++] = ESCAPE;
  into[at++] = TERMINATOR;
  return at;
}

/** Namespaces are ASCII without NUL (`command-validity.ts`): nothing to escape. */
function writeAsciiText(into: Uint8Array, offset: number, text: string): number {
  let at = offset;
  for (let i = 0; i < text.length; i++) into[at++] = text.charCodeAt(i);
  into[at++] = ESCAPE;
  into[at++] = TERMINATOR;
  return at;
}

/** Offset after the terminator of the text at `offset`. */
function textEnd(bytes: Uint8Array, offset: number): number {
  for (let at = offset; at + 1 < bytes.length; at++) {
    if (bytes[at] !== ESCAPE) continue;
    if (bytes[at + 1] === TERMINATOR) return at + TERMINATOR_BYTES;
    if (bytes[at + 1] !== ESCAPED_ZERO) throw new DecodeError('unknown escape');
    at += 1;
  }
  throw new DecodeError('unterminated text');
}

/** Why not all at once: arguments are on the stack, and a text that no limit holds would overflow it. */
function readAsciiText(bytes: Uint8Array, offset: number, end: number): string {
  let text = '';
  for (let at = offset; at < end - TERMINATOR_BYTES; at++) {
    const byte = bytes[at] as number;
    if (byte === ESCAPE || byte > ASCII_MAX) throw new DecodeError('a namespace is not ASCII');
    text += String.fromCharCode(byte);
  }
  return text;
}

function readText(bytes: Uint8Array, offset: number, end: number): Uint8Array {
  const text = new Uint8Array(end - TERMINATOR_BYTES - offset);
  let length = 0;
  for (let at = offset; at < end - TERMINATOR_BYTES; at++) {
    const byte = bytes[at] as number;
    text[length++] = byte;
    if (byte === ESCAPE) at += 1;
  }
  return text.slice(0, length);
}
