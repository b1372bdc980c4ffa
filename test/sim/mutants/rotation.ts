/**
 * The seeded bugs of one test run: ten in a row, where they begin decided by the commit, so that a run can
 * be repeated and that all of them have their turn. Each is searched from the seed that last caught it, which
 * catches it again as long as nothing moves what happens when; after that the search is a matter of chance.
 *
 * So that chance fails no run: whoever was first caught at seed n by a search from 1 is missed by W further
 * seeds with probability n(n+1) / ((n+W)(n+W+1)), all rates taken for equally likely before. With W = 30 n that
 * is about 1 in 1,000. Where W would take minutes, the bug is the gate's alone (`mutation-gate.ts`).
 */
import { spawnSync } from 'node:child_process';
import { MUTANTS } from './catalogue.ts';
import type { Mutant } from './mutant.ts';
import { caughtAt } from './mutation-gate.ts';

const PER_RUN = 10;
const CAUGHT_AT_MAX = 50;
const SEEDS_PER_SEED = 30;
const SEEDS_MIN = 500;

interface Turn {
  readonly mutant: Mutant;
  readonly firstSeed: number;
  readonly seeds: number;
}

/** `commit`: its name in hexadecimal digits. */
export function turnOf(commit: string): readonly Turn[] {
  const caught = caughtAt();
  const turns = MUTANTS.map((mutant): Turn => {
    const firstSeed = caught[mutant.id] ?? 1;
    return { mutant, firstSeed, seeds: Math.max(SEEDS_MIN, SEEDS_PER_SEED * firstSeed) };
  }).filter(({ firstSeed }) => firstSeed <= CAUGHT_AT_MAX);
  const first = Number.parseInt(commit.slice(0, 8), 16) % turns.length;
  return [...turns.slice(first), ...turns.slice(0, first)].slice(0, PER_RUN);
}

/** Of the tree that this file is in; zeros where there is no repository. */
export function currentCommit(): string {
  const head = spawnSync('git', ['rev-parse', 'HEAD'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  return head.status === 0 ? head.stdout.trim() : '00000000';
}
