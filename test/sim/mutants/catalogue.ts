/** All seeded bugs, and those of the specification that wait for a part that does not exist yet. */
import { DISK_MUTANTS } from './disk-mutants.ts';
import type { Mutant } from './mutant.ts';
import { RAFT_MUTANTS } from './raft-mutants.ts';
import { SERVICE_MUTANTS } from './service-mutants.ts';

export const MUTANTS: readonly Mutant[] = [...RAFT_MUTANTS, ...DISK_MUTANTS, ...SERVICE_MUTANTS];

export const NOT_YET: Readonly<Record<string, string>> = {
  M16: 'there are no leases yet',
  M17: 'no membership changes yet',
  M18: 'no membership changes yet',
  M19: 'no membership changes yet',
  M20: 'no membership changes yet',
  M21: 'no learners yet',
  M22: 'no snapshots yet',
  M23: 'no snapshots yet',
  M24: 'no snapshots yet',
  M27: 'the same change as M7; a single voter is simulated too',
  M30: 'founding is decided outside of what is simulated; libs/sequencer/src/founding.test.ts',
  M32: 'no membership changes yet',
  M40: 'no watch yet',
  'promotion ignores the storage': 'no learners yet',
  'log cut by live storages instead of the majority': 'the log is never cut yet',
};
