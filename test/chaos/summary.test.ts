import { parseChaosOptions } from './options.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import { summarize, tableHead, tableRow } from './summary.ts';
import type { TrialResult } from './trial.ts';

const scenario: Scenario = {
  name: 'kill-x',
  fault: { kind: 'kill', restart: 'at-once' },
  trials: 3,
  bounds: { gapMsP50: 100, gapMsMax: 200, stallMsMax: 300 },
  victims: () => Promise.resolve(['x']),
};

function report(writeGapMs: number, violations: readonly string[] = []): TrialResult {
  return {
    scenario: 'kill-x',
    trial: 0,
    seed: 1,
    victims: ['x'],
    operations: 10,
    figures: {
      writeGapMs,
      writeGapFrom: 0,
      writeStallMs: 250,
      readStallMs: 20,
      unknown: 1,
      failed: 2,
    },
    recoveredMs: 900,
    violations,
    events: [],
  };
}

test('a scenario within its bounds is one row, and ok', () => {
  const summary = summarize(scenario, [report(90), report(100), report(180)]);
  expect(summary).toMatchObject({ gapMs: { p50: 100, p99: 180, max: 180 }, broken: 0, missed: [] });
  expect(tableRow(summary)).toMatch(/^kill-x +3 +30 +100 +180 +180 +250 +20 +900 +3 +6 {2}ok$/);
});

test('median, longest gap and longest write are each held to their bound', () => {
  const { missed } = summarize(
    { ...scenario, bounds: { gapMsP50: 100, gapMsMax: 200, stallMsMax: 200 } },
    [report(90), report(150), report(201)],
  );
  expect(missed).toEqual([
    'write gap p50 150 > 100 ms',
    'write gap 201 > 200 ms',
    'write stall 250 > 200 ms',
  ]);
});

test('a scenario that may cost no request counts those that failed, and those that are unknown', () => {
  const bounds = { gapMsMax: 200, failedMax: 0 };
  const { missed } = summarize({ ...scenario, bounds }, [report(90), report(100)]);
  expect(missed).toEqual(['6 failed or unknown > 0']);
});

test('a violation is told before any bound', () => {
  expect(tableRow(summarize(scenario, [report(999, ['lost'])]))).toMatch(/BROKEN in 1$/);
});

test('the columns of all scenarios stand under their titles', () => {
  const end = tableHead().indexOf('verdict');
  for (const each of scenarios) {
    const row = tableRow(summarize({ ...each, bounds: { gapMsMax: 200 } }, [report(90)]));
    expect(row.indexOf('ok', 20)).toBe(end);
  }
});

test('--only takes a name or the beginning of several', () => {
  const names = (...args: string[]) => parseChaosOptions(args).scenarios.map(({ name }) => name);
  expect(names()).toHaveLength(scenarios.length);
  expect(names('--only', 'kill-leader')).toEqual(['kill-leader']);
  expect(names('--only', 'stop-leader')).toHaveLength(3);
  expect(() => names('--only', 'melt')).toThrow(
    /no scenario begins with "melt"; there are kill-leader/,
  );
});

test.each([
  [['--trials', '0'], /--trials takes a positive whole number, not "0"/],
  [['--seed', 'x'], /--seed takes a positive whole number/],
  [['--trails', '1'], /usage: npm run chaos/],
])('%j is refused', (args, message) => {
  expect(() => parseChaosOptions(args)).toThrow(message);
});
