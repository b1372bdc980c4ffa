/** All seeded bugs, and those of the specification whose part does not exist yet or is not driven here. */
import { DISK_MUTANTS } from './disk-mutants.ts';
import { MEMBERSHIP_MUTANTS } from './membership-mutants.ts';
import type { Mutant } from './mutant.ts';
import { CONTROLS, RAFT_MUTANTS } from './raft-mutants.ts';
import { SERVICE_MUTANTS } from './service-mutants.ts';

export { CONTROLS };
export const MUTANTS: readonly Mutant[] = [
  ...RAFT_MUTANTS,
  ...MEMBERSHIP_MUTANTS,
  ...DISK_MUTANTS,
  ...SERVICE_MUTANTS,
];

export const NOT_YET: Readonly<Record<string, string>> = {
  M23: 'a base is sent only to logs that lack it (libs/raft/DESIGN.md); I26 would see it, and scripts there do',
  M27: 'the same change as M7; a single voter is simulated too',
  M30: 'founding is decided outside of what is simulated; libs/sequencer/src/founding.test.ts',
  M40: 'no watch yet',
};
