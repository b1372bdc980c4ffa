import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@kvstore/testing';
import { isAlive, killIfAlive } from './cluster-command.test-support.ts';
import { type Program, SupervisedProcess } from './supervised-process.ts';

const ORDERLY: Program = [
  'sh',
  '-c',
  "trap 'exit 0' TERM; echo orderly; while :; do sleep 0.05; done",
];
const DEAF: Program = ['sh', '-c', "trap '' TERM; echo deaf; while :; do sleep 0.05; done"];

let directory: string;
let started: SupervisedProcess[];
let notices: string[];
let changes: { readonly at: number; readonly runs: boolean }[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvstore-process-'));
  started = [];
  notices = [];
  changes = [];
});
afterEach(() => {
  for (const each of started) each.kill();
  rmSync(directory, { recursive: true });
});

function supervise(program: Program, restart = true): SupervisedProcess {
  const plan = {
    name: 'storage-1',
    app: 'storage',
    node: 'node-1',
    environment: { PATH: process.env['PATH'] ?? '' },
    arguments: [],
    metrics: null,
    log: join(directory, 'storage-1.log'),
  } as const;
  const changed = (): void => {
    changes.push({ at: performance.now(), runs: one.pid !== undefined });
  };
  const notice = (line: string): number => notices.push(line);
  const one = new SupervisedProcess({ plan, program, restart, changed, notice });
  started.push(one);
  return one;
}

const logOf = (one: SupervisedProcess): string => readFileSync(one.plan.log, 'utf8');

test('output is appended over restarts', async () => {
  const one = supervise(['sh', '-c', 'echo out; echo err >&2; exit 3']);
  one.start();
  await eventually('two runs', () => logOf(one) === 'out\nerr\nout\nerr\n');
  expect(notices).toEqual(['storage-1 ended (3); it is started again']);
});

test('every run that ends at once is followed by a longer pause', async () => {
  const one = supervise(['true']);
  one.start();
  await eventually('four runs', () => changes.filter(({ runs }) => runs).length === 4);
  one.kill();
  const pauses = changes.flatMap(({ at, runs }, i) =>
    runs && i > 0 ? [at - changes[i - 1]!.at] : [],
  );
  for (const [i, ms] of [100, 200, 400].entries()) expect(pauses[i]).toBeGreaterThan(ms - 2);
});

test('one that does not end on SIGTERM is killed after the grace period', async () => {
  const one = supervise(DEAF);
  one.start();
  await eventually('its trap is set', () => logOf(one) === 'deaf\n');
  const pid = one.pid as number;
  await one.stop(50);
  expect(isAlive(pid)).toBe(false);
  expect(one.exit).toBe('SIGKILL');
  expect(one.isWanted).toBe(false);
  expect(notices).toEqual([]);
});

test('one that ends on SIGTERM is not killed', async () => {
  const one = supervise(ORDERLY);
  one.start();
  await eventually('its trap is set', () => logOf(one) === 'orderly\n');
  await one.stop(10_000);
  expect(one.exit).toBe(0);
});

test('a frozen one is killed after the grace period', async () => {
  const one = supervise(ORDERLY);
  one.start();
  await eventually('its trap is set', () => logOf(one) === 'orderly\n');
  process.kill(one.pid as number, 'SIGSTOP');
  await one.stop(50);
  expect(one.exit).toBe('SIGKILL');
});

test('what a process leaves in its group ends with it when it is killed', async () => {
  const one = supervise(['sh', '-c', 'sleep 1000 & echo $!; wait']);
  one.start();
  await eventually('its child', () => logOf(one).endsWith('\n'));
  const child = Number(logOf(one));
  one.kill();
  await eventually('both are gone', () => one.pid === undefined && !isAlive(child));
  killIfAlive(child);
});

test('one that waits to be started again is stopped, and started, at once', async () => {
  const one = supervise(['false']);
  one.start();
  await eventually('it waits', () => one.pid === undefined && one.isWanted);
  await one.stop(50);
  expect(one.isWanted).toBe(false);
  one.start();
  expect(one.pid).toBeDefined();
});

test('a program that does not exist is told once, and tried again', async () => {
  const one = supervise([join(directory, 'absent')]);
  one.start();
  expect(one.pid).toBeUndefined();
  await eventually('told', () => notices.length > 0);
  expect(notices[0]).toMatch(
    /^storage-1 cannot start; it is started again: spawn .*absent ENOENT$/,
  );
  expect(one.isWanted).toBe(true);
});

test('without restart it stays dead', async () => {
  const one = supervise(['sh', '-c', 'kill -9 $$'], false);
  one.start();
  await eventually('it is dead', () => one.pid === undefined);
  expect(one.exit).toBe('SIGKILL');
  expect(one.isWanted).toBe(false);
  expect(notices).toEqual(['storage-1 ended (SIGKILL); it stays dead']);
});
