/**
 * Encodes results about one key as HTTP answers. Header lines are made as one text, which the hot edge sends
 * as it is.
 *
 * Invariant: what is put into a header line cannot end it: numbers, times and encoded text by their form, the
 * request id because it was checked, what was stored because it is checked here.
 */
import { isUtf8 } from 'node:buffer';
import type { KvEntry } from '@kvstore/cluster-client';
import type { ErrorCode, Failure } from '@kvstore/contract';
import { problemAnswer, REQUEST_ID_HEADER } from '@kvstore/nest-kit';
import { assert, crc32c, type Revision } from '@kvstore/std';
import type { DeleteDone, Found, PutDone } from '../kv/kv-api.ts';
import { checkContentType, checkTags } from '../kv/kv-input.ts';
import { ENTRY_TYPE } from './accept.ts';
import { entityTag } from './conditions.ts';
import type { KeyExchange } from './key-exchange.ts';
import { httpDate, isoTime } from './times.ts';

export interface KeyName {
  readonly namespace: string;
  readonly key: Uint8Array;
}

export function answerPut(exchange: KeyExchange, name: KeyName, done: PutDone): void {
  const key = text(name.key);
  const expires = done.expiresAt === undefined ? '' : `,"expires_at":"${isoTime(done.expiresAt)}"`;
  const body =
    `{"key":${JSON.stringify(key)},"namespace":"${name.namespace}","version":${done.version},` +
    `"revision":${done.revision},"created_at":"${isoTime(done.createdAt)}",` +
    `"updated_at":"${isoTime(done.updatedAt)}"${expires}}`;
  const fields =
    `content-type: application/json\r\netag: ${entityTag(done.revision)}\r\n` +
    `kv-revision: ${done.revision}\r\n${requestIdLine(exchange)}`;
  // Invariant: UTF-8 is as long as its text exactly when it is ASCII; the rest of the body is.
  const isAscii = key.length === name.key.length;
  exchange.respond(done.version === 1 ? 201 : 200, fields, isAscii ? body : Buffer.from(body));
}

export function answerDeleted(exchange: KeyExchange, done: DeleteDone): void {
  exchange.respond(204, `kv-revision: ${done.revision}\r\n${requestIdLine(exchange)}`, undefined);
}

export function answerValue(exchange: KeyExchange, found: Found): void {
  const { contentType, value } = found.entry;
  exchange.respond(200, entryLines(exchange, found, contentType), value);
}

export function answerEntry(exchange: KeyExchange, name: KeyName, found: Found): void {
  const body = Buffer.from(JSON.stringify(entryView(name, found.entry)));
  exchange.respond(200, entryLines(exchange, found, ENTRY_TYPE), body);
}

export function answerNotModified(exchange: KeyExchange, found: Found): void {
  const fields =
    `etag: ${entityTag(found.entry.modRevision)}\r\ncache-control: no-cache\r\nvary: Accept\r\n` +
    `kv-revision: ${found.revision}\r\n${requestIdLine(exchange)}`;
  exchange.respond(304, fields, undefined);
}

/** A failed condition names the present tag, so that the client can try again with it. */
export function answerFailure(exchange: KeyExchange, failure: Failure): ErrorCode {
  const { status, headers, body } = problemAnswer(failure, exchange.requestId);
  let fields = '';
  for (const name in headers) fields += `${name}: ${headers[name]}\r\n`;
  const modRevision = failure.extra?.['mod_revision'];
  if (typeof modRevision === 'number' && modRevision > 0) {
    fields += `etag: ${entityTag(modRevision as Revision)}\r\n`;
  }
  exchange.respond(status, fields, body);
  return failure.code;
}

function entryLines(exchange: KeyExchange, found: Found, contentType: string): string {
  const { entry } = found;
  assert(checkContentType(contentType) === undefined, 'the content type is none');
  assert(checkTags(entry.tags) === undefined, 'the tags are none');
  let lines =
    `content-type: ${contentType}\r\netag: ${entityTag(entry.modRevision)}\r\n` +
    `last-modified: ${httpDate(entry.updatedAt)}\r\ncache-control: no-cache\r\nvary: Accept\r\n` +
    `kv-version: ${entry.version}\r\nkv-create-revision: ${entry.createRevision}\r\n` +
    `kv-mod-revision: ${entry.modRevision}\r\nkv-created-at: ${isoTime(entry.createdAt)}\r\n` +
    `kv-revision: ${found.revision}\r\nx-content-type-options: nosniff\r\n` +
    `content-security-policy: sandbox\r\n${requestIdLine(exchange)}`;
  if (entry.expiresAt !== undefined) lines += `kv-expires-at: ${isoTime(entry.expiresAt)}\r\n`;
  for (const tag of entry.tags) lines += `kv-tag-${tag.name}: ${encodeURIComponent(tag.value)}\r\n`;
  return lines;
}

function requestIdLine({ requestId }: KeyExchange): string {
  return `${REQUEST_ID_HEADER}: ${requestId}\r\n`;
}

function entryView({ namespace, key }: KeyName, entry: KvEntry): object {
  const isText = isUtf8(entry.value);
  return {
    key: text(key),
    namespace,
    value: bufferOf(entry.value).toString(isText ? 'utf8' : 'base64'),
    encoding: isText ? 'utf8' : 'base64',
    content_type: entry.contentType,
    version: entry.version,
    create_revision: entry.createRevision,
    mod_revision: entry.modRevision,
    created_at: isoTime(entry.createdAt),
    updated_at: isoTime(entry.updatedAt),
    ...(entry.expiresAt !== undefined && { expires_at: isoTime(entry.expiresAt) }),
    tags: Object.fromEntries(entry.tags.map((tag) => [tag.name, tag.value])),
    checksum: `crc32c:${crc32c(entry.value).toString(16).padStart(8, '0')}`,
  };
}

function text(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('utf8');
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
