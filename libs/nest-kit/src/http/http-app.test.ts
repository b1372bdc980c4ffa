import 'reflect-metadata';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Controller, Get, Module, Post, Put, Req, Res } from '@nestjs/common';
import { failure } from '@kvstore/contract';
import { HealthModule } from '../health/health.module.ts';
import { HealthRegistry } from '../health/health-registry.ts';
import type { Http1Request } from '../http1/request.ts';
import { KvLogger } from '../logger.ts';
import { HttpApp } from './http-app.ts';
import type { HttpLimits } from './http-limits.ts';
import type { HttpReply, HttpRequest } from './http-types.ts';
import { FailureException, type Problem } from './problem.ts';

const health = new HealthRegistry();
const release: (() => void)[] = [];

@Controller('things')
class ThingsController {
  @Get('fine')
  fine(): object {
    return { fine: true };
  }

  @Get('broken')
  broken(): never {
    throw new TypeError('secret of /var/lib/kvstore');
  }

  @Get('busy')
  busy(): never {
    throw new FailureException(failure('OVERLOADED', 'Too much.', { retryAfterMs: 2_500 }));
  }

  @Get('slow')
  async slow(): Promise<object> {
    await new Promise<void>((resolve) => release.push(resolve));
    return { slow: true };
  }

  @Post('body')
  body(@Req() request: HttpRequest & { body?: Buffer }): object {
    return { bytes: request.body?.length ?? 0 };
  }

  @Put('raw')
  raw(@Req() request: HttpRequest, @Res() reply: HttpReply): void {
    reply.hijack();
    reply.raw.writeHead(200, { type: request.raw.headers['content-type'] ?? 'none' });
    reply.raw.end();
  }
}

class RootModule {}
Module({ imports: [HealthModule.register(health)], controllers: [ThingsController] })(RootModule);

const logged: string[] = [];

async function start(
  limits: Partial<HttpLimits> = {},
): Promise<{ app: HttpApp; port: number; base: string }> {
  const log = new KvLogger('warn', { write: (line) => logged.push(line) });
  const app = await HttpApp.create(RootModule, { log, limits, rawBodyMethods: ['PUT'] });
  const port = await app.listen('127.0.0.1', 0);
  return { app, port, base: `http://127.0.0.1:${port}` };
}

/** Sends bytes and collects everything until the server closes. */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket: Socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(bytes, 'latin1');
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return Buffer.concat(chunks).toString('latin1');
}

function problemIn(answer: string): { status: number; problem: Problem } {
  expect(answer.toLowerCase()).toContain('content-type: application/problem+json');
  const status = Number(answer.slice(9, 12));
  const problem = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as Problem;
  expect(problem.status).toBe(status);
  return { status, problem };
}

let app: HttpApp;
let port: number;
let base: string;

beforeAll(async () => {
  ({ app, port, base } = await start({ bodyBytesMax: 1_000 }));
});

afterAll(() => app.close(1_000));

async function problem(
  path: string,
  init: RequestInit = {},
): Promise<{ response: Response; problem: Problem }> {
  const response = await fetch(base + path, init);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const document = (await response.json()) as Problem;
  expect(document.status).toBe(response.status);
  expect(document.request_id).toBe(response.headers.get('x-request-id'));
  return { response, problem: document };
}

describe('answers', () => {
  test('a request id is generated, and a proper one of the client is echoed', async () => {
    const generated = await fetch(`${base}/things/fine`);
    expect(generated.headers.get('x-request-id')).toMatch(/^[0-9a-f]{12}-[0-9a-z]+$/);
    const echoed = await fetch(`${base}/things/fine`, { headers: { 'x-request-id': 'abc-1' } });
    expect(echoed.headers.get('x-request-id')).toBe('abc-1');
  });

  test.each(['x'.repeat(129), 'with space', 'é'])('the request id %p is replaced', async (id) => {
    const response = await fetch(`${base}/things/fine`, { headers: { 'x-request-id': id } });
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f]{12}-/);
  });

  test('a raw handler sees the content type as sent, whatever it is', async () => {
    const response = await fetch(`${base}/things/raw`, {
      method: 'PUT',
      body: 'x',
      headers: { 'content-type': 'no media type' },
    });
    expect(response.headers.get('type')).toBe('no media type');
  });
});

describe('problems', () => {
  test('an unknown path is ROUTE_NOT_FOUND and does not repeat the path', async () => {
    const { response, problem: document } = await problem('/nothing/here?x=1');
    expect([response.status, document.code]).toEqual([404, 'ROUTE_NOT_FOUND']);
    expect(JSON.stringify(document)).not.toContain('nothing');
  });

  test('a wrong method is METHOD_NOT_ALLOWED and Allow names the right ones', async () => {
    const { response, problem: document } = await problem('/things/fine', { method: 'DELETE' });
    expect([response.status, document.code]).toEqual([405, 'METHOD_NOT_ALLOWED']);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  });

  test('an unexpected error is INTERNAL, logged with its request id, and tells nothing', async () => {
    logged.length = 0;
    const { response, problem: document } = await problem('/things/broken');
    expect([response.status, document.code]).toEqual([500, 'INTERNAL']);
    expect(JSON.stringify(document)).not.toMatch(/secret|TypeError|\.ts/);
    expect(logged.join('')).toContain(document.request_id);
    expect(logged.join('')).toContain('secret of');
  });

  test('a failure keeps its code and says when to retry, in whole seconds', async () => {
    const { response, problem: document } = await problem('/things/busy');
    expect([response.status, document.code, document.retryable]).toEqual([429, 'OVERLOADED', true]);
    expect(response.headers.get('retry-after')).toBe('3');
  });

  test('a body over the limit is VALUE_TOO_LARGE, announced or not', async () => {
    const announced = await problem('/things/body', { method: 'POST', body: 'x'.repeat(1_001) });
    expect([announced.response.status, announced.problem.code]).toEqual([413, 'VALUE_TOO_LARGE']);
    const chunked = await exchange(
      port,
      `POST /things/body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1_001)}\r\n0\r\n\r\n`,
    );
    expect(problemIn(chunked).status).toBe(413);
  });

  test.each(['/things/%zz', '/things/%ff', '/%c0%af', '/things/%'])(
    'the URL %s is INVALID_ARGUMENT',
    async (path) => {
      const answer = await exchange(
        port,
        `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      );
      expect(problemIn(answer)).toMatchObject({
        status: 400,
        problem: { code: 'INVALID_ARGUMENT' },
      });
    },
  );
});

describe('below HTTP', () => {
  test.each([
    ['garbage', 'hello there\r\n\r\n'],
    ['an unknown method', 'FROB / HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['a header without a name', 'GET / HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n'],
    [
      'two content lengths',
      'POST /things/body HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
    ],
    [
      'a length and chunks',
      'POST /things/body HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'a bad chunk size',
      'POST /things/body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n',
    ],
    ['a negative length', 'POST /things/body HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n'],
    ['no host', 'GET /things/fine HTTP/1.1\r\nconnection: close\r\n\r\n'],
    [
      'an expectation we do not know',
      'POST /things/body HTTP/1.1\r\nhost: x\r\nexpect: magic\r\ncontent-length: 1\r\n\r\n',
    ],
  ])('%s is 400 as a problem document, and the connection closes', async (_what, bytes) => {
    expect(problemIn(await exchange(port, bytes))).toMatchObject({
      status: 400,
      problem: { code: 'INVALID_ARGUMENT' },
    });
  });

  test.each([
    ['a header over 16 KiB', `GET / HTTP/1.1\r\nhost: x\r\na: ${'y'.repeat(16 * 1024)}\r\n\r\n`],
    ['a URL over 16 KiB', `GET /${'y'.repeat(16 * 1024)} HTTP/1.1\r\nhost: x\r\n\r\n`],
    ['thousands of headers', `GET / HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(10_000)}\r\n`],
  ])('%s is 431', async (_what, bytes) => {
    expect(problemIn(await exchange(port, bytes))).toMatchObject({
      status: 431,
      problem: { code: 'HEADERS_TOO_LARGE' },
    });
  });

  test('what is refused does not take the place of the answers before it', async () => {
    const bytes = 'GET /things/slow HTTP/1.1\r\nhost: x\r\n\r\n';
    const answer = exchange(port, `${bytes}${bytes}nonsense\r\n\r\nmore`);
    while (release.length < 2) await new Promise(setImmediate);
    await new Promise(setImmediate);
    for (const each of release.splice(0).reverse()) each();
    expect((await answer).match(/HTTP\/1\.1 \d+/g)).toEqual([
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 400',
    ]);
  });

  test('headers that do not arrive in time are 408', async () => {
    const slow = await start({ headersTimeoutMs: 50, requestTimeoutMs: 50, timeoutCheckMs: 10 });
    const answer = await exchange(slow.port, 'GET /things/fine HTTP/1.1\r\nhost: x\r\n');
    await slow.app.close(100);
    expect(problemIn(answer)).toMatchObject({ status: 408, problem: { code: 'REQUEST_TIMEOUT' } });
  });

  test('a body that does not arrive in time is 408', async () => {
    const slow = await start({ headersTimeoutMs: 50, requestTimeoutMs: 50, timeoutCheckMs: 10 });
    const answer = await exchange(
      slow.port,
      'POST /things/body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nab',
    );
    await slow.app.close(100);
    expect(problemIn(answer)).toMatchObject({ status: 408, problem: { code: 'REQUEST_TIMEOUT' } });
  });

  test('Expect: 100-continue is answered before the body', async () => {
    const answer = await exchange(
      port,
      'POST /things/body HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
  });
});

describe('health', () => {
  test('is ok without checks, and lists them when asked', async () => {
    health.addLiveness('loop', () => undefined);
    expect(await (await fetch(`${base}/livez`)).json()).toEqual({ status: 'ok' });
    expect(await (await fetch(`${base}/readyz?verbose`)).json()).toEqual({
      status: 'ok',
      checks: { loop: 'ok' },
    });
  });

  test('a failing check is 503 with its reason, and is not a matter of liveness', async () => {
    health.addReadiness('leader', () => 'no leader yet');
    const { response, problem: document } = await problem('/readyz?verbose');
    expect([response.status, document.code, document['leader'], document['loop']]).toEqual([
      503,
      'UNAVAILABLE',
      'no leader yet',
      'ok',
    ]);
    expect(response.headers.get('retry-after')).toBe('1');
    expect((await fetch(`${base}/livez`)).status).toBe(200);
  });
});

describe('life', () => {
  test('a port in use is a start error', async () => {
    const log = new KvLogger('fatal');
    const second = await HttpApp.create(RootModule, { log });
    await expect(second.listen('127.0.0.1', port)).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await second.close(100);
  });

  test('closing answers what is in flight, and refuses new connections', async () => {
    const closing = await start();
    const inFlight = fetch(`${closing.base}/things/slow`);
    while (release.length === 0) await new Promise(setImmediate);
    const closed = closing.app.close(5_000);
    release.shift()?.();
    expect(await (await inFlight).json()).toEqual({ slow: true });
    await closed;
    await expect(fetch(`${closing.base}/things/fine`)).rejects.toThrow();
  });

  test('connections above the bound are closed at once', async () => {
    const bounded = await start({ connectionsMax: 2 });
    const first = connect(bounded.port, '127.0.0.1');
    const second = connect(bounded.port, '127.0.0.1');
    await Promise.all([once(first, 'connect'), once(second, 'connect')]);
    expect(await exchange(bounded.port, '')).toBe('');
    second.destroy();
    await bounded.app.close(10);
    first.destroy();
  });

  test('closing waits for hot requests, and not for hot connections that idle', async () => {
    const waiting: Http1Request[] = [];
    const log = new KvLogger('fatal');
    const hot = await HttpApp.create(RootModule, { log });
    hot.serveHot({
      methods: { GET: { body: false } },
      prefix: '/hot/',
      fields: [],
      serves: () => true,
      handler: (request) => waiting.push(request),
    });
    const hotPort = await hot.listen('127.0.0.1', 0);
    const idle = exchange(hotPort, '');
    const answer = exchange(hotPort, 'GET /hot/a HTTP/1.1\r\nhost: x\r\n\r\n');
    while (waiting.length === 0) await new Promise(setImmediate);
    const closed = hot.close(5_000);
    expect(await idle).toBe('');
    waiting[0]?.respond(200, '', 'late');
    expect(await answer).toMatch(/^HTTP\/1\.1 200 OK\r\n.*Connection: close\r\n\r\nlate$/s);
    await closed;
  });

  test('closing cuts hot requests after its grace period', async () => {
    const log = new KvLogger('fatal');
    const hot = await HttpApp.create(RootModule, { log });
    const methods = { GET: { body: false } };
    const handler = (): void => undefined;
    hot.serveHot({ methods, prefix: '/hot/', fields: [], serves: () => true, handler });
    const hotPort = await hot.listen('127.0.0.1', 0);
    const answer = exchange(hotPort, 'GET /hot/a HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise(setImmediate);
    await hot.close(30);
    expect(await answer).toBe('');
  });

  test('closing does not wait longer than its grace period', async () => {
    const closing = await start();
    const inFlight = fetch(`${closing.base}/things/slow`).catch(() => 'cut');
    while (release.length === 0) await new Promise(setImmediate);
    await closing.app.close(30);
    expect(await inFlight).toBe('cut');
    release.shift()?.();
  });
});
