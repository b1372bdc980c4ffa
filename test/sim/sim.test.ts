/** A short simulation in every test run; the long ones are `npm run sim`. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CampaignResult } from './campaign.ts';
import { MUTANTS } from './mutants/catalogue.ts';
import { applyEdit, StaleMutantError } from './mutants/mutant.ts';
import { caughtAt } from './mutants/mutation-gate.ts';
import { currentCommit, turnOf } from './mutants/rotation.ts';

const ROOT = join(import.meta.dirname, '../..');
const SEEDS = 500;
const RUN_MS_MAX = 240_000;
const COMMIT = currentCommit();

type Printed = CampaignResult & { readonly unseen: readonly string[] };

async function simulate(
  ...args: readonly string[]
): Promise<{ readonly status: number | null; readonly result: Printed }> {
  const command = ['--conditions=kvstore-source', 'test/sim/main.ts', '--json', ...args];
  const run = spawn(process.execPath, command, { cwd: ROOT, timeout: RUN_MS_MAX });
  let [output, errors] = ['', ''];
  run.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  run.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const status = await new Promise<number | null>((resolve) => void run.on('close', resolve));
  const line = output.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`no result: ${errors}`);
  return { status, result: JSON.parse(line) as Printed };
}

/** Of the command that a failure names. */
function argumentsOf(command: string): readonly string[] {
  return command.split(' -- ')[1]?.split(' ') ?? [];
}

test(
  'no invariant breaks, every fault is injected, and two runs of a seed leave one trace',
  async () => {
    const { status, result } = await simulate('--seeds', String(SEEDS));
    expect(result.failure?.message).toBeUndefined();
    expect(result.unseen).toEqual([]);
    expect(status).toBe(0);
    expect(result.totals).toMatchObject({ seeds: SEEDS, repeated: 5 });
  },
  RUN_MS_MAX,
);

test('every seeded bug changes code that is there, exactly once, and has been caught', () => {
  for (const { id, edits } of MUTANTS) {
    for (const edit of edits) {
      const source = readFileSync(join(ROOT, edit.file), 'utf8');
      expect(applyEdit(source, edit, id)).not.toBe(source);
    }
  }
  const gone = { file: 'a.ts', find: 'gone', replace: '' };
  expect(() => applyEdit('the code', gone, 'M0')).toThrow(StaleMutantError);
  expect(Object.keys(caughtAt()).sort()).toEqual(MUTANTS.map(({ id }) => id).sort());
});

test.each(turnOf(COMMIT))(
  `the seeded bug $mutant.id is caught; it is its turn at commit ${COMMIT.slice(0, 8)}`,
  async ({ mutant, firstSeed, seeds }) => {
    const range = ['--seed', String(firstSeed), '--seeds', String(seeds)];
    const { status, result } = await simulate('--mutant', mutant.id, ...range);
    expect(`${mutant.id} ${status}`).toBe(`${mutant.id} 1`);
    const { failure } = result;
    const again = await simulate(...argumentsOf(failure?.command ?? ''));
    expect(again.result.failure?.message).toBe(failure?.message);
  },
  RUN_MS_MAX,
);
