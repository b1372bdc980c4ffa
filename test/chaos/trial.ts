/**
 * One trial: load, fault, heal, quiet, then the checks.
 *
 * Checked after every one: the history is linearizable; what the retrying clients wrote is there and
 * was applied once; all storages have applied the same; no process ended that was not killed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '@kvstore/std';
import { checkLinearizability, describeCheck, eventually, type Operation } from '@kvstore/testing';
import type { ClusterProcess } from '../support/cluster-process.ts';
import { type FaultEvent, inject, type Target } from './faults.ts';
import type { Scenario } from './scenarios.ts';
import { type FaultFigures, figuresSince } from './workload/recorder.ts';
import { Workload } from './workload/workload.ts';

export interface TrialOptions {
  readonly cluster: ClusterProcess;
  readonly scenario: Scenario;
  readonly trial: number;
  readonly seed: number;
}

export interface TrialReport {
  readonly scenario: string;
  readonly trial: number;
  readonly seed: number;
  readonly victims: readonly string[];
  readonly operations: number;
  readonly figures: FaultFigures;
  /** From the signal until every client was served and the victims were whole again. */
  readonly recoveredMs: number;
  /** Each makes the run fail; bounds of time are judged over all trials of a scenario. */
  readonly violations: readonly string[];
  readonly events: readonly FaultEvent[];
  readonly history: readonly Operation[];
}

/** What is left of it once the evidence is kept. */
export type TrialResult = Omit<TrialReport, 'history'>;

/** The moment of the fault varies against heartbeats and ticks. */
const BEFORE_MS_MIN = 300;
const BEFORE_MS_SPREAD = 300;
const RECOVERY_MS_MAX = 30_000;
/** Load after the recovery: a member that is back may still disturb. */
const AFTER_MS = 500;

export async function runTrial({
  cluster,
  scenario,
  trial,
  seed,
}: TrialOptions): Promise<TrialReport> {
  const violations: string[] = [];
  const events: FaultEvent[] = [];
  const victims = await scenario.victims(cluster, trial);
  const before = await termOf(cluster);
  const workload = Workload.start({
    http: cluster.http[0] as string,
    grpc: cluster.grpc[0] as string,
    prefix: `${scenario.name}-${trial}-${seed}`,
    seed,
  });
  const { recorder } = workload;
  let faultAt = recorder.now();
  let recoveredAt = faultAt;
  try {
    await workload.untilServed(faultAt, RECOVERY_MS_MAX);
    await sleep(BEFORE_MS_MIN + new SeededRandom(seed).below(BEFORE_MS_SPREAD));
    faultAt = recorder.now();
    const untilServed = () => workload.untilServed(recorder.now(), RECOVERY_MS_MAX);
    const note: Target['note'] = (action, names) =>
      events.push({ at: recorder.now(), action, names });
    await inject(scenario.fault, { cluster, victims, seed, note, untilServed });
    await untilServed();
    await untilWhole(cluster);
    recoveredAt = recorder.now();
    await sleep(AFTER_MS);
  } catch (error) {
    violations.push(`not recovered: ${message(error)}`);
  }
  await workload.stop().catch((error: unknown) => violations.push(message(error)));
  violations.push(...workload.violations, ...linearizability(recorder.history));
  violations.push(...(await stateViolations(cluster)));
  const after = await termOf(cluster);
  if (scenario.keepsTerm === true && after !== before) {
    violations.push(`somebody was elected: term ${before} became ${after}`);
  }
  return {
    scenario: scenario.name,
    trial,
    seed,
    victims,
    operations: recorder.history.length,
    figures: figuresSince(faultAt, recorder.history),
    recoveredMs: recoveredAt - faultAt,
    violations,
    events,
    history: recorder.history,
  };
}

async function termOf(cluster: ClusterProcess): Promise<number | null | undefined> {
  return (await cluster.status()).groups[0]?.term;
}

/** Every member takes part again. */
async function untilWhole(cluster: ClusterProcess): Promise<void> {
  await cluster.untilReady(RECOVERY_MS_MAX);
  await eventually(
    'every member takes part',
    async () => {
      const [group] = (await cluster.status()).groups;
      const members = group?.members ?? [];
      return (
        members.length > 0 &&
        members.every(
          (each) => each.raft_state !== null && each.healthy && each.storage?.healthy === true,
        )
      );
    },
    RECOVERY_MS_MAX,
  );
}

function linearizability(history: readonly Operation[]): readonly string[] {
  const result = checkLinearizability(history);
  return result.kind === 'ok' ? [] : [describeCheck(result)];
}

async function stateViolations(cluster: ClusterProcess): Promise<readonly string[]> {
  const ended = cluster.file.processes.filter(({ state }) => state === 'exited');
  const violations = ended.map(({ name }) => `${name} has ended by itself`);
  try {
    await cluster.untilEqual(RECOVERY_MS_MAX);
  } catch (error) {
    const status = await cluster.status().catch(message);
    violations.push(`${message(error)}: ${JSON.stringify(status)}`);
  }
  return violations;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
