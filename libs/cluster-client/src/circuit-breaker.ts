/**
 * Circuit breaker of one storage (Nygard, "Release It!"): after some failures in a row it is not asked
 * for a while, then one attempt decides. The while doubles with every attempt that fails.
 *
 * Own code and not a library's: it takes its time from the `Clock` port, so that the simulator can
 * turn it, and costs a comparison per batch.
 */
import type { Clock } from '@kvstore/std';

const FAILURES_MAX = 3;
const OPEN_MS_MIN = 250;
const OPEN_MS_MAX = 4_000;

export class CircuitBreaker {
  readonly #clock: Clock;
  #failures = 0;
  #openMs = OPEN_MS_MIN;
  #openUntilMs = 0;
  /** Times it has opened. */
  trips = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False while it is open: prefer anybody else. */
  get allows(): boolean {
    return this.#clock.monotonicMs() >= this.#openUntilMs;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openMs = OPEN_MS_MIN;
    this.#openUntilMs = 0;
  }

  failed(): void {
    this.#failures += 1;
    if (this.#failures < FAILURES_MAX || !this.allows) return;
    this.trips += 1;
    this.#openUntilMs = this.#clock.monotonicMs() + this.#openMs;
    this.#openMs = Math.min(2 * this.#openMs, OPEN_MS_MAX);
  }
}
