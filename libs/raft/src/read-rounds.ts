/**
 * Linearizable reads of one leadership (ReadIndex: thesis 6.4).
 *
 * Reads wait until a round starts; a round notes the commit index, asks a majority "am I still your
 * leader?" by a heartbeat that carries its number, and then answers its reads with that index.
 *
 * Invariants
 *   1. a round answers only reads that arrived before it started
 *   2. a round number is used once per term; only answers to the current number count (etcd#20418)
 *   3. one round is under way at a time; it may be asked again, under its number, until answered
 *   4. a round starts only after the leader has committed an entry of its own term (etcd#7331)
 * Invariant 4 is the caller's: only it sees the log.
 */
import { assert, type LogIndex, type NodeId } from '@kvstore/std';
import type { MajorityQuorum } from './quorum.ts';
import type { ReadGrant } from './ready.ts';

/** Reads of all rounds that may wait at a time. */
export const WAITING_READS_MAX = 4096;

interface Round {
  readonly index: LogIndex;
  readonly contexts: readonly number[];
  readonly confirmedBy: Set<NodeId>;
}

export class ReadRounds {
  readonly #quorum: MajorityQuorum;
  #waiting: number[] = [];
  #round: Round | undefined;
  #lastNumber = 0;

  constructor(quorum: MajorityQuorum) {
    this.#quorum = quorum;
  }

  /** Returns false when too many reads wait already. */
  add(context: number): boolean {
    if (this.#waiting.length + (this.#round?.contexts.length ?? 0) >= WAITING_READS_MAX)
      return false;
    this.#waiting.push(context);
    return true;
  }

  get canStart(): boolean {
    return this.#round === undefined && this.#waiting.length > 0;
  }

  /** The number of the round under way; 0 when there is none. */
  get current(): number {
    return this.#round === undefined ? 0 : this.#lastNumber;
  }

  /** Starts a round for all that wait. Returns its grants when `self` is a majority by itself. */
  start(self: NodeId, commitIndex: LogIndex): readonly ReadGrant[] {
    assert(this.canStart, 'a read round starts without reads, or during another');
    this.#lastNumber++;
    this.#round = { index: commitIndex, contexts: this.#waiting, confirmedBy: new Set() };
    this.#waiting = [];
    return this.confirm(self, this.#lastNumber);
  }

  /** A voter answered round `number`. Returns the grants when that completes the round. */
  confirm(voter: NodeId, number: number): readonly ReadGrant[] {
    const round = this.#round;
    if (round === undefined || number !== this.#lastNumber) return [];
    round.confirmedBy.add(voter);
    if (!this.#quorum.isReached((member) => round.confirmedBy.has(member))) return [];
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
