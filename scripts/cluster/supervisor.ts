/**
 * The processes of one cluster, under one supervisor: all started at once, kept running, stopped in
 * order, and described by `cluster.json` after every change.
 *
 * What it keeps: the sentinel knows of every child that lives, so none outlives the supervisor; the
 * file names a child before anything else is done with it. It knows nothing of what the processes
 * do; their programs are given to it.
 */
import { App, type ClusterState, writeClusterFile } from './cluster-file.ts';
import { CommandError } from './command-error.ts';
import { Sentinel } from './sentinel.ts';
import { type Program, SupervisedProcess } from './supervised-process.ts';
import type { ClusterPlan, ProcessPlan } from './topology.ts';

export type Programs = Readonly<Record<App, Program>>;

export interface SupervisorOptions {
  readonly plan: ClusterPlan;
  readonly programs: Programs;
  readonly restart: boolean;
  readonly notice: (line: string) => void;
}

/** Whoever uses another one is stopped before it. */
const STOP_ORDER: readonly App[] = [App.gateway, App.storage, App.consensus, App.nats];
const STOP_GRACE_MS = 10_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  #plan: ClusterPlan;
  #processes: readonly SupervisedProcess[];
  readonly #sentinel = new Sentinel();
  #starting = false;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#plan = options.plan;
    this.#processes = options.plan.processes.map((each) => this.#supervised(each));
  }

  #supervised(plan: ProcessPlan): SupervisedProcess {
    const { programs, restart, notice } = this.#options;
    const program = programs[plan.app];
    return new SupervisedProcess({
      plan,
      program,
      restart,
      notice,
      changed: () => this.#changed(),
    });
  }

  /** Spawns every process; they wait for each other themselves. */
  startAll(): void {
    this.#starting = true;
    for (const each of this.#processes) each.start();
    this.#starting = false;
    this.#changed();
  }

  /** Spawns one that does not run. Throws `CommandError`. */
  start(name: string): void {
    const one = this.#find(name);
    if (one.pid !== undefined) throw new CommandError(`${name} is running (pid ${one.pid})`);
    one.start();
    if (one.pid === undefined) throw new CommandError(`${name} cannot be started: see its log`);
  }

  /** Of a node: what does not run is spawned. Throws `CommandError`. */
  startAnyOf(node: string): void {
    for (const { plan, pid } of this.#partsOf(node)) if (pid === undefined) this.start(plan.name);
  }

  /** Another plan for the same data directory: whoever is new has not run yet, whoever is gone has ended. */
  replan(plan: ClusterPlan): void {
    if (this.#stopping) throw new CommandError('the cluster is stopping');
    const known = new Map(this.#processes.map((each) => [each.plan.name, each]));
    this.#plan = plan;
    this.#processes = plan.processes.map((each) => {
      const process = known.get(each.name);
      process?.replan(each);
      return process ?? this.#supervised(each);
    });
    this.#changed();
  }

  /** Resolves when both processes of a node have ended; they stay so. */
  async dismiss(node: string): Promise<void> {
    await Promise.all(this.#partsOf(node).map((each) => each.stop(STOP_GRACE_MS)));
  }

  /** Those of an app that run now. */
  running(app: App): readonly { readonly pid: number; readonly log: string }[] {
    return this.#processes.flatMap(({ plan, pid }) =>
      plan.app === app && pid !== undefined ? [{ pid, log: plan.log }] : [],
    );
  }

  /** Resolves when it has ended; it stays so until `start`. Rejects with `CommandError`. */
  async stop(name: string): Promise<void> {
    const one = this.#find(name);
    if (!one.isWanted) throw new CommandError(`${name} is not running`);
    await one.stop(STOP_GRACE_MS);
  }

  /** Services first, then the bus under them. Resolves when all have ended. */
  async stopAll(): Promise<void> {
    this.#stopping = true;
    for (const app of STOP_ORDER) {
      const some = this.#processes.filter(({ plan }) => plan.app === app);
      await Promise.all(some.map((each) => each.stop(STOP_GRACE_MS)));
    }
    this.#sentinel.release();
  }

  killAll(): void {
    this.#stopping = true;
    for (const each of this.#processes) each.kill();
  }

  get state(): ClusterState {
    const pidOf = new Map(this.#processes.map(({ plan, lastPid }) => [plan.name, lastPid]));
    const logOf = new Map(this.#processes.map(({ plan }) => [plan.name, plan.log]));
    return {
      supervisor_pid: process.pid,
      processes: this.#processes.map(({ plan, pid, lastPid, exit }) => ({
        name: plan.name,
        app: plan.app,
        node: plan.node,
        pid: lastPid ?? null,
        state: pid === undefined ? 'exited' : 'running',
        exit,
        metrics: plan.metrics,
        log: plan.log,
      })),
      gateways: this.#plan.gateways,
      nats: this.#plan.nats.map(({ name, url }) => ({
        name,
        url,
        pid: pidOf.get(name) ?? null,
        log: logOf.get(name) ?? '',
      })),
    };
  }

  #changed(): void {
    this.#sentinel.watch(this.#processes.flatMap(({ pid }) => pid ?? []));
    if (!this.#starting) writeClusterFile(this.#plan.dataDir, this.state);
  }

  #partsOf(node: string): readonly SupervisedProcess[] {
    return this.#processes.filter(({ plan }) => plan.node === node);
  }

  #find(name: string): SupervisedProcess {
    if (this.#stopping) throw new CommandError('the cluster is stopping');
    const one = this.#processes.find(({ plan }) => plan.name === name);
    if (one !== undefined) return one;
    const names = this.#processes.map(({ plan }) => plan.name).join(', ');
    throw new CommandError(`there is no process "${name}"; there are ${names}`);
  }
}
