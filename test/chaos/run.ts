/**
 * `npm run chaos -- [--trials N] [--only NAME] [--seed S] [--out DIR]`: every scenario, or those whose
 * name begins with NAME. A table on stdout; report.json, and what is kept of failed trials, in DIR.
 * The exit code is 1 after any violation or missed bound.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { killLeftoverClusters } from '../support/cluster-process.ts';
import { ClusterOfTrials } from './cluster-of-trials.ts';
import { type ChaosOptions, parseChaosOptions, UsageError } from './options.ts';
import type { Scenario } from './scenarios.ts';
import { type ScenarioSummary, summarize, tableHead, tableRow } from './summary.ts';
import type { TrialResult } from './trial.ts';

const out = (text: string): boolean => process.stdout.write(`${text}\n`);
const notice = (text: string): boolean => process.stderr.write(`${text}\n`);

interface ScenarioResult {
  readonly summary: ScenarioSummary;
  readonly reports: readonly TrialResult[];
}

async function runScenario(
  trials: ClusterOfTrials,
  scenario: Scenario,
  options: ChaosOptions,
): Promise<ScenarioResult> {
  const reports: TrialResult[] = [];
  const count = options.trials ?? scenario.trials;
  for (let trial = 0; trial < count; trial++) {
    const { report, failure } = await trials.run(scenario, trial, options.seed + trial);
    const { history: _history, ...result } = report;
    const { writeGapMs, writeStallMs } = report.figures;
    reports.push(result);
    notice(
      `  ${scenario.name} ${trial + 1}/${count}: ${report.victims.join(' ')}, gap ` +
        `${writeGapMs.toFixed(0)} ms, longest write ${writeStallMs.toFixed(0)} ms`,
    );
    if (failure !== undefined) notice(`\n${failure}\n`);
  }
  return { summary: summarize(scenario, reports), reports };
}

async function main(): Promise<void> {
  const options = parseChaosOptions(process.argv.slice(2));
  const directory = resolve(options.out ?? mkdtempSync(join(tmpdir(), 'kvstore-chaos-report-')));
  mkdirSync(directory, { recursive: true });
  const trials = new ClusterOfTrials(directory);
  const results: ScenarioResult[] = [];
  out(tableHead());
  try {
    for (const scenario of options.scenarios) {
      const result = await runScenario(trials, scenario, options);
      results.push(result);
      out(tableRow(result.summary));
    }
  } finally {
    await trials.stop();
    await killLeftoverClusters();
    const report = join(directory, 'report.json');
    writeFileSync(report, `${JSON.stringify({ seed: options.seed, results }, undefined, 2)}\n`);
    notice(`report: ${report}`);
  }
  const failed = results.some(({ summary }) => summary.broken > 0 || summary.missed.length > 0);
  process.exitCode = failed ? 1 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void killLeftoverClusters().then(() => process.exit(1));
  });
}
try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  notice(error.message);
  process.exitCode = 2;
}
