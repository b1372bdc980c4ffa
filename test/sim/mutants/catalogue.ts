/**
 * All seeded bugs; those that the simulation is known not to catch; and those of the specification whose
 * part does not exist yet or is not driven by it.
 */
import { DISK_MUTANTS } from './disk-mutants.ts';
import type { Mutant } from './mutant.ts';
import { RAFT_MUTANTS } from './raft-mutants.ts';
import { SERVICE_MUTANTS } from './service-mutants.ts';

export const MUTANTS: readonly Mutant[] = [...RAFT_MUTANTS, ...DISK_MUTANTS, ...SERVICE_MUTANTS];

/** Not caught in 2,000 seeds, and what the simulation would have to do. */
export const SURVIVORS: Readonly<Record<string, string>> = {
  M9: 'needs a follower with a stale suffix that gets only a part of what replaces it',
  M12: 'needs a follower with a stale suffix that gets only a part of what replaces it',
  M13: 'needs a deposed leader that still has clients while another one commits',
  M15: 'needs a deposed leader that still has clients while another one commits',
  M35: 'needs an append that is written in two groups, and a crash between them',
};

export const NOT_YET: Readonly<Record<string, string>> = {
  M16: 'leases are in libs/raft; the simulation does not drive them',
  M17: 'membership changes are in libs/raft; the simulation does not drive them',
  M18: 'membership changes are in libs/raft; the simulation does not drive them',
  M19: 'membership changes are in libs/raft; the simulation does not drive them',
  M20: 'membership changes are in libs/raft; the simulation does not drive them',
  M21: 'learners are in libs/raft; the simulation does not drive them',
  M22: 'no snapshots yet',
  M23: 'no snapshots yet',
  M24: 'no snapshots yet',
  M27: 'the same change as M7; a single voter is simulated too',
  M30: 'founding is decided outside of what is simulated; libs/sequencer/src/founding.test.ts',
  M32: 'membership changes are in libs/raft; the simulation does not drive them',
  M40: 'no watch yet',
  'promotion ignores the storage': 'learners are in libs/raft; the simulation does not drive them',
  'log cut by live storages instead of the majority': 'the log is never cut yet',
};
