/**
 * Calls `sweep` every few milliseconds while there is something to watch, and rarely otherwise, so
 * that an idle gateway is idle. `sweep` returns whether there is something; `wake` says that there is
 * from now on.
 */
import type { Timer, Timers } from '@kvstore/std';

export class Sweeper {
  readonly #timers: Timers;
  readonly #periodMs: number;
  readonly #idlePeriodMs: number;
  readonly #sweep: () => boolean;
  #timer: Timer | undefined;
  #busy = false;
  #stopped = false;

  constructor(timers: Timers, periodMs: number, idlePeriodMs: number, sweep: () => boolean) {
    this.#timers = timers;
    this.#periodMs = periodMs;
    this.#idlePeriodMs = idlePeriodMs;
    this.#sweep = sweep;
  }

  /** Cheap when awake: called per request. */
  wake(): void {
    if (this.#busy || this.#stopped) return;
    this.#busy = true;
    this.#timer?.cancel();
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    const delayMs = this.#busy ? this.#periodMs : this.#idlePeriodMs;
    this.#timer = this.#timers.after(delayMs, () => {
      if (this.#stopped) return;
      this.#busy = false;
      // Why or: the sweep itself may have woken this, and armed it.
      this.#timer = undefined;
      const busy = this.#sweep() || this.#busy;
      if (this.#timer !== undefined) return;
      this.#busy = busy;
      this.#arm();
    });
  }
}
