/**
 * Those who wait until this replica has applied an index and reached a revision: reads and outcome
 * queries. Bounded in number and, by the caller's `waitMs`, in time; each is called exactly once.
 */
import type { Clock, LogIndex, Revision, Timer, Timers } from '@kvstore/std';

export interface Awaited {
  readonly index: LogIndex;
  readonly revision: Revision;
}

interface Waiter {
  readonly awaited: Awaited;
  readonly deadlineMs: number;
  readonly done: (reached: boolean) => void;
}

const WAITERS_MAX = 4096;
/** Who waits for a revision, which may never come, leaves places for who waits for an index. */
const REVISION_WAITERS_MAX = 2048;
const SWEEP_MS = 5;

export class Waiters {
  readonly #clock: Clock;
  readonly #timers: Timers;
  #waiting: Waiter[] = [];
  #sweeper: Timer | undefined;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** False when too many wait already: `done` is not called then. */
  add(awaited: Awaited, waitMs: number, done: (reached: boolean) => void): boolean {
    const max = awaited.revision > 0 ? REVISION_WAITERS_MAX : WAITERS_MAX;
    if (this.#waiting.length >= max) return false;
    this.#waiting.push({ awaited, deadlineMs: this.#clock.monotonicMs() + waitMs, done });
    this.#sweeper ??= this.#timers.every(SWEEP_MS, () => this.#sweep());
    return true;
  }

  /** Called when the replica has moved on. */
  reached(at: Awaited): void {
    if (this.#waiting.length === 0) return;
    this.#settle(
      ({ awaited }) => awaited.index <= at.index && awaited.revision <= at.revision,
      true,
    );
  }

  /** Gives up on everybody: the replica stops. */
  close(): void {
    this.#settle(() => true, false);
  }

  #sweep(): void {
    const now = this.#clock.monotonicMs();
    this.#settle((waiter) => waiter.deadlineMs <= now, false);
  }

  #settle(ready: (waiter: Waiter) => boolean, reached: boolean): void {
    const settled = this.#waiting.filter(ready);
    if (settled.length > 0) this.#waiting = this.#waiting.filter((waiter) => !ready(waiter));
    if (this.#waiting.length === 0) {
      this.#sweeper?.cancel();
      this.#sweeper = undefined;
    }
    for (const waiter of settled) waiter.done(reached);
  }
}
