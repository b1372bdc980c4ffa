/**
 * The cluster that trials share, in a temporary directory of its own. After a violation it is thrown
 * away, since what went wrong may go on; the next trial gets a new one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterProcess } from '../support/cluster-process.ts';
import { keepEvidence } from './evidence.ts';
import type { Scenario } from './scenarios.ts';
import { runTrial, type TrialReport } from './trial.ts';

interface Running {
  readonly natsServers: number;
  readonly cluster: ClusterProcess;
}

export class ClusterOfTrials {
  readonly #evidence: string;
  #running: Running | undefined;

  /** What is left of failed trials is kept below `evidence`. */
  constructor(evidence: string) {
    this.#evidence = evidence;
  }

  /** `failure` is what to read when the trial broke something. */
  async run(
    scenario: Scenario,
    trial: number,
    seed: number,
  ): Promise<{ readonly report: TrialReport; readonly failure: string | undefined }> {
    const { natsServers = 1 } = scenario;
    if (this.#running?.natsServers !== natsServers) await this.stop();
    const running = (this.#running ??= await start(natsServers));
    const { cluster } = running;
    const report = await runTrial({ cluster, scenario, trial, seed });
    if (report.violations.length === 0) return { report, failure: undefined };
    const failure = keepEvidence(this.#evidence, cluster.dataDir, report);
    await this.stop();
    return { report, failure };
  }

  /** Ends the cluster and removes its data. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    await running.cluster.stop();
    rmSync(running.cluster.dataDir, { recursive: true, force: true });
  }
}

/** Without restarts by itself: when a process comes back is the scenario's to say. */
async function start(natsServers: number): Promise<Running> {
  const dataDir = mkdtempSync(join(tmpdir(), 'kvstore-chaos-'));
  const args = ['--no-restart', '--nats', String(natsServers)];
  return { natsServers, cluster: await ClusterProcess.start({ dataDir, args }) };
}
