/** `npm run bench -- NAME`: one benchmark; JSON on stdout, a table on stderr. */
import { benchIdle } from './idle.ts';
import { benchLog } from './log.ts';
import { UsageError } from './options.ts';
import { benchPeers } from './peers.ts';
import { benchRaft } from './raft.ts';
import { benchRest } from './rest.ts';
import { benchStart } from './start.ts';

const benchmarks: Readonly<Record<string, (args: readonly string[]) => Promise<unknown>>> = {
  rest: benchRest,
  peers: benchPeers,
  idle: benchIdle,
  start: benchStart,
  raft: benchRaft,
  log: benchLog,
};

const [name, ...args] = process.argv.slice(2);
const benchmark = name === undefined ? undefined : benchmarks[name];
if (benchmark === undefined) {
  process.stderr.write(
    `usage: npm run bench -- NAME; names: ${Object.keys(benchmarks).join(', ')}\n`,
  );
  process.exit(2);
}
try {
  const report = await benchmark(args);
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
