/**
 * Runs seeded bugs, each in a process of its own, until an invariant catches it: within so many seeds
 * or minutes, or it survives, and the gate fails. Controls, which break nothing, must survive.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { CampaignResult } from '../campaign.ts';
import { CONTROLS, MUTANTS, NOT_YET } from './catalogue.ts';
import type { Mutant } from './mutant.ts';

const MUTANT_SEEDS_MAX = 2_000;
const MUTANT_MINUTES_MAX = 10;
const CONTROL_SEEDS = 300;

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const CAUGHT_AT = new URL('caught-at.json', import.meta.url);

export interface GateOptions {
  readonly firstSeed: number;
  /** Notes which seed caught each of them, for `rotation.ts`. */
  readonly record: boolean;
}

interface MutantVerdict {
  readonly caughtBy: string | undefined;
  readonly seeds: number;
  readonly seconds: number;
}

function runMutant({ id }: Mutant, firstSeed: number, seeds: number): MutantVerdict {
  const run = spawnSync(
    process.execPath,
    [
      '--conditions=kvstore-source',
      MAIN,
      '--json',
      '--mutant',
      id,
      '--seed',
      String(firstSeed),
      '--seeds',
      String(seeds),
      '--minutes',
      String(MUTANT_MINUTES_MAX),
    ],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (run.status !== 0 && run.status !== 1) throw new Error(`${id}: ${run.stderr}`);
  const line = run.stdout.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`${id}: ${run.stderr}`);
  const { totals, seconds, failure } = JSON.parse(line) as CampaignResult;
  return { seconds, seeds: totals.seeds, caughtBy: failure?.violation.invariant };
}

export function runGate(
  { firstSeed, record }: GateOptions,
  write: (line: string) => void,
): boolean {
  const tell = (
    { id, title }: Mutant,
    verdict: string,
    { seeds, seconds }: MutantVerdict,
  ): void => {
    const [count, time] = [String(seeds).padStart(6), seconds.toFixed(1).padStart(7)];
    write(`${id.padEnd(7)} ${verdict.padEnd(12)} ${count}  ${time}  ${title}`);
  };
  write('mutant  caught by     seeds  seconds  bug');
  const caughtAt: Record<string, number> = {};
  for (const mutant of MUTANTS) {
    const verdict = runMutant(mutant, firstSeed, MUTANT_SEEDS_MAX);
    tell(mutant, verdict.caughtBy ?? 'SURVIVED', verdict);
    if (verdict.caughtBy !== undefined) caughtAt[mutant.id] = firstSeed + verdict.seeds - 1;
  }
  let accused = 0;
  for (const control of CONTROLS) {
    const verdict = runMutant(control, firstSeed, CONTROL_SEEDS);
    tell(control, verdict.caughtBy === undefined ? 'a control' : 'ACCUSED', verdict);
    if (verdict.caughtBy !== undefined) accused += 1;
  }
  for (const [id, why] of Object.entries(NOT_YET)) write(`${id.padEnd(7)} not yet: ${why}`);
  const caught = Object.keys(caughtAt).length;
  write(`${caught} of ${MUTANTS.length} seeded bugs were caught`);
  if (record) writeFileSync(CAUGHT_AT, `${JSON.stringify(caughtAt, undefined, 2)}\n`);
  return caught === MUTANTS.length && accused === 0;
}

/** The seed that caught each of them when the gate last took note: a good place to begin a search. */
export function caughtAt(): Readonly<Record<string, number>> {
  return JSON.parse(readFileSync(CAUGHT_AT, 'utf8')) as Record<string, number>;
}
