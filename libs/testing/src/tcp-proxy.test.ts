import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { eventually } from './local-cluster.ts';
import { TcpProxy } from './tcp-proxy.ts';

let echo: Server;
let proxy: TcpProxy;

beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await TcpProxy.start((echo.address() as AddressInfo).port);
});
afterEach(async () => {
  await TcpProxy.closeAll();
  echo.close();
});

async function dial(): Promise<Socket> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  socket.on('end', () => socket.end());
  return socket;
}

/** Closed in order or by an error. */
function closeOf(socket: Socket): Promise<void> {
  socket.on('error', () => undefined).resume();
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}

/** Resolves with what came back once it is as long as what was sent. */
function answer(socket: Socket, length: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.length === length) resolve(text);
    });
  });
}

test('bytes pass unchanged, many more than fit any buffer', async () => {
  const socket = await dial();
  const text = 'abcdefgh'.repeat(2 ** 20);
  const back = answer(socket, text.length);
  socket.write(text);
  expect((await back) === text).toBe(true);
});

test.each(['both', 'to-server', 'to-client'] as const)(
  'a black hole (%s) passes nothing until it heals, on old and new connections',
  async (direction) => {
    const old = await dial();
    old.write('1');
    await once(old, 'data');
    proxy.blackHole(direction);
    const sockets = [old, await dial()];
    const back = sockets.map((socket) => answer(socket, 5));
    for (const socket of sockets) socket.write('hello');
    // A connection without the fault, made later and answered: what could pass would have passed.
    const plain = await TcpProxy.start((echo.address() as AddressInfo).port);
    const other = connect(plain.port, '127.0.0.1', () => other.write('x'));
    await once(other, 'data');
    other.destroy();
    expect(sockets.map((socket) => socket.bytesRead)).toEqual([1, 0]);
    proxy.heal();
    expect(await Promise.all(back)).toEqual(['hello', 'hello']);
  },
);

test('delayed bytes arrive late, in order, also those before an end', async () => {
  const socket = await dial();
  proxy.delay(40);
  const start = performance.now();
  const back = answer(socket, 6);
  socket.write('abc');
  socket.end('def');
  expect(await back).toBe('abcdef');
  expect(performance.now() - start).toBeGreaterThan(75);
});

test('a cut closes what is open, and what a black hole holds is lost', async () => {
  const socket = await dial();
  socket.write('x');
  await once(socket, 'data');
  proxy.blackHole();
  socket.write('lost');
  const closed = closeOf(socket);
  proxy.cut();
  proxy.heal();
  await closed;
  expect(socket.bytesRead).toBe(1);
});

test('a refusing proxy closes new connections and leaves the old ones', async () => {
  const old = await dial();
  proxy.refuse();
  const refused = connect(proxy.port, '127.0.0.1');
  await closeOf(refused);
  const back = answer(old, 1);
  old.write('x');
  expect(await back).toBe('x');
  proxy.heal();
  (await dial()).destroy();
});

test('an end on one side ends the other, and the proxy forgets the connection', async () => {
  const [[accepted], socket] = await Promise.all([
    once(echo, 'connection') as Promise<[Socket]>,
    dial(),
  ]);
  const ended = Promise.all([closeOf(accepted), closeOf(socket)]);
  socket.end();
  await ended;
  await eventually('the connection is forgotten', () => proxy.connections === 0);
});
