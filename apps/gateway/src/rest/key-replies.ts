/**
 * Encodes results about one key as HTTP answers, straight to Node's response: one object of headers,
 * one write. (Fastify's `reply` would hash, copy and re-inspect them: measured at 1 to 2 µs of a
 * request, see DESIGN.md.)
 */
import { isUtf8 } from 'node:buffer';
import type { ServerResponse } from 'node:http';
import type { KvEntry } from '@kvstore/cluster-client';
import type { Failure } from '@kvstore/contract';
import { REQUEST_ID_HEADER, writeProblem, type ProblemHeaders } from '@kvstore/nest-kit';
import { crc32c, type Revision } from '@kvstore/std';
import type { DeleteDone, Found, PutDone } from '../kv/kv-api.ts';
import { ENTRY_TYPE } from './accept.ts';
import { entityTag } from './conditions.ts';
import { httpDate, isoTime } from './times.ts';

type Headers = Record<string, string | number>;

/** Values up to this size are copied behind their headers. */
const JOINED_BYTES_MAX = 8 * 1024;

export interface KeyName {
  readonly namespace: string;
  readonly key: Uint8Array;
}

export function sendPut(response: ServerResponse, id: string, name: KeyName, done: PutDone): void {
  const expires = done.expiresAt === undefined ? '' : `,"expires_at":"${isoTime(done.expiresAt)}"`;
  const body =
    `{"key":${JSON.stringify(text(name.key))},"namespace":"${name.namespace}","version":${done.version},` +
    `"revision":${done.revision},"created_at":"${isoTime(done.createdAt)}",` +
    `"updated_at":"${isoTime(done.updatedAt)}"${expires}}`;
  response.writeHead(done.version === 1 ? 201 : 200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    etag: entityTag(done.revision),
    'kv-revision': done.revision,
    [REQUEST_ID_HEADER]: id,
  });
  // As a string, like a small value below.
  response.end(body);
}

export function sendDeleted(response: ServerResponse, id: string, done: DeleteDone): void {
  response.writeHead(204, { 'kv-revision': done.revision, [REQUEST_ID_HEADER]: id });
  response.end();
}

/** Node sends the headers alone when the request is a HEAD. */
export function sendValue(response: ServerResponse, id: string, found: Found): void {
  const { entry } = found;
  response.writeHead(200, headersOf(found, id, entry.contentType, entry.value.length));
  // A string leaves with its headers in one write; Latin-1 is one byte per character, exactly.
  if (entry.value.length > JOINED_BYTES_MAX) response.end(entry.value);
  else response.end(bufferOf(entry.value).toString('latin1'), 'latin1');
}

export function sendEntry(response: ServerResponse, id: string, name: KeyName, found: Found): void {
  const body = Buffer.from(JSON.stringify(entryView(name, found.entry)));
  response.writeHead(200, headersOf(found, id, ENTRY_TYPE, body.length));
  response.end(body);
}

export function sendNotModified(response: ServerResponse, id: string, found: Found): void {
  response.writeHead(304, {
    etag: entityTag(found.entry.modRevision),
    'cache-control': 'no-cache',
    vary: 'Accept',
    'kv-revision': found.revision,
    [REQUEST_ID_HEADER]: id,
  });
  response.end();
}

/** A failed condition names the present tag, so that the client can try again with it. */
export function sendFailure(response: ServerResponse, id: string, failure: Failure): void {
  const headers: ProblemHeaders = {};
  const modRevision = failure.extra?.['mod_revision'];
  if (typeof modRevision === 'number' && modRevision > 0) {
    headers['etag'] = entityTag(modRevision as Revision);
  }
  writeProblem(response, failure, id, headers);
}

function headersOf(found: Found, id: string, contentType: string, length: number): Headers {
  const { entry } = found;
  const headers: Headers = {
    'content-type': contentType,
    'content-length': length,
    etag: entityTag(entry.modRevision),
    'last-modified': httpDate(entry.updatedAt),
    'cache-control': 'no-cache',
    vary: 'Accept',
    'kv-version': entry.version,
    'kv-create-revision': entry.createRevision,
    'kv-mod-revision': entry.modRevision,
    'kv-created-at': isoTime(entry.createdAt),
    'kv-revision': found.revision,
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'sandbox',
    [REQUEST_ID_HEADER]: id,
  };
  if (entry.expiresAt !== undefined) headers['kv-expires-at'] = isoTime(entry.expiresAt);
  for (const tag of entry.tags) headers[`kv-tag-${tag.name}`] = encodeURIComponent(tag.value);
  return headers;
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
