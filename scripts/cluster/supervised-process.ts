/**
 * One process of the cluster: spawned in a process group of its own with its output appended to its
 * log, started again with a back-off when it ends by itself, left alone when it was told to stop.
 *
 * Invariants
 *   1. at most one child lives; `pid` is its number and its group's
 *   2. after `stop` or `kill` nothing is started until `start`
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { Backoff } from './backoff.ts';
import { lastLine } from './log-tail.ts';
import type { ProcessPlan } from './topology.ts';

/** What runs an app: the command and its first arguments. */
export type Program = readonly [command: string, ...rest: readonly string[]];

export interface SupervisedProcessOptions {
  readonly plan: ProcessPlan;
  readonly program: Program;
  readonly restart: boolean;
  /** After every change of `pid` or `exit`. */
  readonly changed: () => void;
  /** One line for the person at the terminal. */
  readonly notice: (line: string) => void;
}

interface Run {
  readonly child: ChildProcess;
  readonly startedAt: number;
  /** Where its output begins in the log. */
  readonly logOffset: number;
}

const START_ERROR_MS = 5_000;

export class SupervisedProcess {
  #plan: ProcessPlan;
  readonly #options: SupervisedProcessOptions;
  readonly #backoff = new Backoff();
  #run: Run | undefined;
  #lastPid: number | undefined;
  #exit: number | string | null = null;
  #again: NodeJS.Timeout | undefined;
  #wanted = false;
  #told: string | undefined;

  constructor(options: SupervisedProcessOptions) {
    this.#plan = options.plan;
    this.#options = options;
  }

  get plan(): ProcessPlan {
    return this.#plan;
  }

  /** For its next start. */
  replan(plan: ProcessPlan): void {
    this.#plan = plan;
  }

  /** Undefined unless it runs. */
  get pid(): number | undefined {
    return this.#run?.child.pid;
  }

  /** Of this run, else of the last one; undefined when it never ran. */
  get lastPid(): number | undefined {
    return this.#lastPid;
  }

  /** Code or signal of the last end; null when it runs or never ran. */
  get exit(): number | string | null {
    return this.#exit;
  }

  /** It runs, or waits to be started again. */
  get isWanted(): boolean {
    return this.#run !== undefined || this.#again !== undefined;
  }

  /** Spawns it. No effect on a running one. */
  start(): void {
    this.#wanted = true;
    this.#backoff.reset();
    if (this.#run === undefined) this.#spawn();
  }

  /** SIGTERM, and SIGKILL when it has not ended after the grace period. Resolves when it has. */
  async stop(graceMs: number): Promise<void> {
    this.#unwant();
    const child = this.#run?.child;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    const overdue = setTimeout(() => this.#signal('SIGKILL'), graceMs);
    this.#signal('SIGTERM');
    await ended;
    clearTimeout(overdue);
  }

  kill(): void {
    this.#unwant();
    this.#signal('SIGKILL');
  }

  #unwant(): void {
    this.#wanted = false;
    clearTimeout(this.#again);
    this.#again = undefined;
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // It has ended, and its exit is about to be told.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  #spawn(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    const { program } = this.#options;
    const { plan } = this;
    const [command, ...first] = program;
    const log = openSync(plan.log, 'a', 0o600);
    const logOffset = fstatSync(log).size;
    const child = spawn(command, [...first, ...plan.arguments], {
      env: plan.environment,
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    if (child.pid === undefined) {
      child.once('error', (error) => this.#failed(error.message));
      return;
    }
    const run = { child, startedAt: performance.now(), logOffset };
    this.#run = run;
    this.#lastPid = child.pid;
    this.#exit = null;
    child.once('exit', (code, signal) => this.#ended(run, code ?? signal));
    this.#options.changed();
  }

  #ended(run: Run, exit: number | string | null): void {
    const uptimeMs = performance.now() - run.startedAt;
    this.#run = undefined;
    this.#exit = exit;
    this.#restartAfter(uptimeMs);
    this.#options.changed();
    if (this.#wanted) this.#tell(exit, uptimeMs, run.logOffset);
  }

  /** It was never a process: as if it had ended at once. */
  #failed(reason: string): void {
    this.#exit = null;
    this.#restartAfter(0);
    this.#options.changed();
    this.#tellOnce('cannot start', reason);
  }

  #restartAfter(uptimeMs: number): void {
    if (!this.#wanted || !this.#options.restart) return;
    this.#again = setTimeout(() => this.#spawn(), this.#backoff.after(uptimeMs));
  }

  /** A start error is told in its own words, and once; it would be the same at every restart. */
  #tell(exit: number | string | null, uptimeMs: number, logOffset: number): void {
    const isShort = uptimeMs < START_ERROR_MS;
    const reason = isShort && exit === 1 ? lastLine(this.plan.log, logOffset) : undefined;
    if (!isShort) this.#told = undefined;
    if (reason !== undefined) this.#tellOnce('cannot start', reason);
    else this.#tellOnce(`ended (${exit ?? 'unknown'})`);
  }

  #tellOnce(what: string, reason?: string): void {
    const next = this.#options.restart ? 'it is started again' : 'it stays dead';
    const line = `${this.plan.name} ${what}; ${next}${reason === undefined ? '' : `: ${reason}`}`;
    if (this.#told === line) return;
    this.#told = line;
    this.#options.notice(line);
  }
}
