/**
 * Reads the configuration, starts the node, prints where it serves. Loaded by `main.ts`, which has
 * turned the compile cache on before anything large is imported.
 */
import { flushCompileCache } from 'node:module';
import {
  configHelp,
  KvLogger,
  loadConfig,
  processSources,
  runMain,
  Shutdown,
} from '@kvstore/nest-kit';
import { type Addresses, startStandalone, version } from './standalone-node.ts';

await runMain(async () => {
  const outcome = await loadConfig(processSources());
  if (outcome.kind === 'help') {
    process.stdout.write(configHelp('npm start --'));
    return;
  }
  if (outcome.kind === 'version') {
    process.stdout.write(`${version}\n`);
    return;
  }
  const { config } = outcome;
  const log = new KvLogger(config.logLevel);
  const shutdown = new Shutdown({ log });
  shutdown.onSignals();
  const addresses = await startStandalone(config, log, shutdown);
  process.stdout.write(banner(addresses, config));
  // Why: Node writes the cache at a regular exit, and a node may never have one.
  flushCompileCache();
});

function banner(
  addresses: Addresses,
  { cluster, nodeId, dataDir }: { cluster: string; nodeId: string; dataDir: string },
): string {
  return [
    `kvstore ${version} serves: ${nodeId} of cluster ${cluster}, data in ${dataDir}`,
    `  REST     ${addresses.rest}`,
    `  gRPC     ${addresses.grpc}`,
    `  metrics  ${addresses.metrics}`,
    `  try      curl -X PUT --data-binary 'hello' ${addresses.rest}/api/v1/keys/greeting`,
    '',
  ].join('\n');
}
