/**
 * The seeded bugs of one test run: ten in a row, where they begin decided by the commit, so that a run can
 * be repeated and that all of them have their turn. Each is searched from the seed that last caught it.
 */
import { spawnSync } from 'node:child_process';
import { MUTANTS } from './catalogue.ts';
import type { Mutant } from './mutant.ts';
import { caughtAt } from './mutation-gate.ts';

const PER_RUN = 10;

interface Turn {
  readonly mutant: Mutant;
  readonly firstSeed: number;
}

/** `commit`: its name in hexadecimal digits. */
export function turnOf(commit: string): readonly Turn[] {
  const first = Number.parseInt(commit.slice(0, 8), 16) % MUTANTS.length;
  const seeds = caughtAt();
  return Array.from({ length: PER_RUN }, (_, place) => {
    const mutant = MUTANTS[(first + place) % MUTANTS.length] as Mutant;
    return { mutant, firstSeed: seeds[mutant.id] ?? 1 };
  });
}

/** Of the tree that this file is in; zeros where there is no repository. */
export function currentCommit(): string {
  const head = spawnSync('git', ['rev-parse', 'HEAD'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  return head.status === 0 ? head.stdout.trim() : '00000000';
}
