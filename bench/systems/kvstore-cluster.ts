/**
 * Our three nodes as `npm run cluster` starts them: consensus, storage, gateway and nats-server in
 * processes of their own, found in `cluster.json`. A process that ends stays dead, so that a benchmark
 * fails instead of measuring the restart.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClusterState, readClusterFile } from '../../scripts/cluster/cluster-file.ts';
import type { NamedProcess } from '../measure/process-usage.ts';
import type { Teardown } from '../teardown.ts';
import { answers, Child } from './child.ts';
import { kvstoreDialect } from './kvstore-dialect.ts';
import type { System } from './system.ts';

const COMMAND = join(import.meta.dirname, '../../scripts/cluster/main.ts');
const LOG_CHARACTERS_MAX = 2_000;

export interface ClusterOptions {
  /** A directory that takes one CPU profile per process when they end. */
  readonly cpuProfiles?: string | undefined;
  readonly pollMs?: number;
}

export interface KvstoreCluster extends System {
  stop(): Promise<void>;
}

/** Resolves when `/readyz` of the first gateway answers 200. */
export async function startKvstoreCluster(
  directory: string,
  teardown: Teardown,
  { cpuProfiles, pollMs = 20 }: ClusterOptions = {},
): Promise<KvstoreCluster> {
  const dataDir = join(directory, 'data');
  const supervisor = new Child(
    {
      name: 'npm run cluster',
      command: process.execPath,
      args: ['--conditions=kvstore-source', COMMAND, '--data-dir', dataDir, ...FLAGS],
      env: environment(cpuProfiles),
    },
    teardown,
  );
  const everyMs = pollMs;
  const { gateway, metrics } = await supervisor.until('listed', () => listed(dataDir), { everyMs });
  await supervisor.until('ready', () => ready(dataDir, gateway.http), { everyMs });
  return {
    name: 'kvstore',
    title: 'kvstore, 3 nodes as npm run cluster',
    dialect: kvstoreDialect,
    processes: () => runningProcesses(dataDir),
    endpoints: () => Promise.resolve(gateway),
    metricsUrls: () => [metrics],
    stop: () => supervisor.stop(),
  };
}

const FLAGS = [
  ...['--http-port', '0', '--grpc-port', '0', '--metrics-port', '0', '--nats-port', '0'],
  '--no-restart',
];

function environment(cpuProfiles: string | undefined): Readonly<Record<string, string>> {
  const nats = process.env['KVSTORE_NATS_BIN'];
  return {
    ...(nats === undefined ? {} : { KVSTORE_NATS_BIN: nats }),
    ...(cpuProfiles === undefined
      ? {}
      : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${cpuProfiles}` }),
  };
}

function listed(dataDir: string) {
  const state = readClusterFile(dataDir);
  const gateway = state?.gateways[0];
  const metrics = state?.processes.find(({ name }) => name === gateway?.name)?.metrics;
  return gateway === undefined || typeof metrics !== 'string' ? undefined : { gateway, metrics };
}

async function ready(dataDir: string, http: string): Promise<true | undefined> {
  for (const entry of readClusterFile(dataDir)?.processes ?? []) {
    if (entry.exit !== null) throw ended(entry);
  }
  return answers(`${http}/readyz`);
}

type ProcessEntry = ClusterState['processes'][number];

function runningProcesses(dataDir: string): readonly NamedProcess[] {
  const state = readClusterFile(dataDir);
  if (state === undefined) throw new Error(`no cluster.json in ${dataDir}`);
  return [...state.processes.map(running), { name: 'supervisor', pid: state.supervisor_pid }];
}

function running(entry: ProcessEntry): NamedProcess {
  if (entry.pid === null) throw ended(entry);
  return { name: entry.name, pid: entry.pid };
}

/** With the end of its log, which goes with the temporary directory. */
function ended({ name, exit, log }: ProcessEntry): Error {
  const text = existsSync(log) ? readFileSync(log, 'utf8').slice(-LOG_CHARACTERS_MAX) : '';
  return new Error(`${name} has ended (${exit ?? 'unknown'})\n${text}`);
}
