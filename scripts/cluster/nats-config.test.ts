/** Real nats-servers under the configurations that the command writes. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busPermissions, SenderRole } from '@kvstore/contract';
import { eventually, NatsServer } from '@kvstore/testing';
import { NatsClient } from './nats-client.test-support.ts';
import { natsConfig, type NatsClusterConfig, natsUserName, quote } from './nats-config.ts';
import { planPorts } from './port-plan.ts';

let directory: string;
let clients: NatsClient[];

beforeEach(() => {
  clients = [];
  directory = mkdtempSync(join(tmpdir(), 'kvstore-nats-'));
});
afterEach(async () => {
  for (const each of clients) each.close();
  await NatsServer.endAll();
  rmSync(directory, { recursive: true });
});

const identities = [
  { role: SenderRole.consensus, name: 'node-1' },
  { role: SenderRole.storage, name: 'node-1' },
  { role: SenderRole.gateway, name: 'gateway-1' },
].map((each) => ({ ...each, cluster: 'dev', group: 'g0' }));

async function configOf(count: number): Promise<NatsClusterConfig> {
  const free = { httpPort: 0, grpcPort: 0, metricsPort: 0, natsPort: 0, host: '127.0.0.1' };
  const { nats } = await planPorts({ ...free, gateways: 1, nodes: 1, nats: count });
  return {
    cluster: 'dev',
    servers: nats.map(({ client, route }, i) => ({
      name: `nats-${i + 1}`,
      client,
      route,
      storeDir: join(directory, `nats-${i + 1}`),
    })),
    users: identities.map((each) => ({ ...each, password: quote(passwordOf(each.role)) })),
    routePassword: 'secret of the routes'.replaceAll(' ', '-'),
  };
}

const passwordOf = (role: string): string => `1e5 "secret" of ${role}`;

async function startAll(config: NatsClusterConfig): Promise<void> {
  await Promise.all(
    config.servers.map((server) =>
      NatsServer.start({ port: server.client, config: natsConfig(server, config) }),
    ),
  );
}

async function client(port: number, role: SenderRole): Promise<NatsClient> {
  const identity = identities.find((each) => each.role === role)!;
  const one = await NatsClient.connect(port, natsUserName(identity), passwordOf(role));
  clients.push(one);
  return one;
}

test.each([1, 3])('nats-server accepts the configuration of %i', async (count) => {
  const config = await configOf(count);
  for (const server of config.servers) {
    const path = join(directory, `${server.name}.conf`);
    writeFileSync(path, natsConfig(server, config));
    const { status, stderr } = spawnSync(String(process.env['KVSTORE_NATS_BIN']), [
      '-t',
      '-c',
      path,
    ]);
    expect([status, stderr.toString()]).toEqual([0, expect.stringContaining('valid')]);
  }
});

describe('a nats-server of the cluster', () => {
  test('lets nobody in without the password of a user', async () => {
    const config = await configOf(1);
    await startAll(config);
    const port = config.servers[0]!.client;
    for (const [user, password] of [
      ['', ''],
      ['consensus-node-1', 'wrong'],
      ['consensus-node-1', passwordOf('storage')],
      ['consensus-node-9', passwordOf('consensus')],
    ] as const) {
      const refused = await NatsClient.connect(port, user, password);
      expect(refused.text).toContain("-ERR 'Authorization Violation'");
      refused.close();
    }
    expect((await client(port, 'consensus')).text).not.toContain('-ERR');
  });

  test('lets each user say and hear what busPermissions lists, and nothing else', async () => {
    const config = await configOf(1);
    await startAll(config);
    for (const identity of identities) {
      const one = await client(config.servers[0]!.client, identity.role);
      const { publish, subscribe } = busPermissions(identity);
      const said = publish.map((subject) => subject.replace('*', 'x').replace('>', 'x.y'));
      for (const subject of said) expect(await one.answerTo(`PUB ${subject} 0`, '')).toBe('');
      for (const [i, subject] of subscribe.entries())
        expect(await one.answerTo(`SUB ${subject} ${i}`)).toBe('');
      for (const subject of ['>', 'kv.>', '$SYS.>', '$JS.>', 'kv.dev.inbox.>'])
        expect(await one.answerTo(`SUB ${subject} 99`)).toContain('-ERR');
      for (const subject of ['a', 'kv.other.g0.live', '$JS.API.STREAM.DELETE.x', '$SYS.REQ.USER'])
        expect(await one.answerTo(`PUB ${subject} 0`, '')).toContain('-ERR');
    }
    const storage = await client(config.servers[0]!.client, 'storage');
    expect(await storage.answerTo('PUB kv.dev.g0.mark 0', '')).toContain('-ERR');
    const gateway = await client(config.servers[0]!.client, 'gateway');
    expect(await gateway.answerTo('PUB kv.dev.g0.consensus.node-1.raft 0', '')).toContain('-ERR');
  });

  test('has JetStream, with its streams in the directory that it was given', async () => {
    const config = await configOf(1);
    await startAll(config);
    const one = await client(config.servers[0]!.client, 'consensus');
    const stream = { name: 'KV_LOG_dev_g0_1', subjects: ['kv.dev.g0.log.1'], storage: 'file' };
    create(one, stream);
    await one.received(/"did_create":true/);
    expect(spawnSync('find', [directory, '-name', stream.name]).stdout.toString()).toContain(
      join(directory, 'nats-1'),
    );
  });
});

test('three nats-servers are one cluster, with one JetStream', async () => {
  const config = await configOf(3);
  await startAll(config);
  const [first, , third] = config.servers.map(({ client: port }) => port);
  const gateway = await client(third as number, 'gateway');
  await gateway.answerTo('SUB kv.dev.g0.mark 1');
  const consensus = await client(first as number, 'consensus');
  await eventually('a mark has gone through a route', () => {
    consensus.send('PUB kv.dev.g0.mark 2', 'hi');
    return gateway.text.includes('MSG kv.dev.g0.mark 1 2\r\nhi');
  });
  const stream = { name: 'KV_LOG_dev_g0_1', subjects: ['kv.dev.g0.log.1'], num_replicas: 3 };
  const created = (): boolean => {
    create(consensus, stream);
    return consensus.text.includes('"num_replicas":3');
  };
  await eventually('JetStream has a leader', created, 25_000);
});

test('a server that does not know the password of the routes is turned away', async () => {
  const config = await configOf(3);
  const stranger = { ...config, routePassword: 'another-password-of-routes' };
  const [one, two] = config.servers;
  const path = join(directory, 'one.conf');
  writeFileSync(path, natsConfig(one!, config));
  const server = spawn(String(process.env['KVSTORE_NATS_BIN']), ['-c', path]);
  let log = '';
  server.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  try {
    await NatsServer.start({ port: two!.client, config: natsConfig(two!, stranger) });
    await eventually('the route is refused', () => /rid:\d+ - authentication error/.test(log));
  } finally {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
});

function create(one: NatsClient, stream: { readonly name: string }): void {
  const inbox = 'kv.dev.inbox.consensus.node-1.1';
  const body = JSON.stringify(stream);
  const request = `PUB $JS.API.STREAM.CREATE.${stream.name} ${inbox} ${body.length}`;
  one.send(`SUB ${inbox} 7`, request, body);
}
