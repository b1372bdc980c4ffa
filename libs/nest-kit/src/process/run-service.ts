/** What every `main` does: reads the configuration, answers --help and --version, listens to signals. */
import { readFileSync } from 'node:fs';
import { configHelp } from '../config/config-help.ts';
import { loadConfig, processSources } from '../config/config-loader.ts';
import type { Config } from '../config/config-table.ts';
import { KvLogger } from '../logger.ts';
import { Shutdown } from '../shutdown.ts';
import { runMain } from '../start-error.ts';
import { markLate } from './heap.ts';

export interface ServiceStart {
  readonly config: Config;
  readonly log: KvLogger;
  readonly shutdown: Shutdown;
}

export const version = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  }
).version;

/** `start` resolves when the service serves; what it throws ends the process. */
export function runService(
  command: string,
  start: (context: ServiceStart) => Promise<void>,
): Promise<void> {
  return runMain(async () => {
    const outcome = await loadConfig(processSources());
    if (outcome.kind === 'help') {
      process.stdout.write(configHelp(command));
      return;
    }
    if (outcome.kind === 'version') {
      process.stdout.write(`${version}\n`);
      return;
    }
    markLate();
    const { config } = outcome;
    const log = new KvLogger(config.logLevel);
    const shutdown = new Shutdown({ log });
    shutdown.onSignals();
    await start({ config, log, shutdown });
  });
}
