/**
 * How long a process that ended waits before it is started again: 100 ms, doubling to 5 s, and from
 * the beginning when it has been up for 10 s.
 */
const FIRST_MS = 100;
const MAX_MS = 5_000;
const STABLE_MS = 10_000;

export class Backoff {
  #next = FIRST_MS;

  /** The pause after a run of this length. */
  after(uptimeMs: number): number {
    if (uptimeMs >= STABLE_MS) this.#next = FIRST_MS;
    const pause = this.#next;
    this.#next = Math.min(2 * pause, MAX_MS);
    return pause;
  }

  reset(): void {
    this.#next = FIRST_MS;
  }
}
