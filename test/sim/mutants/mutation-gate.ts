/**
 * Runs seeded bugs, each in a process of its own, until an invariant catches it: within so many seeds
 * or minutes, or it survives. The gate fails on a survivor that is not known, and on a known one that is
 * caught.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CampaignResult } from '../campaign.ts';
import { MUTANTS, NOT_YET, SURVIVORS } from './catalogue.ts';
import type { Mutant } from './mutant.ts';

const MUTANT_SEEDS_MAX = 2_000;
const MUTANT_MINUTES_MAX = 10;

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

interface MutantVerdict {
  readonly caughtBy: string | undefined;
  readonly seeds: number;
  readonly seconds: number;
}

function runMutant(mutant: Mutant, firstSeed: number): MutantVerdict {
  const run = spawnSync(
    process.execPath,
    [
      '--conditions=kvstore-source',
      MAIN,
      '--json',
      '--mutant',
      mutant.id,
      '--seed',
      String(firstSeed),
      '--seeds',
      String(MUTANT_SEEDS_MAX),
      '--minutes',
      String(MUTANT_MINUTES_MAX),
    ],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (run.status !== 0 && run.status !== 1) throw new Error(`${mutant.id}: ${run.stderr}`);
  const line = run.stdout.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`${mutant.id}: ${run.stderr}`);
  const { totals, seconds, failure } = JSON.parse(line) as CampaignResult;
  return { seconds, seeds: totals.seeds, caughtBy: failure?.violation.invariant };
}

export function runGate(firstSeed: number, write: (line: string) => void): boolean {
  write('mutant  caught by           seeds  seconds  bug');
  let caught = 0;
  let unexpected = 0;
  for (const mutant of MUTANTS) {
    const { caughtBy, seeds, seconds } = runMutant(mutant, firstSeed);
    const isKnown = mutant.id in SURVIVORS;
    if (caughtBy !== undefined) caught += 1;
    if ((caughtBy === undefined) !== isKnown) unexpected += 1;
    const verdict = caughtBy ?? (isKnown ? 'survives, as known' : 'SURVIVED');
    const surprise = caughtBy !== undefined && isKnown ? ' (listed as a survivor)' : '';
    write(
      `${mutant.id.padEnd(7)} ${verdict.padEnd(18)} ${String(seeds).padStart(6)}  ` +
        `${seconds.toFixed(1).padStart(7)}  ${mutant.title}${surprise}`,
    );
  }
  for (const [id, why] of Object.entries(NOT_YET)) write(`${id.padEnd(7)} not yet: ${why}`);
  write(`${caught} of ${MUTANTS.length} seeded bugs were caught`);
  return unexpected === 0;
}
