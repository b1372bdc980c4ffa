/**
 * One trial: load, fault, heal, quiet, then the checks.
 *
 * Checked after every one: the history is linearizable; what the retrying clients wrote is there and
 * was applied once; all storages have applied the same; no process ended that was not killed.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '@kvstore/std';
import { checkLinearizability, describeCheck, eventually, type Operation } from '@kvstore/testing';
import { askSupervisor } from '../../scripts/cluster/control-socket.ts';
import type { ClusterProcess } from '../support/cluster-process.ts';
import type { Scenario } from './scenarios.ts';
import { type FaultFigures, figuresSince } from './workload/recorder.ts';
import { Workload } from './workload/workload.ts';

export interface TrialOptions {
  readonly cluster: ClusterProcess;
  readonly dataDir: string;
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
  readonly history: readonly Operation[];
}

/** The moment of the fault varies against heartbeats and ticks. */
const BEFORE_MS_MIN = 300;
const BEFORE_MS_SPREAD = 300;
const RECOVERY_MS_MAX = 30_000;
/** How long what is killed stays dead after everybody was served without it. */
const DEAD_MS = 700;
/** Load after the recovery: a member that is back may still disturb. */
const AFTER_MS = 500;

export async function runTrial(options: TrialOptions): Promise<TrialReport> {
  const { cluster, scenario, trial, seed } = options;
  const violations: string[] = [];
  const victims = await scenario.victims(cluster, trial);
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
    await inject(options, victims, workload);
    await workload.untilServed(recorder.now(), RECOVERY_MS_MAX);
    await untilWhole(cluster);
    recoveredAt = recorder.now();
    await sleep(AFTER_MS);
  } catch (error) {
    violations.push(`not recovered: ${message(error)}`);
  }
  await workload.stop();
  violations.push(...workload.violations, ...linearizability(recorder.history));
  violations.push(...(await stateViolations(cluster)));
  return {
    scenario: scenario.name,
    trial,
    seed,
    victims,
    operations: recorder.history.length,
    figures: figuresSince(faultAt, recorder.history),
    recoveredMs: recoveredAt - faultAt,
    violations,
    history: recorder.history,
  };
}

/** Resolves when what was hit runs again. */
async function inject(
  { cluster, dataDir, scenario }: TrialOptions,
  victims: readonly string[],
  workload: Workload,
): Promise<void> {
  const { fault } = scenario;
  if (fault.kind === 'stop') {
    const stopped = victims.map((name) => cluster.member(name).pid);
    for (const pid of stopped) process.kill(pid, 'SIGSTOP');
    try {
      await sleep(fault.forMs);
    } finally {
      for (const pid of stopped) process.kill(pid, 'SIGCONT');
    }
    return;
  }
  await cluster.kill(...victims);
  try {
    if (fault.restart === 'when-served') {
      await workload.untilServed(workload.recorder.now(), RECOVERY_MS_MAX);
      await sleep(DEAD_MS);
    }
  } finally {
    for (const name of victims) await startAgain(dataDir, name);
  }
}

/** What `npm run cluster -- start NAME` asks, without the CPU of another Node process. */
async function startAgain(dataDir: string, name: string): Promise<void> {
  const reply = await askSupervisor(join(dataDir, 'cluster'), { kind: 'start', name });
  if (reply?.kind !== 'done') throw new Error(`start ${name}: ${reply?.reason ?? 'no supervisor'}`);
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
