/**
 * `npm run sim`: simulates whole clusters, one seed each, and checks every invariant. Exit code 1 when a
 * seed fails, or when a long run has left a fault uninjected or an invariant unchecked; 2 for misuse.
 */
import { parseArguments, type SimArguments, USAGE, UsageError } from './arguments.ts';

/** Runs of at least this many seeds must have seen everything. */
const COMPLETE_FROM_SEEDS = 500;

async function main(): Promise<number> {
  const args = parseArguments(process.argv.slice(2));
  if (args.mutants) {
    const { runGate } = await import('./mutants/mutation-gate.ts');
    const options = { firstSeed: args.seed, record: args.record };
    return runGate(options, (line) => void process.stdout.write(`${line}\n`)) ? 0 : 1;
  }
  if (args.mutant !== undefined) await load(args.mutant);
  return simulate(args);
}

async function load(id: string): Promise<void> {
  const { CONTROLS, MUTANTS } = await import('./mutants/catalogue.ts');
  const { loadMutant } = await import('./mutants/source-hooks.ts');
  const mutant = [...MUTANTS, ...CONTROLS].find((each) => each.id === id);
  if (mutant === undefined) throw new UsageError(`no such mutant: ${id}`);
  loadMutant(mutant);
}

async function simulate(args: SimArguments): Promise<number> {
  const { runCampaign, describeTotals, neverSeen } = await import('./campaign.ts');
  const { failCurrentSeed } = await import('./run-seed.ts');
  process.on('unhandledRejection', failCurrentSeed);
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  // Why not here: a seed runs all microtasks itself, which it cannot do from within one.
  const result = await new Promise<ReturnType<typeof runCampaign>>((resolve) => {
    setImmediate(() => resolve(runCampaign(args, progress)));
  });
  const unseen = result.totals.seeds >= COMPLETE_FROM_SEEDS ? neverSeen(result.totals) : [];
  if (args.json) process.stdout.write(`${JSON.stringify({ ...result, unseen })}\n`);
  else process.stdout.write(describeTotals(result));
  const { failure } = result;
  if (failure !== undefined) {
    process.stderr.write(`\n${failure.violation.message}\n\n  ${failure.command} --log\n`);
  }
  if (unseen.length > 0) process.stderr.write(`\nnever seen: ${unseen.join(', ')}\n`);
  return failure === undefined && unseen.length === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
  },
);
