/** Timers that fire when a test says so. */
import type { Timer, Timers } from '@kvstore/std';

export class ManualTimers implements Timers {
  readonly #pending = new Set<{ readonly delayMs: number; readonly callback: () => void }>();

  get pending(): readonly number[] {
    return [...this.#pending].map((timer) => timer.delayMs);
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { delayMs, callback };
    this.#pending.add(timer);
    return { cancel: () => void this.#pending.delete(timer) };
  }

  every(): Timer {
    throw new Error('not used');
  }

  endOfTurn(): void {
    throw new Error('not used');
  }

  /** Fires all that are pending now with at most this delay. */
  fire(delayMsMax = Number.POSITIVE_INFINITY): void {
    const due = [...this.#pending].filter(({ delayMs }) => delayMs <= delayMsMax);
    for (const timer of due) this.#pending.delete(timer);
    for (const timer of due) timer.callback();
  }
}
