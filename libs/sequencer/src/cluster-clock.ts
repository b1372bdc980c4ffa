/**
 * Log time: what a leader stamps entries with.
 *
 * Invariants
 *   1. stamps never go back, also across leaders: a new leader starts at or above the last stamp
 *      in its log
 *   2. while one leader leads, log time runs on its monotonic clock and is bent by at most 10 %
 *      towards the reference, so a wall clock that jumps moves nothing at once
 *   3. it steps, forward only, when a leader is elected
 *
 * The reference is the latest time that a majority of the voters' wall clocks have reached; with
 * one voter, its own wall clock.
 */
import { type Clock, logTimeMs, type LogTimeMs } from '@kvstore/std';

const SLEW_MAX = 0.1;

export class ClusterClock {
  readonly #clock: Clock;
  #nowMs = 0;
  #readAtMs = 0;
  #lastStamp = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The highest stamp seen in the log, ours or another leader's. */
  observe(stamp: LogTimeMs): void {
    if (stamp > this.#lastStamp) this.#lastStamp = stamp;
  }

  /** Called when this node becomes leader, before it stamps anything. */
  lead(): void {
    this.#nowMs = Math.max(this.#lastStamp, this.#clock.wallMs());
    this.#readAtMs = this.#clock.monotonicMs();
  }

  /** Log time now, without using it up. */
  now(): LogTimeMs {
    const readAt = this.#clock.monotonicMs();
    const elapsed = readAt - this.#readAtMs;
    const drift = this.#clock.wallMs() - (this.#nowMs + elapsed);
    const bend = SLEW_MAX * elapsed;
    this.#nowMs += elapsed + Math.min(bend, Math.max(-bend, drift));
    this.#readAtMs = readAt;
    return logTimeMs(Math.max(this.#lastStamp, Math.floor(this.#nowMs)));
  }

  /** The stamp for the next entry. */
  stamp(): LogTimeMs {
    const now = this.now();
    this.#lastStamp = now;
    return now;
  }

  get lastStamp(): LogTimeMs {
    return logTimeMs(this.#lastStamp);
  }
}
