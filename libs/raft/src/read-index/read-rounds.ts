/**
 * Linearizable reads of one leadership (ReadIndex: thesis 6.4).
 *
 * Reads wait until a round starts; a round notes the commit index, asks a majority "am I still your
 * leader?" by heartbeats, and then answers its reads with that index. Heartbeats are numbered; a
 * follower that answers number n was this leader's when n had been sent.
 *
 * Invariants
 *   1. a round answers only reads that arrived before it started
 *   2. it is confirmed by answers to heartbeats that left after it started, and by no others: each
 *      round of heartbeats has a number of its own (etcd#20418)
 *   3. one round is under way at a time; any later heartbeat asks again for it
 *   4. a round starts only after the leader has committed an entry of its own term (etcd#7331)
 * Invariant 4 is the caller's: only it sees the log.
 */
import { assert, type LogIndex } from '@kvstore/std';
import type { ReadGrant } from '../ready.ts';

/** Reads of all rounds that may wait at a time. */
export const WAITING_READS_MAX = 4096;

interface Round {
  readonly index: LogIndex;
  readonly contexts: readonly number[];
  /** Of the first heartbeats that left after the round started. */
  readonly heartbeats: number;
}

export class ReadRounds {
  #waiting: number[] = [];
  #round: Round | undefined;

  /** Returns false when too many reads wait already. */
  add(context: number): boolean {
    const inRound = this.#round?.contexts.length ?? 0;
    if (this.#waiting.length + inRound >= WAITING_READS_MAX) return false;
    this.#waiting.push(context);
    return true;
  }

  get canStart(): boolean {
    return this.#round === undefined && this.#waiting.length > 0;
  }

  /** Starts a round for all that wait; `heartbeats` is the number of those that leave now. */
  start(heartbeats: number, index: LogIndex): void {
    assert(this.canStart, 'a read round starts without reads, or during another');
    this.#round = { index, contexts: this.#waiting, heartbeats };
    this.#waiting = [];
  }

  /** A majority has answered the heartbeats `confirmed` or later ones. */
  confirm(confirmed: number): readonly ReadGrant[] {
    const round = this.#round;
    if (round === undefined || confirmed < round.heartbeats) return [];
    this.#round = undefined;
    return round.contexts.map((context) => ({ context, index: round.index }));
  }

  /** Contexts of every read that still waits; they will never be granted. */
  abandon(): readonly number[] {
    const abandoned = [...(this.#round?.contexts ?? []), ...this.#waiting];
    this.#round = undefined;
    this.#waiting = [];
    return abandoned;
  }
}
