import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  answerHot,
  collect,
  startEcho,
  type EchoOptions,
  type EchoServer,
  type Talk,
} from './echo-servers.test-support.ts';
import type { Http1Request } from './request.ts';

const get = (name: string): string => `GET /k/${name} HTTP/1.1\r\nHost: x\r\n\r\n`;
const LAST = 'GET /k/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

let server: EchoServer;
let socket: Socket;

async function start(options: Omit<EchoOptions, 'edge'> = {}): Promise<void> {
  server = await startEcho({ edge: true, ...options });
  socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
}

afterEach(async () => {
  socket.destroy();
  await server.close();
});

/** Waits, turn by turn of the event loop, which is the server's too. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

const targets = ({ received }: Talk): string[] =>
  [...received.matchAll(/"target":"\/k\/(\w+)"/g)].map((match) => match[1] as string);

describe('answers', () => {
  test('leave in the order of their requests, whatever order they are given in', async () => {
    await start({ handler: () => undefined });
    const received = collect(socket);
    socket.write(get('a') + get('b') + get('c'));
    await until(() => server.hot.length === 3);
    const [a, b, c] = server.hot as [Http1Request, Http1Request, Http1Request];
    for (const request of [c, a, b]) answerHot(request);
    socket.write(LAST);
    expect(targets(await received)).toEqual(['a', 'b', 'c', 'last']);
  });

  test('of one turn leave in one write, small bodies with them', async () => {
    await start({ handler: () => undefined });
    socket.write(get('a') + get('b') + get('c'));
    await until(() => server.hot.length === 3);
    for (const request of server.hot) request.respond(200, '', Buffer.alloc(8 * 1024));
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    expect(chunk.length).toBeGreaterThan(3 * 8 * 1024);
  });

  test('a large body arrives whole between others', async () => {
    const large = Buffer.alloc(300 * 1024, 'é');
    await start({
      handler: (request) =>
        request.target === '/k/large' ? request.respond(200, '', large) : answerHot(request),
    });
    const received = collect(socket);
    socket.write(get('a') + get('large') + get('b') + LAST);
    const talk = await received;
    expect(targets(talk)).toEqual(['a', 'b', 'last']);
    expect(talk.received).toContain(large.toString('latin1'));
  });

  test('of a peer that is gone go nowhere', async () => {
    await start({ handler: () => undefined });
    socket.write(get('a'));
    await until(() => server.hot.length === 1);
    socket.resetAndDestroy();
    const other = connect({ port: server.port, host: '127.0.0.1' });
    other.write(get('b'));
    await until(() => server.hot.length === 2);
    for (const request of server.hot) answerHot(request);
    const [answer] = (await once(other, 'data')) as [Buffer];
    expect(answer.toString('latin1')).toContain('/k/b');
    other.destroy();
  });

  test('are given to a peer that has ended its half', async () => {
    await start({ handler: () => undefined });
    const received = collect(socket);
    socket.end(get('a') + get('b'));
    await until(() => server.hot.length === 2);
    setImmediate(() => server.hot.forEach(answerHot));
    expect(targets(await received)).toEqual(['a', 'b']);
  });

  test('and taken slowly, also when what comes behind them is handed over', async () => {
    const body = Buffer.alloc(256 * 1024);
    await start({ handler: (request) => request.respond(200, '', body) });
    socket.pause();
    const post = 'POST /k/b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
    socket.end(get('a').repeat(100) + post);
    await until(() => server.hot.length > 0);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    const received = collect(socket);
    socket.resume();
    expect((await received).received.length).toBeGreaterThan(100 * body.length);
    expect(server.hot).toHaveLength(100);
  });

  test('twice are a bug', async () => {
    await start();
    socket.write(get('a'));
    await until(() => server.hot.length === 1);
    const [request] = server.hot;
    expect(() => request?.respond(200, '', '')).toThrow('answered twice');
  });
});

describe('a connection is handed over', () => {
  test('when all requests before the unusual one are answered, with every byte behind', async () => {
    await start({ handler: () => undefined });
    const received = collect(socket);
    socket.write(
      `${get('a')}${get('b')}POST /k/c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nxy`,
    );
    await until(() => server.hot.length === 2);
    socket.write(`${get('d')}${LAST}`);
    await new Promise(setImmediate);
    for (const request of [...server.hot].reverse()) answerHot(request);
    expect(targets(await received)).toEqual(['a', 'b', 'c', 'd', 'last']);
    expect(server.hot).toHaveLength(2);
  });

  test('for the rest of its life', async () => {
    await start();
    const received = collect(socket);
    socket.write(`POST /k/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
    await once(socket, 'data');
    socket.write(get('b') + LAST);
    expect(targets(await received)).toEqual(['a', 'b', 'last']);
    expect(server.hot).toHaveLength(0);
  });

  test('when a head comes in many small pieces', async () => {
    await start();
    const received = collect(socket);
    socket.setNoDelay(true);
    for (const byte of LAST.replace('Connection: close\r\n', '')) {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    socket.end(LAST);
    expect(targets(await received)).toEqual(['last', 'last']);
    expect(server.hot).toHaveLength(0);
  });

  test('when a body comes in many small pieces', async () => {
    await start();
    const received = collect(socket);
    socket.setNoDelay(true);
    socket.write('PUT /k/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n');
    for (let sent = 0; sent < 100; sent++) {
      socket.write('b');
      await new Promise(setImmediate);
    }
    socket.write(LAST);
    expect((await received).received).toContain(`"body":"${'b'.repeat(100)}"`);
    expect(server.hot).toHaveLength(0);
  });

  test('when a body does not come, and the server behind refuses it in time', async () => {
    await start({ limits: { headersTimeoutMs: 60, requestTimeoutMs: 60, timeoutCheckMs: 10 } });
    const received = collect(socket);
    socket.write(`${get('a')}PUT /k/b HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab`);
    const talk = await received;
    expect(targets(talk)).toEqual(['a']);
    expect(talk.received).toContain('HTTP/1.1 408 Request Timeout');
  });
});

describe('time', () => {
  test('a connection that never says anything is refused', async () => {
    await start({ limits: { headersTimeoutMs: 30, timeoutCheckMs: 10 } });
    expect((await collect(socket)).received).toMatch(/^HTTP\/1\.1 408 .*REQUEST_TIMEOUT/s);
  });

  test('a connection that idles too long is closed, without an answer', async () => {
    await start({ limits: { keepAliveTimeoutMs: 30, timeoutCheckMs: 10 } });
    const received = collect(socket);
    socket.write(get('a'));
    expect((await received).received).toMatch(/"body":""}$/);
  });

  test('a request that takes long to answer is no idleness', async () => {
    await start({
      limits: { keepAliveTimeoutMs: 1, timeoutCheckMs: 1 },
      handler: () => undefined,
    });
    const received = collect(socket);
    socket.write(get('a'));
    await until(() => server.hot.length === 1);
    const answerAtMs = performance.now() + 1_100;
    await until(() => performance.now() > answerAtMs);
    server.hot.forEach(answerHot);
    // The clock is due before the turn ends.
    const blockedUntilMs = performance.now() + 5;
    while (performance.now() < blockedUntilMs);
    expect(targets(await received)).toEqual(['a']);
  });

  test('a peer that takes nothing of its answers is cut', async () => {
    await start({
      limits: { keepAliveTimeoutMs: 50, timeoutCheckMs: 10 },
      handler: (request) => request.respond(200, '', Buffer.alloc(256 * 1024)),
    });
    socket.pause();
    socket.write(get('a').repeat(100));
    await until(() => server.hot.length > 0);
    await until(() => server.edge?.connections === 0);
    const received = collect(socket);
    socket.resume();
    expect((await received).received.match(/HTTP/g)?.length).toBeLessThan(100);
  });
});

describe('what a peer can make the edge hold is bounded', () => {
  test('requests without an answer: above it the connection is not read', async () => {
    await start({ handler: () => undefined });
    const received = collect(socket);
    socket.write(get('a').repeat(1_000) + LAST);
    let answered = 0;
    while (answered < 1_000) {
      await until(() => server.hot.length > answered);
      await new Promise(setImmediate);
      expect(server.hot.length - answered).toBeLessThanOrEqual(64);
      for (const request of server.hot.slice(answered)) answerHot(request);
      answered = server.hot.length;
    }
    expect(targets(await received)).toHaveLength(1_001);
  });

  test('answers that are not taken: above it the connection is not read', async () => {
    const body = Buffer.alloc(256 * 1024);
    await start({ handler: (request) => request.respond(200, '', body) });
    socket.pause();
    socket.write(get('a').repeat(200) + LAST);
    let seen = -1;
    while (server.hot.length !== seen || seen === 0) {
      seen = server.hot.length;
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    }
    expect(seen).toBeLessThan(100);
    const received = collect(socket);
    socket.resume();
    expect((await received).received.match(/HTTP\/1\.1 200/g)).toHaveLength(201);
  });
});

describe('draining', () => {
  test('closes connections that idle or never spoke', async () => {
    await start();
    const silent = connect({ port: server.port, host: '127.0.0.1' });
    await once(silent, 'connect');
    const received = collect(socket);
    socket.write(get('a'));
    await once(socket, 'data');
    server.edge?.drain();
    await Promise.all([received, once(silent, 'close')]);
  });

  test('answers what is under way, and says that it is the last answer', async () => {
    await start({ handler: () => undefined });
    const received = collect(socket);
    socket.write(get('a') + get('b'));
    await until(() => server.hot.length === 2);
    server.edge?.drain();
    setImmediate(() => server.hot.forEach(answerHot));
    const talk = await received;
    expect(targets(talk)).toEqual(['a', 'b']);
    expect(talk.received.match(/Connection: .*/g)).toEqual([
      'Connection: keep-alive',
      'Connection: close',
    ]);
  });

  test('closes a connection whose answer is written at the end of the turn', async () => {
    await start({ handler: () => undefined });
    const received = collect(socket);
    socket.write(get('a'));
    await until(() => server.hot.length === 1);
    server.hot.forEach(answerHot);
    server.edge?.drain();
    expect(targets(await received)).toEqual(['a']);
  });

  /** Drains in the middle of a body of two bytes; `rest` comes after that. */
  async function drainWithinBody(rest: string): ReturnType<typeof collect> {
    await start();
    const received = collect(socket);
    socket.write('PUT /k/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na');
    await until(() => server.edge?.connections === 1);
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    server.edge?.drain();
    socket.write(rest);
    return received;
  }

  test('takes a request whose body is under way', async () => {
    expect((await drainWithinBody('b')).received).toContain('"body":"ab"');
  });

  test('takes no request behind the last answer', async () => {
    expect(targets(await drainWithinBody(`b${get('b')}`))).toEqual(['a']);
    expect(server.hot.map(({ target }) => target)).toEqual(['/k/a']);
  });

  test('leaves new connections to the server behind', async () => {
    await start();
    server.edge?.drain();
    const other = connect({ port: server.port, host: '127.0.0.1' });
    other.write(get('a') + LAST);
    expect(targets(await collect(other))).toEqual(['a', 'last']);
    expect(server.hot).toHaveLength(0);
  });
});
