/**
 * Runs seeded bugs, each in a process of its own, until an invariant catches it: within so many seeds
 * or minutes, or it survives and the gate fails.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CampaignResult } from '../campaign.ts';
import { MUTANTS, NOT_YET } from './catalogue.ts';
import type { Mutant } from './mutant.ts';

export const MUTANT_SEEDS_MAX = 2_000;
export const MUTANT_MINUTES_MAX = 10;

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

export interface MutantVerdict {
  readonly mutant: Mutant;
  readonly caughtBy: string | undefined;
  readonly seeds: number;
  readonly seconds: number;
  readonly detail: string;
}

export function runMutant(mutant: Mutant, firstSeed: number): MutantVerdict {
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
  return {
    mutant,
    seconds,
    seeds: totals.seeds,
    caughtBy: failure?.violation.invariant,
    detail: failure?.message.split('\n')[0] ?? '',
  };
}

export function runGate(firstSeed: number, write: (line: string) => void): boolean {
  write('mutant  caught by     seeds  seconds  bug');
  let survivors = 0;
  for (const mutant of MUTANTS) {
    const { caughtBy, seeds, seconds } = runMutant(mutant, firstSeed);
    if (caughtBy === undefined) survivors += 1;
    write(
      `${mutant.id.padEnd(7)} ${(caughtBy ?? 'SURVIVED').padEnd(12)} ${String(seeds).padStart(6)}  ` +
        `${seconds.toFixed(1).padStart(7)}  ${mutant.title}`,
    );
  }
  for (const [id, why] of Object.entries(NOT_YET)) write(`${id.padEnd(7)} not yet: ${why}`);
  write(`${MUTANTS.length - survivors} of ${MUTANTS.length} seeded bugs were caught`);
  return survivors === 0;
}
