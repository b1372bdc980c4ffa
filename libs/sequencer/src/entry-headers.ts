/**
 * What the leader writes at the head of each entry: log time, and the epoch of the archived log. Both
 * never go down along the log; the last entry tells them to whoever leads next.
 */
import { decodeEntryHeader, type EntryHeader } from '@kvstore/contract';
import type { Entry } from '@kvstore/raft';
import type { ClusterClock } from './cluster-clock.ts';

export class EntryHeaders {
  readonly #clock: ClusterClock;
  #lastEpoch = 0;
  #committedEpoch = 0;

  constructor(clock: ClusterClock) {
    this.#clock = clock;
  }

  /** In force: the entry that began it is committed. */
  get epoch(): number {
    return this.#committedEpoch;
  }

  /** An entry stands in the log that begins a later epoch and is not committed yet. */
  get isEpochComing(): boolean {
    return this.#lastEpoch > this.#committedEpoch;
  }

  appended(entry: Entry): void {
    const { stamp, epoch } = decodeEntryHeader(entry.body);
    this.#clock.observe(stamp);
    if (epoch > this.#lastEpoch) this.#lastEpoch = epoch;
  }

  /** Of the entry before the first one of the log, which is committed. */
  based({ stamp, epoch }: EntryHeader): void {
    this.#clock.observe(stamp);
    this.#lastEpoch = Math.max(this.#lastEpoch, epoch);
    this.#committedEpoch = Math.max(this.#committedEpoch, epoch);
  }

  committed(entry: Entry): void {
    const { epoch } = decodeEntryHeader(entry.body);
    if (epoch > this.#committedEpoch) this.#committedEpoch = epoch;
  }

  next(): EntryHeader {
    return { stamp: this.#clock.stamp(), epoch: this.#lastEpoch };
  }

  nextEpoch(): EntryHeader {
    return { stamp: this.#clock.stamp(), epoch: this.#committedEpoch + 1 };
  }
}
