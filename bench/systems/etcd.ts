/**
 * Three etcd members with their default settings on loopback: `ETCD_BIN`, or `etcd` from PATH. Load goes
 * to the leader, where a write needs no forwarding: the best that one address of etcd can do.
 */
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Teardown } from '../teardown.ts';
import { answers, Child } from './child.ts';
import { etcdDialect } from './etcd-dialect.ts';
import type { System } from './system.ts';

const MEMBERS = 3;

export interface EtcdBinary {
  readonly path: string;
  readonly version: string;
}

/** undefined: there is none that runs. */
export function findEtcd(): EtcdBinary | undefined {
  const path = process.env['ETCD_BIN'] ?? 'etcd';
  const { stdout, error } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  const version = error === undefined ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined;
  return version === undefined ? undefined : { path, version };
}

interface Member {
  readonly name: string;
  readonly client: number;
  readonly peer: number;
  readonly child: Child;
}

export async function startEtcd(
  { path, version }: EtcdBinary,
  directory: string,
  teardown: Teardown,
): Promise<System> {
  const ports = await freePorts(2 * MEMBERS);
  const places = Array.from({ length: MEMBERS }, (_, at) => ({
    name: `etcd-${at + 1}`,
    client: ports[2 * at] as number,
    peer: ports[2 * at + 1] as number,
  }));
  const cluster = places.map(({ name, peer }) => `${name}=${url(peer)}`).join(',');
  const members = places.map((place) => ({
    ...place,
    child: new Child(
      { name: place.name, command: path, args: memberArgs(place, cluster, directory) },
      teardown,
    ),
  }));
  for (const { child, client } of members) {
    await child.until('healthy', () => answers(`${url(client)}/health`));
  }
  return {
    name: 'etcd',
    title: `etcd ${version}, ${MEMBERS} members`,
    dialect: etcdDialect,
    processes: () => members.map(({ child }) => child.process),
    endpoints: async () => {
      const leader = await leaderOf(members);
      return { http: url(leader.client), grpc: `127.0.0.1:${leader.client}` };
    },
    metricsUrls: () => members.map(({ client }) => `${url(client)}/metrics`),
  };
}

function memberArgs(
  { name, client, peer }: Omit<Member, 'child'>,
  cluster: string,
  directory: string,
): readonly string[] {
  return [
    ...['--name', name, '--data-dir', join(directory, name)],
    ...['--listen-client-urls', url(client), '--advertise-client-urls', url(client)],
    ...['--listen-peer-urls', url(peer), '--initial-advertise-peer-urls', url(peer)],
    ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
    ...['--logger', 'zap', '--log-level', 'error'],
  ];
}

async function leaderOf(members: readonly Member[]): Promise<Member> {
  for (const member of members) {
    const reply = await fetch(`${url(member.client)}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
    });
    const status = (await reply.json()) as {
      readonly header: { readonly member_id: string };
      readonly leader?: string;
    };
    if (status.leader === status.header.member_id) return member;
  }
  throw new Error('etcd has no leader');
}

function url(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** Ports that were free at the same time a moment ago. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject).listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
