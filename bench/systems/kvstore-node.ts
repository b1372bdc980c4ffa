/** One durable node in one process: what `npm start` runs. */
import { join } from 'node:path';
import type { Teardown } from '../teardown.ts';
import { Child } from './child.ts';
import { kvstoreDialect } from './kvstore-dialect.ts';
import type { System } from './system.ts';

const MAIN = join(import.meta.dirname, '../../apps/standalone/dist/main.js');

/** `cpuProfiles`: a directory that takes a profile when the node ends. */
export async function startKvstoreNode(
  directory: string,
  cpuProfiles: string | undefined,
  teardown: Teardown,
): Promise<System> {
  const profile = cpuProfiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${cpuProfiles}`];
  const flags = ['--use-largepages=silent', ...profile];
  const child = new Child(
    {
      name: 'node-1',
      command: process.execPath,
      args: [...flags, MAIN],
      env: {
        KVSTORE_DATA_DIR: join(directory, 'data'),
        KVSTORE_HTTP_PORT: '0',
        KVSTORE_GRPC_PORT: '0',
        KVSTORE_METRICS_PORT: '0',
      },
    },
    teardown,
  );
  const serving = await child.until('serving', () =>
    child.output.includes('curl') ? child.output : undefined,
  );
  const address = (pattern: RegExp): string => pattern.exec(serving)?.[1] ?? '';
  const http = address(/REST\s+(http:\/\/\S+)/);
  const grpc = address(/gRPC\s+(\S+)/);
  const metrics = address(/metrics\s+(http:\/\/\S+)/);
  return {
    name: 'kvstore',
    title: 'kvstore, one node',
    dialect: kvstoreDialect,
    processes: () => [child.process],
    endpoints: () => Promise.resolve({ http, grpc }),
    metricsUrls: () => [metrics],
  };
}
