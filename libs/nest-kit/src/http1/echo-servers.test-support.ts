/**
 * Two servers that answer alike, by what they have read: `node:http` alone, and the same behind an edge. What
 * a peer sees of them must not differ.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { answerClientError } from '../http/client-error.ts';
import { serveHotRoutes } from '../http/hot-routes.ts';
import { httpLimits, type HttpLimits } from '../http/http-limits.ts';
import type { Http1Edge } from './edge.ts';
import type { Http1Request } from './request.ts';

export const PREFIX = '/k/';
const FIELDS = ['if-match', 'content-type', 'x-request-id'];

/** Status, header lines and body of what was read. */
function echo(
  method: string,
  target: string,
  field: (name: string) => string | undefined,
  body: Buffer,
): { readonly status: number; readonly fields: string; readonly body: Buffer | undefined } {
  if (method === 'DELETE') return { status: 204, fields: 'kv-a: b\r\n', body: undefined };
  const seen = { method, target, fields: FIELDS.map(field), body: body.toString('latin1') };
  return {
    status: method === 'PUT' ? 201 : 200,
    fields: 'content-type: application/json\r\n',
    body: Buffer.from(JSON.stringify(seen)),
  };
}

export interface EchoServer {
  readonly port: number;
  /** Requests that the edge answered; none of a server without one. */
  readonly hot: readonly Http1Request[];
  readonly edge: Http1Edge | undefined;
  close(): Promise<void>;
}

export interface EchoOptions {
  readonly edge: boolean;
  readonly limits?: Partial<HttpLimits>;
  /** Instead of the echo. */
  readonly handler?: (request: Http1Request) => void;
}

export async function startEcho(options: EchoOptions): Promise<EchoServer> {
  const limits = { ...httpLimits, ...options.limits };
  const server = createServer(nodeOptions(limits), onRequest);
  server.on('clientError', answerClientError);
  const hot: Http1Request[] = [];
  const edge = options.edge ? echoEdge(server, limits, hot, options.handler) : undefined;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    hot,
    edge,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      edge?.cut();
      server.closeAllConnections();
      await closed;
    },
  };
}

function nodeOptions(limits: HttpLimits) {
  return {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.timeoutCheckMs,
    requireHostHeader: false,
  };
}

function echoEdge(
  server: Server,
  limits: HttpLimits,
  hot: Http1Request[],
  handler: (request: Http1Request) => void = answerHot,
): Http1Edge {
  const body = { body: true };
  const none = { body: false };
  const methods = { GET: none, HEAD: none, PUT: body, DELETE: none };
  const routes = {
    methods,
    prefix: PREFIX,
    fields: FIELDS,
    serves: (target: string) => !target.includes('%'),
    handler: (request: Http1Request) => {
      hot.push(request);
      handler(request);
    },
  };
  return serveHotRoutes(server, routes, limits);
}

export function answerHot(request: Http1Request): void {
  const { method, target, body } = request;
  const answer = echo(method, target, (name) => request.field(name), body);
  request.respond(answer.status, answer.fields, answer.body);
}

function onRequest(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('error', () => undefined);
  if (request.headers.host === undefined) {
    response.writeHead(400, ['content-length', '0']).end();
    return;
  }
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method = '', url = '', headers } = request;
    const field = (name: string): string | undefined => headers[name]?.toString();
    const answer = echo(method, url, field, Buffer.concat(chunks));
    const lines = answer.fields
      .split('\r\n')
      .flatMap((line) => (line === '' ? [] : line.split(': ')));
    if (answer.body !== undefined) lines.push('content-length', String(answer.body.length));
    response.writeHead(answer.status, lines).end(answer.body);
  });
}

export interface Talk {
  readonly received: string;
  /** The server ended the connection by a reset. */
  readonly reset: boolean;
}

/** Sends the pieces one after another, then ends; collects what comes until the other side ends too. */
export async function talk(port: number, pieces: readonly Buffer[]): Promise<Talk> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  const collected = collect(socket);
  for (const piece of pieces) {
    if (socket.writable) await new Promise<void>((done) => socket.write(piece, () => done()));
    await turns(TURNS_BETWEEN);
  }
  await turns(TURNS_BEFORE_END);
  socket.end();
  return collected;
}

/**
 * Of the event loop, which is the servers' too: what they do about a piece is done, so that an end overtakes
 * nothing.
 */
const TURNS_BETWEEN = 2;
const TURNS_BEFORE_END = 12;

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

export function collect(socket: Socket): Promise<Talk> {
  const chunks: Buffer[] = [];
  let reset = false;
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => (reset = true));
  return new Promise((resolve) => {
    socket.once('end', () => socket.end());
    socket.once('close', () => {
      resolve({ received: Buffer.concat(chunks).toString('latin1'), reset });
    });
  });
}

/** Without what may differ: times and generated request ids. */
export function comparable({ received }: Talk): string {
  return received
    .replaceAll(/\r\nDate: [^\r]*/gi, '\r\nDate: …')
    .replaceAll(/[0-9a-f]{12}-[0-9a-z]+/g, 'ID')
    .replaceAll(/content-length: (1\d\d|2\d\d)\r\n/gi, 'content-length: N\r\n');
}
