import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { NatsServer } from './nats-server.ts';

afterEach(() => NatsServer.endAll());

/** A connected socket and the first line that the server says. */
async function dial(port: number): Promise<{ readonly socket: Socket; readonly line: string }> {
  const socket = connect(port, '127.0.0.1');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return { socket, line: chunk.toString() };
}

test('a started server accepts clients, and comes back on the same port', async () => {
  const server = await NatsServer.start();
  const { socket, line } = await dial(server.port);
  expect(line).toMatch(/^INFO {.*"port":/);
  const { port, pid } = server;
  const cut = once(socket, 'close');
  await server.kill();
  await cut;
  await expect(dial(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await server.restart();
  expect(server.port).toBe(port);
  expect(server.pid).not.toBe(pid);
  (await dial(port)).socket.destroy();
});

test('JetStream keeps its files in the directory over a restart', async () => {
  const server = await NatsServer.start({ jetstream: true });
  const { socket, line } = await dial(server.port);
  socket.destroy();
  expect(line).toContain('"jetstream":true');
  expect(existsSync(`${server.directory}/jetstream`)).toBe(true);
  await server.stop();
  await server.restart();
  expect(existsSync(`${server.directory}/jetstream`)).toBe(true);
});

test('a paused server answers nothing until it is resumed', async () => {
  const server = await NatsServer.start();
  server.pause();
  const socket = connect(server.port, '127.0.0.1');
  const chunk = once(socket, 'data');
  await once(socket, 'connect');
  expect(socket.bytesRead).toBe(0);
  server.resume();
  await chunk;
  socket.destroy();
});

test('a server that cannot start rejects with its log', async () => {
  await expect(NatsServer.start({ config: 'authorization: { user: }' })).rejects.toThrow(
    /nats-server did not start: it ended with 1\n.*nats\.conf/s,
  );
  const other = await NatsServer.start();
  await expect(NatsServer.start({ port: other.port })).rejects.toThrow(/address already in use/);
});

test('ending a server removes its process and its directory', async () => {
  const server = await NatsServer.start();
  const { pid, directory } = server;
  server.pause();
  await NatsServer.endAll();
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  expect(existsSync(directory)).toBe(false);
});
