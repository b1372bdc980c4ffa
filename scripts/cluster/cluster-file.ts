/**
 * `<data>/cluster.json`: what runs where, for scripts and tests. It is replaced as a whole by a
 * rename, so a reader sees one state or the next, never half of one.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const App = {
  consensus: 'consensus',
  storage: 'storage',
  gateway: 'gateway',
  nats: 'nats',
} as const;
export type App = (typeof App)[keyof typeof App];

export interface ProcessEntry {
  readonly name: string;
  readonly app: App;
  /** The member that it is a part of; null for gateways and nats-servers. */
  readonly node: string | null;
  /** Of its last run when it has exited; null when it never ran. */
  readonly pid: number | null;
  readonly state: 'running' | 'exited';
  /** Exit code or signal of the last time that it ended; null when it runs or never ran. */
  readonly exit: number | string | null;
  readonly metrics: string | null;
  readonly log: string;
}

export interface GatewayEntry {
  readonly name: string;
  readonly http: string;
  readonly grpc: string;
}

export interface NatsEntry {
  readonly name: string;
  readonly url: string;
  readonly pid: number | null;
  readonly log: string;
}

export interface ClusterState {
  readonly supervisor_pid: number;
  readonly processes: readonly ProcessEntry[];
  readonly gateways: readonly GatewayEntry[];
  readonly nats: readonly NatsEntry[];
}

export function clusterFilePath(dataDir: string): string {
  return join(dataDir, 'cluster.json');
}

export function writeClusterFile(dataDir: string, state: ClusterState): void {
  const path = clusterFilePath(dataDir);
  writeFileSync(`${path}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** What the last supervisor wrote; undefined when there was none, or it cannot be read. */
export function readClusterFile(dataDir: string): ClusterState | undefined {
  try {
    return JSON.parse(readFileSync(clusterFilePath(dataDir), 'utf8')) as ClusterState;
  } catch {
    return undefined;
  }
}
