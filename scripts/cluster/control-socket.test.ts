import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  askSupervisor,
  type ControlReply,
  type ControlRequest,
  ControlServer,
} from './control-socket.ts';

let directory: string;
let server: ControlServer | undefined;
const asked: ControlRequest[] = [];

const reply: ControlReply = { kind: 'refused', reason: 'no' };
const handle = async (request: ControlRequest): Promise<ControlReply> => {
  asked.push(request);
  return reply;
};

beforeEach(() => {
  asked.length = 0;
  directory = mkdtempSync(join(tmpdir(), 'kvstore-control-'));
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

async function raw(line: string): Promise<string> {
  const socket = connect(join(directory, 'control.sock'));
  socket.write(line);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

test('a request is answered, and the working directory is as before', async () => {
  const before = process.cwd();
  server = await ControlServer.listen(directory, handle);
  expect(await askSupervisor(directory, { kind: 'stop', name: 'nats-1' })).toEqual(reply);
  expect(asked).toEqual([{ kind: 'stop', name: 'nats-1' }]);
  expect(process.cwd()).toBe(before);
});

test('a socket that a dead supervisor left is replaced', async () => {
  writeFileSync(join(directory, 'control.sock'), '');
  server = await ControlServer.listen(directory, handle);
  expect(await askSupervisor(directory, { kind: 'status' })).toEqual(reply);
});

test('where nobody listens there is no answer', async () => {
  expect(await askSupervisor(directory, { kind: 'status' })).toBeUndefined();
  expect(await askSupervisor(join(directory, 'absent'), { kind: 'status' })).toBeUndefined();
  const closed = await ControlServer.listen(directory, handle);
  closed.close();
  expect(existsSync(join(directory, 'control.sock'))).toBe(false);
  expect(await askSupervisor(directory, { kind: 'status' })).toBeUndefined();
});

test('what is no request is refused, and never handled', async () => {
  server = await ControlServer.listen(directory, handle);
  for (const line of [
    'nonsense\n',
    '{"kind":"start"}\n',
    '{"kind":"reboot","name":"a"}\n',
    'null\n',
  ])
    expect(await raw(line)).toContain('not understood');
  expect(asked).toEqual([]);
});
