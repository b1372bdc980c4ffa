/**
 * Time as an election sees it, in ticks (thesis 3.4, 4.2.3, 6.4).
 *
 * Two counters: since the timer was reset (by a leader, by a granted vote, by a change of role), and
 * since a leader was last heard. Below one minimum election timeout the second one protects that
 * leader: nobody who hears it, or who may have heard it before it restarted, helps to replace it.
 */
import type { Random } from '@kvstore/std';

export class ElectionTimer {
  readonly #ticksMin: number;
  readonly #random: Random;
  #elapsed = 0;
  #sinceLeader = 0;
  #timeout: number;

  constructor(electionTicks: number, random: Random) {
    this.#ticksMin = electionTicks;
    this.#random = random;
    this.#timeout = this.#draw();
  }

  tick(): void {
    this.#elapsed++;
    this.#sinceLeader++;
  }

  /** Starts again with a fresh timeout from [electionTicks, 2 × electionTicks). */
  reset(): void {
    this.#elapsed = 0;
    this.#timeout = this.#draw();
  }

  /** Starts again, longer than anybody who does not hold back. */
  holdBack(): void {
    this.#elapsed = 0;
    this.#timeout = 2 * this.#ticksMin + this.#draw();
  }

  /** The leader of this term was heard. */
  heardLeader(): void {
    this.#elapsed = 0;
    this.#sinceLeader = 0;
  }

  get isExpired(): boolean {
    return this.#elapsed >= this.#timeout;
  }

  /** True for one minimum election timeout after hearing a leader, and after the start. */
  get protectsLeader(): boolean {
    return this.#sinceLeader < this.#ticksMin;
  }

  /** Ticks beyond those that matter are not told apart. */
  inspect(): readonly number[] {
    const elapsed = Math.min(this.#elapsed, this.#timeout);
    return [elapsed, Math.min(this.#sinceLeader, this.#ticksMin), this.#timeout];
  }

  #draw(): number {
    return this.#ticksMin + this.#random.below(this.#ticksMin);
  }
}
