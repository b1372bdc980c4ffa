/** `npm run bench -- NAME`: one benchmark; JSON on stdout, a table on stderr. */
import { benchRest } from './rest.ts';

const benchmarks: Readonly<Record<string, (args: readonly string[]) => Promise<unknown>>> = {
  rest: benchRest,
};

const [name, ...args] = process.argv.slice(2);
const benchmark = name === undefined ? undefined : benchmarks[name];
if (benchmark === undefined) {
  process.stderr.write(
    `usage: npm run bench -- NAME; names: ${Object.keys(benchmarks).join(', ')}\n`,
  );
  process.exit(2);
}
const report = await benchmark(args);
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
