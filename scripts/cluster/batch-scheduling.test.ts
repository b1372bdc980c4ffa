import { spawnSync } from 'node:child_process';
import { batchScheduled } from './batch-scheduling.ts';
import type { Program } from './supervised-process.ts';

/** Prints its scheduling policy (field 41 of proc_pid_stat(5); 3: SCHED_BATCH) and its pid. */
const PRINT = `
  const stat = require('node:fs').readFileSync('/proc/self/stat', 'utf8');
  console.log(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38], process.pid);
`;
const program: Program = [process.execPath, '-e', PRINT];

test('a program runs under SCHED_BATCH, as the process that was spawned', () => {
  const [command, ...rest] = batchScheduled(program, process.env['PATH']);
  const { stdout, pid } = spawnSync(command, rest, { encoding: 'utf8' });
  expect(stdout).toBe(`3 ${pid}\n`);
});

test.each([undefined, '', '/nowhere'])('without chrt in PATH (%s) it runs as it is', (path) => {
  expect(batchScheduled(program, path)).toBe(program);
});
