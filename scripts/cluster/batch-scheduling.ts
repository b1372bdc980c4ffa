/**
 * The processes of a cluster under SCHED_BATCH (sched(7)), where the system has `chrt`: one that wakes
 * does not take the core from the one that runs. Every entry wakes every process; taking the core each
 * time splits the work of a turn into many small batches, and each finds its code evicted from the caches.
 * Nobody's share changes, and no right is needed.
 */
import { directoriesOf, findExecutable } from '../executables.ts';
import type { Program } from './supervised-process.ts';

/** `chrt` of `path` replaces itself by the program: the pid is the program's. */
export function batchScheduled(program: Program, path: string | undefined): Program {
  const chrt = findExecutable('chrt', directoriesOf(path));
  return chrt === undefined ? program : [chrt, '--batch', '0', ...program];
}
