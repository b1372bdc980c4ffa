/**
 * The leader's lease (thesis 6.4.1): as long as a majority cannot have helped to elect somebody else,
 * what this leader has committed is all there is.
 *
 * A follower that answered the heartbeats sent at time t ignores votes for one minimum election
 * timeout after t. The lease ends at t + 0.9 × that time, so that clocks may differ by a tenth.
 *
 * Invariants
 *   1. measured from the time of sending, or an earlier one, on the leader's monotonic clock
 *   2. given up before the leader asks anybody to take over, and for as long as such a message may
 *      still be under way: for the rest of this leadership
 */
const LEASE_SHARE = 0.9;
/** Rounds whose time is remembered; the oldest go first, which only shortens the lease. */
const ROUNDS_MAX = 256;

interface SentRound {
  readonly number: number;
  readonly atMs: number;
}

export class Lease {
  readonly #durationMs: number;
  #sent: SentRound[] = [];
  #untilMs = Number.NEGATIVE_INFINITY;
  #isGivenUp = false;

  /**
   * Why one tick less: a follower counts whole ticks, and the first one after hearing its leader may
   * come at once.
   */
  constructor(electionTicks: number, tickMs: number) {
    this.#durationMs = LEASE_SHARE * (electionTicks - 1) * tickMs;
  }

  /** The heartbeats `number` leave, not before `atMs`. */
  sent(number: number, atMs: number): void {
    this.#sent.push({ number, atMs });
    if (this.#sent.length > ROUNDS_MAX) this.#sent.shift();
  }

  /** A majority has answered the heartbeats `number` or later ones. */
  confirm(number: number): void {
    let confirmed = 0;
    while (confirmed < this.#sent.length && (this.#sent[confirmed] as SentRound).number <= number) {
      confirmed++;
    }
    const newest = this.#sent[confirmed - 1];
    if (newest === undefined) return;
    this.#untilMs = newest.atMs + this.#durationMs;
    this.#sent.splice(0, confirmed);
  }

  giveUp(): void {
    this.#isGivenUp = true;
  }

  isValidAt(nowMs: number): boolean {
    return !this.#isGivenUp && nowMs < this.#untilMs;
  }
}
