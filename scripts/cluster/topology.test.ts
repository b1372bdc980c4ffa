/** What the processes are told, and that they understand it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@kvstore/nest-kit';
import { type Environment, parseCommand } from './arguments.ts';
import { ClusterDirectory } from './cluster-directory.ts';
import { decideFounding, type Founding } from '@kvstore/sequencer';
import type { NodeId } from '@kvstore/std';
import { foundingMemberList, nodeName, withMember, withoutMember } from './member-list.ts';
import { type ClusterPlan, planCluster } from './topology.ts';

let data: string;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'kvstore-topology-'));
});
afterEach(() => rmSync(data, { recursive: true }));

const ports = {
  gateways: [
    { http: 1, grpc: 2, metrics: 3 },
    { http: 4, grpc: 5, metrics: 6 },
  ],
  consensus: [{ metrics: 11 }, { metrics: 12 }, { metrics: 13 }],
  storage: [{ metrics: 21 }, { metrics: 22 }, { metrics: 23 }],
  nats: [
    { client: 31, route: 41 },
    { client: 32, route: 42 },
  ],
};

const memberPorts = (count: number): Pick<typeof ports, 'consensus' | 'storage'> => ({
  consensus: Array.from({ length: count }, (_, i) => ({ metrics: 11 + i })),
  storage: Array.from({ length: count }, (_, i) => ({ metrics: 21 + i })),
});

function plan(environment: Environment = {}, members = foundingMemberList(3)): ClusterPlan {
  const command = parseCommand(['--data-dir', data], environment);
  if (command.kind !== 'run') throw new Error(command.kind);
  const { options } = command;
  return planCluster({
    options,
    members,
    ports: { ...ports, ...memberPorts(members.numbers.length) },
    directory: new ClusterDirectory(data),
    environment,
  });
}

const environmentOf = (of: ClusterPlan, name: string): Readonly<Record<string, string>> =>
  of.processes.find((each) => each.name === name)!.environment;

async function configOf(environment: Environment) {
  const readFile = (path: string): string | undefined =>
    path === 'kvstore.yaml' ? undefined : readFileSync(path, 'utf8');
  const outcome = await loadConfig({ argv: [], env: environment, readFile });
  if (outcome.kind !== 'config') throw new Error(outcome.kind);
  return outcome.config;
}

test('every service understands its environment', async () => {
  const cluster = plan();
  for (const { app, node, name, environment } of cluster.processes) {
    if (app === 'nats') continue;
    const config = await configOf(environment);
    const user = `${app}-${node ?? name}`;
    expect(config).toMatchObject({
      dataDir: data,
      cluster: 'dev',
      clusterSecret: readFileSync(join(data, 'cluster-secret'), 'utf8'),
      initialCluster: ['node-1', 'node-2', 'node-3'],
      natsUrl: ['nats://127.0.0.1:31', 'nats://127.0.0.1:32'],
      natsUser: user,
      natsPassword: readFileSync(join(data, 'cluster/passwords', user), 'utf8'),
    });
  }
  expect(await configOf(environmentOf(cluster, 'storage-2'))).toMatchObject({
    nodeId: 'node-2',
    metricsPort: 22,
  });
  expect(await configOf(environmentOf(cluster, 'gateway-2'))).toMatchObject({
    gatewayName: 'gateway-2',
    httpPort: 4,
    grpcPort: 5,
    metricsPort: 6,
  });
});

describe('whom a consensus asks at its first start', () => {
  const initial = (members: ReturnType<typeof foundingMemberList>, number: number) =>
    environmentOf(plan({}, members), `consensus-${number}`)['KVSTORE_INITIAL_CLUSTER']?.split(',');

  test('of a founder: the founders, whoever came and went since', () => {
    const members = withoutMember(withMember(foundingMemberList(3), 4), 2);
    expect(initial(members, 1)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(initial(members, 3)).toEqual(['node-1', 'node-2', 'node-3']);
  });

  test('of a node that is added: whoever is there, and never itself', () => {
    const members = withMember(foundingMemberList(3), 4);
    expect(initial(members, 4)).toEqual(['node-1', 'node-2', 'node-3']);
    const later = [1, 2, 3].reduce(withoutMember, withMember(members, 5));
    expect(initial(later, 5)).toEqual(['node-4']);
  });

  test('a node that is added before the cluster is founded founds none with it', () => {
    const members = withMember(foundingMemberList(3), 4);
    const decisions = members.numbers.map((number): Founding => {
      const asked = initial(members, number)!.filter((node) => node !== nodeName(number));
      const empty = (node: string) => ({ disk: node, clusterId: undefined, founders: undefined });
      const answers = new Map(asked.map((node) => [node as NodeId, empty(node)]));
      const self = nodeName(number) as NodeId;
      return decideFounding(self, self, initial(members, number) as NodeId[], answers);
    });
    const found = {
      kind: 'found',
      founders: Object.fromEntries(['node-1', 'node-2', 'node-3'].map((node) => [node, node])),
    };
    expect(decisions).toEqual([found, found, found, { kind: 'wait', missing: [] }]);
  });
});

test('no two users have one password', () => {
  const passwords = plan().processes.flatMap(({ environment }) => {
    const path = environment['KVSTORE_NATS_PASSWORD_FILE'];
    return path === undefined ? [] : [readFileSync(path, 'utf8')];
  });
  expect(passwords).toHaveLength(8);
  expect(new Set(passwords).size).toBe(8);
});

test('what the user sets reaches every process, but for what each has of its own', () => {
  const cluster = plan({
    KVSTORE_LOG_LEVEL: 'debug',
    KVSTORE_NODE_ID: 'other',
    KVSTORE_NATS_PASSWORD: 'other',
    HOME: '/home/x',
  });
  const environment = environmentOf(cluster, 'consensus-1');
  expect(environment).toMatchObject({
    KVSTORE_LOG_LEVEL: 'debug',
    KVSTORE_NODE_ID: 'node-1',
    HOME: '/home/x',
  });
  expect(environment).not.toHaveProperty('KVSTORE_NATS_PASSWORD');
  expect(environmentOf(cluster, 'gateway-1')).not.toHaveProperty('KVSTORE_NODE_ID');
});

test('a secret of the user is used instead of a generated one', () => {
  const secret = 'a secret of the user';
  const environment = environmentOf(plan({ KVSTORE_CLUSTER_SECRET: secret }), 'storage-1');
  expect(environment['KVSTORE_CLUSTER_SECRET']).toBe(secret);
  expect(environment).not.toHaveProperty('KVSTORE_CLUSTER_SECRET_FILE');
  const inFile = environmentOf(plan({ KVSTORE_CLUSTER_SECRET_FILE: '/s' }), 'storage-1');
  expect(inFile['KVSTORE_CLUSTER_SECRET_FILE']).toBe('/s');
});

test('addresses are those at which this machine reaches the host', () => {
  expect(plan().gateways[1]).toEqual({
    name: 'gateway-2',
    http: 'http://127.0.0.1:4',
    grpc: '127.0.0.1:5',
  });
  expect(plan({ KVSTORE_HOST: '0.0.0.0' }).gateways[0]!.http).toBe('http://127.0.0.1:1');
  expect(plan({ KVSTORE_HOST: '::1' }).gateways[0]!.http).toBe('http://[::1]:1');
  const elsewhere = plan({ KVSTORE_HOST: '10.0.0.1' });
  expect(elsewhere.processes.find(({ app }) => app === 'storage')!.metrics).toBe(
    'http://10.0.0.1:21/metrics',
  );
});
