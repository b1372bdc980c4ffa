import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '@kvstore/testing';
import { Readiness } from './readiness.ts';

let servers: Server[];

beforeEach(() => {
  servers = [];
});
afterEach(() => {
  for (const each of servers) each.close();
});

async function gateway(name: string, answer: () => readonly [number, string]) {
  const server = createServer((request, response) => {
    const [status, body] = request.url === '/readyz' ? answer() : [404, ''];
    response.writeHead(status).end(body);
  });
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return { name, grpc: '', http: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test('the cluster is ready when every gateway is, and says until then what each lacks', async () => {
  let answer: readonly [number, string] = [503, '{"detail":"there is no leader"}'];
  const gateways = [
    await gateway('gateway-1', () => [200, '{}']),
    await gateway('gateway-2', () => answer),
    { name: 'gateway-3', grpc: '', http: 'http://127.0.0.1:1' },
  ];
  const readiness = new Readiness();
  const abort = new AbortController();
  const all = readiness.untilReady(gateways, abort.signal);
  await eventually('one is ready', () => readiness.missing.length === 2);
  expect(readiness.missing).toEqual([
    'gateway-2: there is no leader',
    'gateway-3: does not answer',
  ]);
  answer = [500, 'nonsense'];
  await eventually('another', () => readiness.missing[0] === 'gateway-2: /readyz answers 500');
  answer = [200, '{}'];
  await eventually('ready', () => readiness.missing.length === 1);
  abort.abort();
  await expect(all).rejects.toThrow();
});

test('it resolves when all are ready', async () => {
  const readiness = new Readiness();
  const one = await gateway('gateway-1', () => [200, '{}']);
  await readiness.untilReady([one], new AbortController().signal);
  expect(readiness.missing).toEqual([]);
});
