/**
 * Which process listens where. A base port gives every process the next number; a base of 0 gives
 * every process a free one.
 *
 *   gateway i    http, grpc, metrics: base + i − 1
 *   consensus, storage   metrics: the numbers after the gateways'
 *   nats i       base + i − 1; with more than one, routes 2000 above
 *
 * A node that is added later gets free ports until the next start of the supervisor.
 *
 * Free ports are taken from below the range from which the system serves outgoing connections: one
 * of those could otherwise take the port of a process that is down for a moment.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { randomInt } from 'node:crypto';
import type { ClusterOptions } from './arguments.ts';
import { CommandError } from './command-error.ts';

export interface PortPlan {
  readonly gateways: readonly {
    readonly http: number;
    readonly grpc: number;
    readonly metrics: number;
  }[];
  readonly consensus: readonly { readonly metrics: number }[];
  readonly storage: readonly { readonly metrics: number }[];
  /** `route` is undefined when there is one server only. */
  readonly nats: readonly { readonly client: number; readonly route: number | undefined }[];
}

type Bases = Pick<
  ClusterOptions,
  'gateways' | 'nats' | 'host' | 'httpPort' | 'grpcPort' | 'metricsPort' | 'natsPort'
> & { readonly nodes: number };

interface Use {
  readonly port: number;
  readonly process: string;
  readonly flag: string;
  readonly host: string;
}

type Random = (low: number, high: number) => number;

/** `count` numbers from `base`; of a base of 0, any that are free. */
interface Run {
  readonly base: number;
  readonly count: number;
}

const LOOPBACK = '127.0.0.1';
const ROUTE_OFFSET = 2_000;
const PORT_MAX = 65_535;

/**
 * Throws `CommandError` when a port is in use, taken twice or out of range. `random(low, high)` is a
 * whole number of [low, high): where to look for a free port.
 */
export async function planPorts(bases: Bases, random = randomInt as Random): Promise<PortPlan> {
  const { gateways, nodes, nats } = bases;
  const { httpPort, grpcPort, metricsPort, natsPort } = bases;
  const runs = {
    http: { base: httpPort, count: gateways },
    grpc: { base: grpcPort, count: gateways },
    metrics: { base: metricsPort, count: gateways + 2 * nodes },
    client: { base: natsPort, count: nats },
    route: { base: natsPort === 0 ? 0 : natsPort + ROUTE_OFFSET, count: nats > 1 ? nats : 0 },
  };
  const free = await freePorts(Object.values(runs), random);
  const [http, grpc, metrics, client, route] = [
    numbersOf(runs.http, free),
    numbersOf(runs.grpc, free),
    numbersOf(runs.metrics, free),
    numbersOf(runs.client, free),
    numbersOf(runs.route, free),
  ];
  const names = [
    ...named('gateway', gateways),
    ...named('consensus', nodes),
    ...named('storage', nodes),
  ];
  await refuseUnusable([
    ...uses(http, named('gateway', gateways), '--http-port', bases.host),
    ...uses(grpc, named('gateway', gateways), '--grpc-port', bases.host),
    ...uses(metrics, names, '--metrics-port', bases.host),
    ...uses(
      [...client, ...route],
      [...named('nats', nats), ...named('nats', nats)],
      '--nats-port',
      LOOPBACK,
    ),
  ]);
  return {
    gateways: http.map((each, i) => ({
      http: each,
      grpc: grpc[i] as number,
      metrics: metrics[i] as number,
    })),
    consensus: metrics.slice(gateways, gateways + nodes).map((port) => ({ metrics: port })),
    storage: metrics.slice(gateways + nodes).map((port) => ({ metrics: port })),
    nats: client.map((each, i) => ({ client: each, route: route[i] })),
  };
}

/** For processes that come later. */
export function anyFreePorts(count: number): Promise<readonly number[]> {
  return freePorts([{ base: 0, count }], randomInt);
}

/** Consecutive numbers from a base, or the next free ones, which are then taken. */
function numbersOf({ base, count }: Run, free: number[]): readonly number[] {
  if (base === 0) return free.splice(0, count);
  return Array.from({ length: count }, (_, i) => base + i);
}

function named(app: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${app}-${i + 1}`);
}

function uses(
  ports: readonly number[],
  processes: readonly string[],
  flag: string,
  host: string,
): readonly Use[] {
  return ports.map((port, i) => ({ port, process: processes[i] as string, flag, host }));
}

async function refuseUnusable(all: readonly Use[]): Promise<void> {
  const byPort = new Map<number, Use>();
  for (const use of all) {
    const other = byPort.get(use.port);
    if (other !== undefined) {
      throw new CommandError(
        `port ${use.port} would be of ${other.process} (${other.flag}) and of ${use.process} (${use.flag})`,
      );
    }
    if (use.port > PORT_MAX) {
      throw new CommandError(
        `${use.process} would get port ${use.port}: choose a lower ${use.flag}`,
      );
    }
    byPort.set(use.port, use);
  }
  const faults = await Promise.all(all.map(fault));
  const first = faults.find((each) => each !== undefined);
  if (first !== undefined) throw new CommandError(first);
}

/** Why the port cannot be listened on. */
async function fault({ port, process, flag, host }: Use): Promise<string | undefined> {
  const outcome = await tryListen(host, port);
  if (typeof outcome !== 'string') {
    await close(outcome);
    return undefined;
  }
  if (outcome === 'EADDRINUSE') {
    return `port ${port} of ${process} is in use: stop the other process or choose another ${flag}`;
  }
  return `${process} cannot listen on ${host}:${port} (${outcome}): check KVSTORE_HOST and ${flag}`;
}

/** A free port for each number of the runs without a base, outside the runs that have one. */
async function freePorts(runs: readonly Run[], random: Random): Promise<number[]> {
  const low = 10_000;
  const high = firstOutgoingPort();
  const count = runs.reduce((sum, run) => sum + (run.base === 0 ? run.count : 0), 0);
  const asked = (port: number): boolean =>
    runs.some(({ base, count: n }) => base !== 0 && port >= base && port < base + n);
  const held = new Map<number, Server>();
  try {
    // Bound: a machine without free ports is found out after a few thousand tries.
    for (let tries = 0; held.size < count && tries < 5_000; tries++) {
      const port = random(low, high);
      if (held.has(port) || asked(port)) continue;
      const server = await tryListen(LOOPBACK, port);
      if (typeof server !== 'string') held.set(port, server);
    }
  } finally {
    await Promise.all([...held.values()].map(close));
  }
  if (held.size < count) throw new CommandError(`no ${count} free ports in ${low}..${high}`);
  return [...held.keys()];
}

const FIRST_OUTGOING_DEFAULT = 32_768;

function firstOutgoingPort(): number {
  try {
    const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
    const first = Number(range.split(/\s+/)[0]);
    return first > 20_000 ? first : FIRST_OUTGOING_DEFAULT;
  } catch {
    return FIRST_OUTGOING_DEFAULT;
  }
}

/** The listening server, or the code of the error. */
async function tryListen(host: string, port: number): Promise<Server | string> {
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown error';
  }
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
