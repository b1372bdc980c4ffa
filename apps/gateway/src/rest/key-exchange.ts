/**
 * One request about a key and the way of its answer, as the handlers see them; each edge of HTTP has its own.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from '@kvstore/contract';
import {
  requestIdOf,
  type Http1Request,
  type HttpReply,
  type HttpRequest,
} from '@kvstore/nest-kit';
import { readValue } from './body.ts';

/** The header fields that handlers look at; a name that is missing here does not compile there. */
export const KEY_FIELDS = [
  'accept',
  'content-encoding',
  'content-range',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'x-request-id',
] as const;
export type KeyField = (typeof KEY_FIELDS)[number];

/** What decoding reads. */
export interface KeyFields {
  field(name: KeyField): string | undefined;
}

export interface KeyExchange extends KeyFields {
  readonly method: string;
  /** As it was sent, path and query. */
  readonly target: string;
  readonly requestId: string;
  /** As `performance.now()` tells it. */
  readonly arrivedMs: number;
  /** The body; may be called once. */
  readValue(): Uint8Array | Failure | Promise<Uint8Array | Failure>;
  /**
   * Answers, once. `fields`: whole header lines, each with CRLF, without Content-Length. `body`: bytes, or
   * text of which every character is one byte; undefined for an answer without a length.
   */
  respond(status: number, fields: string, body: string | Uint8Array | undefined): void;
}

/** Through node:http, Fastify and Nest. */
export class NodeExchange implements KeyExchange {
  readonly requestId: string;
  readonly arrivedMs = performance.now();
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: HttpRequest, reply: HttpReply) {
    reply.hijack();
    this.requestId = request.id;
    this.#request = request.raw;
    this.#response = reply.raw;
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get target(): string {
    return this.#request.url ?? '';
  }

  field(name: KeyField): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === 'string' ? value : undefined;
  }

  readValue(): Uint8Array | Failure | Promise<Uint8Array | Failure> {
    return readValue(this.#request);
  }

  respond(status: number, fields: string, body: string | Uint8Array | undefined): void {
    const headers = fields.split('\r\n').flatMap(nameAndValue);
    if (body !== undefined) headers.push('content-length', String(body.length));
    this.#response.writeHead(status, headers);
    if (typeof body === 'string') this.#response.end(body, 'latin1');
    else this.#response.end(body);
  }
}

function nameAndValue(line: string): string[] {
  const colon = line.indexOf(': ');
  return colon === -1 ? [] : [line.slice(0, colon), line.slice(colon + 2)];
}

/** Through the hot routes of `HttpApp`: the body has come, and is not chunked. */
export class HotExchange implements KeyExchange {
  readonly requestId: string;
  readonly #request: Http1Request;

  constructor(request: Http1Request) {
    this.#request = request;
    this.requestId = requestIdOf(request.field('x-request-id'));
  }

  get method(): string {
    return this.#request.method;
  }

  get target(): string {
    return this.#request.target;
  }

  get arrivedMs(): number {
    return this.#request.arrivedMs;
  }

  field(name: KeyField): string | undefined {
    return this.#request.field(name);
  }

  readValue(): Uint8Array {
    return this.#request.body;
  }

  respond(status: number, fields: string, body: string | Uint8Array | undefined): void {
    this.#request.respond(status, fields, body);
  }
}
