/**
 * Starts the node and prints where it serves. Loaded by `main.ts`, which has turned the compile cache
 * on before anything large is imported.
 */
import { flushCompileCache } from 'node:module';
import { type Config, runService, version } from '@kvstore/nest-kit';
import { type Addresses, startStandalone } from './standalone-node.ts';

await runService('npm start --', async ({ config, log, shutdown }) => {
  const addresses = await startStandalone(config, log, shutdown);
  process.stdout.write(banner(addresses, config));
  // Why: Node writes the cache at a regular exit, and a node may never have one.
  flushCompileCache();
});

function banner(addresses: Addresses, { cluster, nodeId, dataDir }: Config): string {
  return [
    `kvstore ${version} serves: ${nodeId} of cluster ${cluster}, data in ${dataDir}`,
    `  REST     ${addresses.rest}`,
    `  gRPC     ${addresses.grpc}`,
    `  metrics  ${addresses.metrics}`,
    `  try      curl -X PUT --data-binary 'hello' ${addresses.rest}/api/v1/keys/greeting`,
    '',
  ].join('\n');
}
