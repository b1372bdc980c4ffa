/** `npm run cluster` with stand-ins for the services and the nats-servers, to be run by a test. */
import { join } from 'node:path';
import { parseCommand } from './arguments.ts';
import { CommandError } from './command-error.ts';
import { runCluster } from './run-cluster.ts';

const standIn = (app: string): readonly [string, string, string] => [
  process.execPath,
  join(import.meta.dirname, 'stand-in-app.test-support.ts'),
  app,
];

const command = parseCommand(process.argv.slice(2), process.env);
if (command.kind !== 'run') throw new Error('only a whole cluster');
const programs = {
  consensus: standIn('consensus'),
  storage: standIn('storage'),
  gateway: standIn('gateway'),
  nats: standIn('nats'),
};
try {
  const terminal = {
    out: (text: string) => process.stdout.write(text),
    notice: (line: string) => process.stderr.write(`${line}\n`),
  };
  process.exit(await runCluster(command.options, process.env, programs, terminal));
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
