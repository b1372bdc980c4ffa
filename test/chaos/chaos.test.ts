/**
 * The short version of `npm run chaos`: every fault that takes less than a few seconds, once or twice.
 * What must not happen is checked as strictly as in the long one; times only against bounds that a
 * slow machine keeps too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killLeftoverClusters } from '../support/cluster-process.ts';
import { ClusterOfTrials } from './cluster-of-trials.ts';
import { scenarios } from './scenarios.ts';

jest.setTimeout(120_000);

const STOP_MS_MAX = 1_000;
const GAP_MS_MAX = 15_000;
const OPERATIONS_MIN = 100;
const SEED = 100;

const SHORT: readonly string[] = ['kill', 'transfer', 'membership', 'replace'];

const evidence = mkdtempSync(join(tmpdir(), 'kvstore-chaos-report-'));
const trials = new ClusterOfTrials(evidence);
let failed = false;

afterAll(async () => {
  await trials.stop();
  await killLeftoverClusters();
  if (!failed) rmSync(evidence, { recursive: true, force: true });
});

const short = scenarios.filter(
  ({ fault, natsServers }) =>
    natsServers === undefined &&
    (SHORT.includes(fault.kind) || (fault.kind === 'stop' && fault.forMs <= STOP_MS_MAX)),
);

test.each(short)('$name loses nothing, doubles nothing and recovers', async (scenario) => {
  for (let trial = 0; trial < (scenario.name === 'kill-leader' ? 2 : 1); trial++) {
    const { report, failure } = await trials.run(scenario, trial, SEED + trial);
    failed ||= failure !== undefined;
    expect(failure).toBeUndefined();
    expect(report.operations).toBeGreaterThan(OPERATIONS_MIN);
    expect(report.figures.writeGapMs).toBeLessThan(GAP_MS_MAX);
  }
});
