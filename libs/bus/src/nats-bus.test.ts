import { spawnSync } from 'node:child_process';
import { busConformance, eventually, NatsServer, TcpProxy } from '@kvstore/testing';
import { type BusEvent, NatsBus, type NatsBusOptions } from './nats-bus.ts';

const X = Buffer.from('x');
const MiB = 1024 * 1024;

let server: NatsServer;
let made: NatsBus[] = [];

beforeAll(async () => {
  server = await NatsServer.start();
});
afterEach(async () => {
  await Promise.all(made.map((bus) => bus.close()));
  made = [];
  await TcpProxy.closeAll();
});
afterAll(() => NatsServer.endAll());

/** A bus to `url`, closed after the test, with what it tells. */
async function connect(
  url = server.url,
  options: Partial<NatsBusOptions> = {},
): Promise<{ readonly bus: NatsBus; readonly events: BusEvent[] }> {
  const events: BusEvent[] = [];
  const bus = await NatsBus.connect({
    servers: [url],
    name: 'test',
    inboxPrefix: 'inbox.test',
    onEvent: (event) => events.push(event),
    ...options,
  });
  made.push(bus);
  return { bus, events };
}

function kinds(events: readonly BusEvent[]): readonly string[] {
  return events.map((event) => event.kind);
}

/** Everything that arrives at `subject` of `bus`, as text. */
function textsAt(bus: NatsBus, subject: string): string[] {
  const texts: string[] = [];
  bus.subscribe(subject, ({ payload }) => texts.push(Buffer.from(payload).toString()));
  return texts;
}

/** Milliseconds until `condition` holds. */
async function msUntil(what: string, condition: () => boolean): Promise<number> {
  const start = performance.now();
  await eventually(what, condition);
  return performance.now() - start;
}

busConformance('NatsBus', async () => {
  const [{ bus: a }, { bus: b }] = await Promise.all([connect(), connect()]);
  const settle = async (): Promise<void> => {
    await Promise.all([a.connection.flush(), b.connection.flush()]);
  };
  return { a, b, settle };
});

describe('a lost connection', () => {
  test('comes back with its subscriptions; what was published meanwhile is refused and gone', async () => {
    const own = await NatsServer.start();
    const { bus, events } = await connect(own.url);
    const texts = textsAt(bus, 'x');
    const request = bus.request('x', Buffer.from('request'), 60_000);
    await eventually('the request arrived', () => texts.length === 1);
    await own.kill();
    await expect(request).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(bus.status).toBe('disconnected');
    expect(bus.publish('x', Buffer.from('while away'))).toBe(false);
    await expect(bus.request('x', X, 1_000)).rejects.toMatchObject({ code: 'NOT_SENT' });
    await own.restart();
    await eventually('connected', () => bus.status === 'connected');
    expect(bus.publish('x', Buffer.from('after'))).toBe(true);
    await eventually('delivered', () => texts.length === 2);
    expect(texts).toEqual(['request', 'after']);
    expect(kinds(events)).toEqual(['disconnected', 'connected']);
    expect(bus.counters).toMatchObject({ published: 2, dropped: 2, reconnects: 1 });
  });

  test('drops what was handed over and had not left', async () => {
    const proxy = await TcpProxy.start(server.port);
    const { bus } = await connect(proxy.url);
    const { bus: observer } = await connect();
    const texts = textsAt(observer, 'drop.>');
    await observer.connection.flush();
    expect(bus.publish('drop.before', X)).toBe(true);
    await eventually('delivered', () => texts.length === 1);
    proxy.blackHole();
    for (let i = 0; i < 40; i++) bus.publish('drop.held', Buffer.alloc(MiB / 2, 1));
    await eventually('the socket takes no more', () => bus.waitingBytes > MiB);
    bus.publish('drop.held', X);
    bus.reconnect();
    bus.publish('drop.held', X);
    proxy.cut();
    proxy.heal();
    await eventually('connected', () => bus.status === 'connected');
    expect(bus.publish('drop.after', Buffer.from('after'))).toBe(true);
    await eventually('delivered', () => texts.length > 1);
    await observer.connection.flush();
    expect(texts).toEqual(['x', 'after']);
  });

  test('is noticed within two seconds when the server stops answering, and lasts until it answers', async () => {
    const own = await NatsServer.start();
    const { bus, events } = await connect(own.url);
    own.pause();
    const ms = await msUntil('disconnected', () => bus.status === 'disconnected');
    expect(ms).toBeGreaterThan(400);
    expect(ms).toBeLessThan(2_000);
    await new Promise((resolve) => setTimeout(resolve, 3_000 - ms));
    expect(bus.status).toBe('disconnected');
    own.resume();
    await eventually('connected', () => bus.status === 'connected');
    expect(kinds(events)).toEqual(['disconnected', 'connected']);
  });

  test('is noticed although megabytes wait that the server does not take', async () => {
    const proxy = await TcpProxy.start(server.port);
    const { bus } = await connect(proxy.url);
    proxy.blackHole();
    for (let i = 0; i < 40; i++) bus.publish('x', Buffer.alloc(MiB / 2, 1));
    const ms = await msUntil('disconnected', () => bus.status === 'disconnected');
    expect(ms).toBeLessThan(2_000);
    expect(bus.waitingBytes).toBe(0);
    proxy.heal();
    await eventually('connected', () => bus.status === 'connected');
  });

  test('is noticed when only one direction is lost and messages still arrive', async () => {
    const proxy = await TcpProxy.start(server.port);
    const { bus } = await connect(proxy.url);
    const { bus: other } = await connect();
    textsAt(bus, 'tick');
    await bus.connection.flush();
    const ticking = setInterval(() => other.publish('tick', X), 100);
    proxy.blackHole('to-server');
    const ms = await msUntil('disconnected', () => bus.status === 'disconnected');
    clearInterval(ticking);
    expect(ms).toBeGreaterThan(2_000);
    expect(ms).toBeLessThan(7_000);
  });

  test('is not presumed because an answer is late while messages still arrive', async () => {
    const proxy = await TcpProxy.start(server.port);
    const { bus, events } = await connect(proxy.url);
    const { bus: other } = await connect();
    const ticks = textsAt(bus, 'tick');
    await bus.connection.flush();
    proxy.blackHole('to-server');
    const ticking = setInterval(() => other.publish('tick', X), 100);
    const request = bus.request('void', X, 30_000);
    await eventually('2.5 s of messages', () => ticks.length >= 25);
    clearInterval(ticking);
    proxy.heal();
    await expect(request).rejects.toMatchObject({ code: 'NO_RESPONDERS' });
    expect(events).toEqual([]);
  });

  test('goes to another of the servers, also to one that was down at first', async () => {
    const [first, second] = await Promise.all([NatsServer.start(), NatsServer.start()]);
    await first.kill();
    const { bus } = await connect(undefined, { servers: [first.url, second.url] });
    const texts = textsAt(bus, 'x');
    expect(bus.server.address).toBe(`127.0.0.1:${second.port}`);
    await first.restart();
    await second.kill();
    await eventually('connected', () => bus.status === 'connected');
    expect(bus.server.address).toBe(`127.0.0.1:${first.port}`);
    bus.publish('x', X);
    await eventually('delivered', () => texts.length === 1);
  });

  test('is looked for at another server first: the one that froze would cost a dial', async () => {
    const proxies = [await TcpProxy.start(server.port), await TcpProxy.start(server.port)];
    const servers = proxies.map(({ url }) => url);
    const [frozen] = proxies as [TcpProxy, TcpProxy];
    const address = new URL(frozen.url).host;
    const all = await Promise.all(Array.from({ length: 12 }, () => connect('', { servers })));
    const there = all.map(({ bus }) => bus).filter((bus) => bus.server.address === address);
    expect(there.length).toBeGreaterThan(0);
    const start = performance.now();
    // A server that was dialled just before is left out by the library itself.
    await eventually('the dials are long past', () => performance.now() - start > 500);
    frozen.blackHole();
    for (const bus of there) bus.reconnect();
    const ms = await msUntil('connected', () => there.every((bus) => bus.status === 'connected'));
    expect(ms).toBeLessThan(1_000);
    for (const bus of there) expect(bus.server.address).not.toBe(address);
  });

  test('is given up by reconnect at once, and requests under way with it', async () => {
    const { bus, events } = await connect();
    bus.subscribe('silent', () => undefined);
    const request = bus.request('silent', X, 60_000);
    bus.reconnect();
    expect(bus.status).toBe('disconnected');
    bus.reconnect();
    await expect(request).rejects.toMatchObject({ code: 'TIMEOUT' });
    await eventually('connected', () => bus.status === 'connected');
    expect(kinds(events)).toEqual(['disconnected', 'connected']);
  });
});

describe('what waits is bounded', () => {
  test('publishes are refused beyond 64 MiB, told once, and taken again afterwards', async () => {
    const proxy = await TcpProxy.start(server.port);
    const { bus, events } = await connect(proxy.url);
    proxy.blackHole();
    const half = Buffer.alloc(MiB / 2);
    let taken = 0;
    while (taken < 1000 && bus.publish('x', half)) taken += 1;
    expect(bus.publish('x', half)).toBe(false);
    expect(taken).toBeGreaterThanOrEqual(127);
    expect(bus.waitingBytes).toBeGreaterThan(63 * MiB);
    expect(bus.waitingBytes).toBeLessThan(65 * MiB);
    expect(bus.status).toBe('connected');
    expect(kinds(events)).toEqual(['slow']);
    proxy.heal();
    await eventually('taken again', () => bus.publish('x', X));
    expect(kinds(events)).toEqual(['slow']);
  });

  test('a payload beyond the largest frame is a bug', async () => {
    const { bus } = await connect();
    const large = Buffer.alloc(MiB / 2 + 1);
    expect(() => bus.publish('x', large)).toThrow('a payload fits one frame');
    await expect(bus.request('x', large, 1_000)).rejects.toThrow('a payload fits one frame');
  });
});

describe('permissions', () => {
  const config = (password: string, allowed: string): string => `authorization: { users: [
    { user: "admin", password: "admin" },
    { user: "one", password: "${password}", permissions: {
      publish: ["ok"], subscribe: ["ok", "inbox.test.>", "${allowed}"] } } ] }`;
  const credentials = { user: 'one', password: 'right' };

  test('each violation is told and counted, and harms nothing else', async () => {
    const own = await NatsServer.start({ config: config('right', 'also') });
    const { bus, events } = await connect(own.url, credentials);
    const texts = textsAt(bus, 'ok');
    textsAt(bus, 'secret');
    expect(bus.publish('secret', X)).toBe(true);
    expect(bus.publish('secret', X)).toBe(true);
    bus.publish('ok', X);
    await eventually('delivered', () => texts.length === 1);
    expect(events).toEqual([
      { kind: 'forbidden', operation: 'subscription', subject: 'secret' },
      { kind: 'forbidden', operation: 'publish', subject: 'secret' },
      { kind: 'forbidden', operation: 'publish', subject: 'secret' },
    ]);
    expect(bus.counters.permissionErrors).toBe(3);
    await expect(bus.request('secret', X, 50)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('a refused subscription is asked for again with the next connection', async () => {
    const own = await NatsServer.start({ config: config('right', 'also') });
    const { port } = own;
    const { bus, events } = await connect(own.url, credentials);
    const texts = textsAt(bus, 'later');
    await eventually('refused', () => events.length === 1);
    await own.end();
    const changed = await NatsServer.start({ config: config('right', 'later'), port });
    const admin = await connect(changed.url, { user: 'admin', password: 'admin' });
    await eventually('connected', () => bus.status === 'connected');
    await bus.connection.flush();
    admin.bus.publish('later', X);
    await eventually('delivered', () => texts.length === 1);
    expect(kinds(events)).toEqual(['forbidden', 'disconnected', 'connected']);
  });

  test('credentials that stop being right end nothing for good', async () => {
    const own = await NatsServer.start({ config: config('right', 'also') });
    const { port } = own;
    const { bus, events } = await connect(own.url, credentials);
    await own.end();
    const changed = await NatsServer.start({ config: config('other', 'also'), port });
    await eventually('refused', () => kinds(events).includes('unauthorized'));
    // Several refusals: the library would give up at the second.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(kinds(events)).toEqual(['disconnected', 'unauthorized']);
    await changed.end();
    await NatsServer.start({ config: config('right', 'also'), port });
    await eventually('connected', () => bus.status === 'connected');
  });
});

describe('the first connection', () => {
  test('wrong credentials are refused at once', async () => {
    const own = await NatsServer.start({ config: 'authorization: { user: u, password: p }' });
    for (const wrong of [{}, { user: 'u', password: 'wrong' }]) {
      await expect(connect(own.url, wrong)).rejects.toMatchObject({
        name: 'BusConnectError',
        code: 'AUTHORIZATION',
        retryable: false,
      });
    }
    await connect(own.url, { user: 'u', password: 'p' });
  });

  test('a server that is not there is awaited for a bounded time', async () => {
    const own = await NatsServer.start();
    await own.kill();
    const start = performance.now();
    await expect(connect(own.url, { connectTimeoutMs: 400 })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      retryable: true,
      message: expect.stringContaining(own.url) as string,
    });
    expect(performance.now() - start).toBeLessThan(2_000);
    const waiting = connect(own.url, { connectTimeoutMs: 20_000 });
    await own.restart();
    expect((await waiting).bus.status).toBe('connected');
  });

  test('a server that accepts and says nothing is unreachable too', async () => {
    const proxy = await TcpProxy.start(server.port);
    proxy.blackHole();
    const start = performance.now();
    await expect(connect(proxy.url, { connectTimeoutMs: 300 })).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  test('a server that takes less than a frame is refused, one with JetStream is told apart', async () => {
    const small = await NatsServer.start({ config: 'max_payload: 500000' });
    await expect(connect(small.url)).rejects.toMatchObject({
      code: 'PAYLOAD_LIMIT',
      message: expect.stringContaining('500000') as string,
    });
    expect((await connect()).bus.server).toMatchObject({
      jetstream: false,
      payloadBytesMax: MiB,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
    });
    const own = await NatsServer.start({ jetstream: true });
    expect((await connect(own.url)).bus.server.jetstream).toBe(true);
  });

  test('a server that will not do is left again when it appears in the place of another', async () => {
    const own = await NatsServer.start();
    const { port } = own;
    const { bus, events } = await connect(own.url);
    await own.end();
    const small = await NatsServer.start({ config: 'max_payload: 500000', port });
    await eventually('left', () => kinds(events).includes('unfit'));
    expect(bus.status).toBe('disconnected');
    expect(bus.publish('x', X)).toBe(false);
    await small.end();
    await NatsServer.start({ port });
    await eventually('connected', () => bus.status === 'connected');
  });
});

describe('closing', () => {
  test('hands over what was published before', async () => {
    const { bus } = await connect();
    const { bus: other } = await connect();
    const texts = textsAt(other, 'last');
    await other.connection.flush();
    for (let i = 0; i < 100; i++) bus.publish('last', Buffer.from(String(i)));
    await bus.close();
    await eventually('delivered', () => texts.length === 100);
  });

  test('is bounded in time when nothing is taken, connected or not', async () => {
    const proxy = await TcpProxy.start(server.port);
    const { bus } = await connect(proxy.url);
    const { bus: dialling } = await connect(proxy.url);
    proxy.blackHole();
    dialling.reconnect();
    await eventually('dials', () => proxy.connections === 2);
    for (let i = 0; i < 40; i++) bus.publish('x', Buffer.alloc(MiB / 2, 1));
    const start = performance.now();
    await Promise.all([bus.close(), dialling.close()]);
    expect(performance.now() - start).toBeLessThan(1_500);
    proxy.heal();
    await eventually('nothing is left open', () => proxy.connections === 0);
  });
});

test('a handler that throws ends the process', () => {
  const script = `
    import { NatsBus } from '@kvstore/bus';
    const bus = await NatsBus.connect({ servers: ['${server.url}'], name: 'x', inboxPrefix: 'x' });
    bus.subscribe('x', () => { throw new Error('a bug of the handler'); });
    bus.publish('x', new Uint8Array(1));
    setTimeout(() => process.exit(0), 10_000);`;
  const flags = ['--conditions=kvstore-source', '--input-type=module', '-e', script];
  const run = spawnSync(process.execPath, flags, { cwd: __dirname, encoding: 'utf8' });
  expect(run.stderr).toContain('Error: a bug of the handler');
  expect(run.status).toBe(1);
});
