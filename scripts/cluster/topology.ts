/**
 * The processes of a cluster as data: what each is called, where it listens, which environment and
 * arguments it gets. node-i is the member that consensus-i and storage-i make up.
 */
import type { BusIdentity } from '@kvstore/contract';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ClusterOptions, Environment } from './arguments.ts';
import type { ClusterDirectory } from './cluster-directory.ts';
import { App, type GatewayEntry } from './cluster-file.ts';
import { type MemberList, nodeName } from './member-list.ts';
import { natsConfig, natsUserName, quote, type NatsClusterConfig } from './nats-config.ts';
import type { PortPlan } from './port-plan.ts';

export interface ProcessPlan {
  readonly name: string;
  readonly app: App;
  readonly node: string | null;
  readonly environment: Readonly<Record<string, string>>;
  /** After those of its program. */
  readonly arguments: readonly string[];
  readonly metrics: string | null;
  readonly log: string;
}

export interface ClusterPlan {
  readonly dataDir: string;
  readonly processes: readonly ProcessPlan[];
  readonly gateways: readonly GatewayEntry[];
  readonly nats: readonly { readonly name: string; readonly url: string }[];
}

/** Variables that are set per process; what a user sets of the others goes on to every process. */
const PER_PROCESS: ReadonlySet<string> = new Set(
  [
    ...['DATA_DIR', 'CLUSTER', 'CLUSTER_SECRET', 'CLUSTER_SECRET_FILE', 'NODE_ID', 'GATEWAY_NAME'],
    ...['INITIAL_CLUSTER', 'NATS_URL', 'NATS_USER', 'NATS_PASSWORD', 'NATS_PASSWORD_FILE'],
    ...['HTTP_PORT', 'GRPC_PORT', 'METRICS_PORT'],
  ].map((name) => `KVSTORE_${name}`),
);

const GROUP = 'g0';
const ROUTE_PASSWORD = 'routes';
const LOOPBACK = '127.0.0.1';

export interface TopologyInput {
  readonly options: ClusterOptions;
  /** Each has the ports at its place in the list. */
  readonly members: MemberList;
  readonly ports: PortPlan;
  readonly directory: ClusterDirectory;
  /** Of the supervisor. */
  readonly environment: Environment;
}

/** Also generates what is missing of the secrets, and writes the configurations of the nats-servers. */
export function planCluster(input: TopologyInput): ClusterPlan {
  const { options, ports } = input;
  writeNatsConfigs(input);
  const http = `http://${reachable(options.host)}`;
  return {
    dataDir: options.dataDir,
    processes: [
      ...ports.nats.map((_, i) => natsPlan(`nats-${i + 1}`, input)),
      ...memberPlans(App.consensus, ports.consensus, input),
      ...memberPlans(App.storage, ports.storage, input),
      ...ports.gateways.map((_, i) => gatewayPlan(i, input)),
    ],
    gateways: ports.gateways.map((gateway, i) => ({
      name: `gateway-${i + 1}`,
      http: `${http}:${gateway.http}`,
      grpc: `${reachable(options.host)}:${gateway.grpc}`,
    })),
    nats: ports.nats.map(({ client }, i) => ({ name: `nats-${i + 1}`, url: natsUrl(client) })),
  };
}

function natsPlan(name: string, { options, directory, environment }: TopologyInput): ProcessPlan {
  return {
    name,
    app: App.nats,
    node: null,
    environment: {
      ...inherited(environment),
      KVSTORE_DATA_DIR: options.dataDir,
      GOMAXPROCS: environment['GOMAXPROCS'] ?? String(NATS_THREADS),
    },
    arguments: ['-c', directory.natsConfig(name)],
    metrics: null,
    log: directory.log(name),
  };
}

function memberPlans(
  app: typeof App.consensus | typeof App.storage,
  ports: PortPlan['consensus'],
  input: TopologyInput,
): readonly ProcessPlan[] {
  return ports.map(({ metrics }, place) => {
    const number = input.members.numbers[place] as number;
    const node = nodeName(number);
    const name = `${app}-${number}`;
    return servicePlan({ name, app, node, metrics, user: { role: app, name: node } }, input, {
      KVSTORE_NODE_ID: node,
      ...(app === App.consensus && {
        KVSTORE_INITIAL_CLUSTER: initialCluster(input.members, number),
      }),
    });
  });
}

/**
 * Of a consensus. Those that found the cluster tell each other the same list, whoever was added meanwhile; who
 * is added asks whoever is there, and is never on its own list: only who is can found a cluster.
 */
function initialCluster({ founders, numbers }: MemberList, number: number): string {
  const asked = founders.includes(number) ? founders : numbers.filter((each) => each !== number);
  return asked.map(nodeName).join(',');
}

function gatewayPlan(index: number, input: TopologyInput): ProcessPlan {
  const name = `gateway-${index + 1}`;
  const { http, grpc, metrics } = input.ports.gateways[index] as PortPlan['gateways'][number];
  const user = { role: App.gateway, name };
  return servicePlan({ name, app: App.gateway, node: null, metrics, user }, input, {
    KVSTORE_GATEWAY_NAME: name,
    KVSTORE_HTTP_PORT: String(http),
    KVSTORE_GRPC_PORT: String(grpc),
  });
}

interface Service {
  readonly name: string;
  readonly app: App;
  readonly node: string | null;
  readonly metrics: number;
  readonly user: Pick<BusIdentity, 'role' | 'name'>;
}

function servicePlan(
  { name, app, node, metrics, user }: Service,
  { options, members, ports, directory, environment }: TopologyInput,
  own: Readonly<Record<string, string>>,
): ProcessPlan {
  return {
    name,
    app,
    node,
    environment: {
      // Of glibc: large allocations in huge pages; a memtable is read at random all the time.
      GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
      ...inherited(environment),
      ...clusterSecret(environment, directory),
      KVSTORE_DATA_DIR: options.dataDir,
      KVSTORE_CLUSTER: options.cluster,
      KVSTORE_INITIAL_CLUSTER: members.numbers.map(nodeName).join(','),
      KVSTORE_NATS_URL: ports.nats.map(({ client }) => natsUrl(client)).join(','),
      KVSTORE_NATS_USER: natsUserName(user),
      KVSTORE_NATS_PASSWORD_FILE: directory.passwordFile(natsUserName(user)),
      KVSTORE_METRICS_PORT: String(metrics),
      ...own,
    },
    arguments: [],
    metrics: `http://${reachable(options.host)}:${metrics}/metrics`,
    log: directory.log(name),
  };
}

/** The secret that the user has set, else the generated one. */
function clusterSecret(
  environment: Environment,
  directory: ClusterDirectory,
): Readonly<Record<string, string>> {
  const set = ['KVSTORE_CLUSTER_SECRET', 'KVSTORE_CLUSTER_SECRET_FILE'].flatMap((name) => {
    const value = environment[name];
    return value === undefined || value === '' ? [] : [[name, value] as const];
  });
  if (set.length > 0) return Object.fromEntries(set);
  return { KVSTORE_CLUSTER_SECRET_FILE: directory.clusterSecret() };
}

/**
 * Half of this machine: the services need the other half, and threads of nats-server that wake each
 * other on two cores cost more than they do.
 */
const NATS_THREADS = Math.max(1, Math.floor(availableParallelism() / 2));

function inherited(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !PER_PROCESS.has(entry[0]),
    ),
  );
}

function writeNatsConfigs({ options, members, ports, directory }: TopologyInput): void {
  const names = members.numbers.map(nodeName);
  const identities = [
    ...names.map((name) => ({ role: App.consensus, name })),
    ...names.map((name) => ({ role: App.storage, name })),
    ...ports.gateways.map((_, i) => ({ role: App.gateway, name: `gateway-${i + 1}` })),
  ];
  const all: NatsClusterConfig = {
    cluster: options.cluster,
    servers: ports.nats.map(({ client, route }, i) => ({
      name: `nats-${i + 1}`,
      client,
      route,
      storeDir: join(options.dataDir, `nats-${i + 1}`),
    })),
    users: identities.map((identity) => ({
      ...identity,
      cluster: options.cluster,
      group: GROUP,
      password: quote(directory.password(natsUserName(identity))),
    })),
    routePassword: directory.password(ROUTE_PASSWORD),
  };
  for (const server of all.servers) {
    directory.write(directory.natsConfig(server.name), natsConfig(server, all));
  }
}

function natsUrl(port: number): string {
  return `nats://${LOOPBACK}:${port}`;
}

/** Where a server that listens on `host` can be reached from this machine. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return LOOPBACK;
  return host.includes(':') ? `[${host}]` : host;
}
