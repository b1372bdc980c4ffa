/** A budget of events: `burst` at once, refilled at `perSecond`. Time is the caller's, in milliseconds. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #tokens: number;
  #refilledMs: number;

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#tokens = burst;
    this.#refilledMs = nowMs;
  }

  /** False when the budget is spent. */
  take(nowMs: number): boolean {
    if (this.#tokens < 1) {
      const refill = ((nowMs - this.#refilledMs) * this.#perSecond) / 1_000;
      this.#tokens = Math.min(this.#burst, this.#tokens + refill);
      this.#refilledMs = nowMs;
      if (this.#tokens < 1) return false;
    }
    this.#tokens--;
    return true;
  }

  /** Useful work pays for what accompanies it, up to the burst. */
  giveBack(count: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + count);
  }
}
