/** A short simulation in every test run; the long ones are `npm run sim`. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CampaignResult } from './campaign.ts';
import { MUTANTS, SURVIVORS } from './mutants/catalogue.ts';
import { applyEdit, StaleMutantError } from './mutants/mutant.ts';
import { Dice } from './world/dice.ts';

const ROOT = join(import.meta.dirname, '../..');
const DAY_MS = 86_400_000;
/** These take more seeds than a test run has. */
const SLOW = new Set([...Object.keys(SURVIVORS), 'M5', 'B6']);

function simulate(...args: readonly string[]): { status: number | null; result: CampaignResult } {
  const command = ['--conditions=kvstore-source', 'test/sim/main.ts', '--json', ...args];
  const run = spawnSync(process.execPath, command, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    timeout: 60_000,
  });
  const line = run.stdout.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`no result: ${run.stderr}`);
  return { status: run.status, result: JSON.parse(line) as CampaignResult };
}

/** Of the command that a failure names. */
function argumentsOf(command: string): readonly string[] {
  return command.split(' -- ')[1]?.split(' ') ?? [];
}

test('no invariant breaks in a short simulation, and two runs of a seed leave one trace', () => {
  const { status, result } = simulate('--seeds', '200');
  expect(result.failure?.message).toBeUndefined();
  expect(status).toBe(0);
  expect(result.totals).toMatchObject({ seeds: 200, repeated: 2 });
}, 90_000);

test('every seeded bug changes code that is there, exactly once', () => {
  for (const { id, edits } of MUTANTS) {
    for (const edit of edits) {
      const source = readFileSync(join(ROOT, edit.file), 'utf8');
      expect(applyEdit(source, edit, id)).not.toBe(source);
    }
  }
  const gone = { file: 'a.ts', find: 'gone', replace: '' };
  expect(() => applyEdit('the code', gone, 'M0')).toThrow(StaleMutantError);
});

test("the day's seeded bugs are caught, and the command repeats the failure", () => {
  let quick = MUTANTS.filter(({ id }) => !SLOW.has(id));
  const dice = new Dice(Math.floor(Date.now() / DAY_MS), 'mutants');
  for (let picks = 0; picks < 3; picks++) {
    const { id } = dice.pick(quick);
    quick = quick.filter((each) => each.id !== id);
    const { status, result } = simulate('--mutant', id, '--seeds', '400');
    expect(`${id} ${status}`).toBe(`${id} 1`);
    const { failure } = result;
    const again = simulate(...argumentsOf(failure?.command ?? ''));
    expect(again.result.failure?.message).toBe(failure?.message);
  }
}, 90_000);
