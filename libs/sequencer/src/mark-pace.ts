/**
 * How often a leader says what is committed (ADR 10): with every heartbeat while there is news and
 * three times more, then with every third one. Policy only: who publishes says so.
 */
import { type LogIndex, logIndex } from '@kvstore/std';

/** 300 ms between two marks of an idle leader. */
const REPEATED = 3;
const IDLE_HEARTBEATS = 3;

export class MarkPace {
  #marked: LogIndex = logIndex(0);
  /** Heartbeats since `#marked` was first told. */
  #heartbeats = 0;

  /** Once per heartbeat of a leader: whether a mark goes out with it. */
  isDue(commitIndex: LogIndex): boolean {
    if (commitIndex !== this.#marked) return true;
    this.#heartbeats += 1;
    return this.#heartbeats <= REPEATED || this.#heartbeats % IDLE_HEARTBEATS === 0;
  }

  published(commitIndex: LogIndex): void {
    if (commitIndex !== this.#marked) this.#heartbeats = 0;
    this.#marked = commitIndex;
  }

  /** Leadership began: whatever was marked before, nobody has heard it from this leader. */
  reset(): void {
    this.#marked = logIndex(0);
  }
}
