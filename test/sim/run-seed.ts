/**
 * One seed, from nothing to its verdict: a cluster starts, clients work while faults happen (safety
 * phase), the faults end and everything must come to rest in a bounded time (liveness phase), and what
 * clients saw is held against what was committed.
 */
import { ClusterChecker } from './invariants/cluster-checker.ts';
import { HistoryInvariants } from './invariants/history-invariants.ts';
import { InvariantViolation, Ledger } from './invariants/ledger.ts';
import { replicasOf } from './invariants/quorums.ts';
import { FaultAtlas } from './world/fault-atlas.ts';
import { Nemesis } from './world/nemesis.ts';
import { Scheduler } from './world/scheduler.ts';
import { SimCluster, type SimNode } from './world/sim-cluster.ts';
import { NO_REDUCTION, optionsOf, type Reduction, type SimOptions } from './world/sim-options.ts';
import { WorkloadRunner } from './world/workload.ts';

export type LogLine = (ms: number, who: string, what: string, detail: string) => void;

export interface SeedReport {
  readonly seed: number;
  readonly violation: InvariantViolation | undefined;
  readonly traceHash: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly operations: number;
  /** Its history was too hard to order: I18 was not checked. */
  readonly gaveUp: boolean;
  readonly faults: FaultAtlas;
  readonly ledger: Ledger;
}

/** Ten election timeouts of at most 600 ms. */
const LEADER_WITHIN_MS = 6_000;
const CONVERGED_WITHIN_MS = 10_000;
const STEADY_MS = 1_000;
const STEP_MS = 50;

/** Must be called outside of any promise: it runs all microtasks itself. */
export function runSeed(
  seed: number,
  reduction: Reduction = NO_REDUCTION,
  log: LogLine = () => undefined,
): SeedReport {
  return new SeedRun(optionsOf(seed, reduction), log).run();
}

let current: Scheduler | undefined;

/** A promise that nobody waited for was rejected: a bug of the code under simulation. */
export function failCurrentSeed(error: unknown): void {
  if (current === undefined) throw error;
  current.fail(error);
}

class SeedRun {
  readonly #options: SimOptions;
  readonly #scheduler = new Scheduler();
  readonly #atlas = new FaultAtlas();
  readonly #ledger = new Ledger((violation) => this.#scheduler.fail(violation));
  readonly #checker: ClusterChecker;
  readonly #cluster: SimCluster;
  readonly #clients: WorkloadRunner;
  readonly #nemesis: Nemesis;
  #gaveUp = false;

  constructor(options: SimOptions, log: LogLine) {
    this.#options = options;
    const tell = (who: string, what: string, detail: string): void => {
      log(this.#scheduler.nowMs, who, what, detail);
    };
    this.#checker = new ClusterChecker(options, this.#scheduler, this.#ledger, this.#atlas, tell);
    this.#cluster = new SimCluster(this.#scheduler, options, this.#atlas, this.#checker);
    this.#checker.watch(this.#cluster);
    this.#clients = new WorkloadRunner(this.#scheduler, this.#cluster, options);
    this.#checker.onDied = (process) => {
      if (process.role === 'gateway') this.#clients.gatewayDied(process);
    };
    this.#nemesis = new Nemesis(this.#scheduler, this.#cluster, options, this.#atlas, (what) => {
      tell('', 'fault', what);
    });
  }

  run(): SeedReport {
    current = this.#scheduler;
    let violation: InvariantViolation | undefined;
    try {
      this.#safety();
      this.#liveness();
      this.#history();
    } catch (error) {
      violation = asViolation(error);
    } finally {
      current = undefined;
    }
    return {
      violation,
      seed: this.#options.seed,
      traceHash: this.#scheduler.traceHash,
      events: this.#scheduler.events,
      simulatedMs: this.#scheduler.nowMs,
      operations: this.#clients.history.length + this.#clients.weakReads.length,
      gaveUp: this.#gaveUp,
      faults: this.#atlas,
      ledger: this.#ledger,
    };
  }

  #safety(): void {
    this.#cluster.startAll();
    this.#scheduler.settle();
    this.#clients.start();
    this.#nemesis.start();
    this.#scheduler.settle();
    const { safetyMs, quietMs } = this.#options;
    this.#scheduler.runUntil((safetyMs - quietMs) * 1000);
    this.#clients.stop();
    this.#scheduler.runUntil(safetyMs * 1000);
  }

  #liveness(): void {
    this.#nemesis.heal();
    this.#scheduler.settle();
    this.#scheduler.runUntil(this.#nemesis.overAtUs);
    this.#within('L1', LEADER_WITHIN_MS, () => this.#hasLeader, 'no leader');
    this.#within('L2', CONVERGED_WITHIN_MS, () => this.#waiting === 0, 'requests wait');
    this.#within('L3', CONVERGED_WITHIN_MS, () => this.#hasConverged, 'storages are behind');
    let answered = false;
    this.#clients.finalRound().then(
      () => {
        answered = true;
      },
      (error: unknown) => this.#scheduler.fail(error),
    );
    this.#scheduler.settle();
    this.#within('L2', CONVERGED_WITHIN_MS, () => answered, 'the last requests wait');
    this.#within('L3', CONVERGED_WITHIN_MS, () => this.#hasConverged, 'storages are behind');
    const before = this.#leadership;
    this.#scheduler.runUntil(this.#scheduler.nowUs + STEADY_MS * 1000);
    // Why: leadership may be on its way to a voter of higher priority just now.
    this.#within('L1', LEADER_WITHIN_MS, () => this.#hasLeader, 'no leader');
    const now = this.#leadership;
    this.#ledger.expect('L1', before === now || this.#isPreferred(before, now), () => {
      return `${before} became ${now} with nothing wrong`;
    });
  }

  #within(id: 'L1' | 'L2' | 'L3', boundMs: number, holds: () => boolean, what: string): void {
    const untilMs = this.#scheduler.nowMs + boundMs;
    while (!holds() && this.#scheduler.nowMs < untilMs) {
      this.#scheduler.runUntil(this.#scheduler.nowUs + STEP_MS * 1000);
    }
    this.#ledger.expect(id, holds(), () => `${what} after ${boundMs} ms: ${this.#state}`);
  }

  #history(): void {
    const { committed } = this.#checker.ghost;
    let replayed: HistoryInvariants | undefined;
    HistoryInvariants.replay(this.#ledger, committed).then(
      (result) => {
        replayed = result;
      },
      (error: unknown) => this.#scheduler.fail(error),
    );
    this.#scheduler.settle();
    if (replayed === undefined) throw new Error('the replay did not finish');
    for (const { id, replica } of this.#cluster.nodes) {
      if (replica !== undefined) this.#checker.storages.checkState(id, replica.store);
    }
    this.#checker.storages.checkReplayed(committed.length, replayed.hash);
    replayed.check(this.#clients.history, this.#clients.weakReads);
    this.#gaveUp = replayed.gaveUp;
  }

  /** Who takes part and can be expected to run: a damaged node may refuse to. */
  get #members() {
    const leader = this.#leader;
    const members = leader && replicasOf(this.#checker.ghost.logOf(leader.id).configuration);
    return this.#cluster.nodes.filter(({ id, consensus }) => {
      return consensus?.isAlive === true && members?.includes(id) !== false;
    });
  }

  get #waiting(): number {
    return this.#clients.running + this.#nemesis.operator.waiting;
  }

  get #leadership(): string {
    const leader = this.#leader;
    if (leader === undefined) return 'nobody';
    return `${leader.id} in term ${leader.sequencer?.status().term}`;
  }

  get #leader(): SimNode | undefined {
    return this.#cluster.nodes.find(({ sequencer }) => sequencer?.status().role === 'leader');
  }

  /** A voter of higher priority may take over, which is why it has that. */
  #isPreferred(before: string, now: string): boolean {
    const leader = this.#leader;
    if (leader === undefined) return false;
    const { priorities } = this.#checker.ghost.logOf(leader.id).configuration;
    const of = (leadership: string): number =>
      priorities.find(({ node }) => leadership.startsWith(`${node} `))?.priority ?? 0;
    return of(now) > of(before);
  }

  get #hasLeader(): boolean {
    return this.#leadership !== 'nobody';
  }

  get #hasConverged(): boolean {
    const commits = this.#members.map(({ sequencer }) => sequencer?.status().commitIndex ?? -1);
    const applied = this.#cluster.nodes.map(({ replica }) => replica?.store.applied.index ?? -1);
    return new Set([...commits, ...applied]).size === 1;
  }

  get #state(): string {
    const nodes = this.#cluster.nodes.map(({ id, consensus, sequencer, replica }) => {
      const status = sequencer?.status();
      const state = consensus?.isAlive === true ? (status?.role ?? 'recovering') : 'down';
      const applied = replica?.store.applied.index ?? '-';
      return `${id} ${state} term ${status?.term} commit ${status?.commitIndex} last ${status?.lastIndex} applied ${applied}`;
    });
    return [...nodes, `${this.#waiting} requests wait`].join('; ');
  }
}

function asViolation(error: unknown): InvariantViolation {
  if (error instanceof InvariantViolation) return error;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new InvariantViolation('assertion', text);
}
