/**
 * Log time: what a leader stamps entries with.
 *
 * Invariants
 *   1. stamps never go back, also across leaders: a new leader starts at or above the last stamp
 *      in its log
 *   2. while one leader leads, log time runs on its monotonic clock and is bent by at most 10 %
 *      towards the reference, so a wall clock that jumps moves nothing at once
 *   3. it steps, forward only and once, when a leader is elected; a leader that does not know the
 *      reference yet steps when it does
 *
 * The reference is the latest time that a majority of the voters' wall clocks have reached (with
 * one voter, its own wall clock), so that one wrong clock moves nothing.
 */
import { type Clock, logTimeMs, type LogTimeMs } from '@kvstore/std';

const SLEW_MAX = 0.1;

export class ClusterClock {
  readonly #clock: Clock;
  /** Undefined while too few wall clocks are known. */
  readonly #referenceMs: () => number | undefined;
  #nowMs = 0;
  #readAtMs = 0;
  #lastStamp = 0;
  #owesStep = false;

  constructor(clock: Clock, referenceMs: () => number | undefined) {
    this.#clock = clock;
    this.#referenceMs = referenceMs;
  }

  /** The highest stamp seen in the log, ours or another leader's. */
  observe(stamp: LogTimeMs): void {
    if (stamp > this.#lastStamp) this.#lastStamp = stamp;
  }

  /** Called when this node becomes leader, before it stamps anything. */
  lead(): void {
    this.#nowMs = this.#lastStamp;
    this.#readAtMs = this.#clock.monotonicMs();
    this.#owesStep = true;
    this.now();
  }

  /** Log time now, without using it up. */
  now(): LogTimeMs {
    const readAt = this.#clock.monotonicMs();
    const elapsed = readAt - this.#readAtMs;
    this.#nowMs += elapsed;
    this.#readAtMs = readAt;
    const reference = this.#referenceMs();
    if (reference !== undefined) this.#follow(reference, SLEW_MAX * elapsed);
    return logTimeMs(Math.max(this.#lastStamp, Math.floor(this.#nowMs)));
  }

  #follow(reference: number, bend: number): void {
    const drift = reference - this.#nowMs;
    this.#nowMs += this.#owesStep ? Math.max(0, drift) : Math.min(bend, Math.max(-bend, drift));
    this.#owesStep = false;
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
