/**
 * Majorities over one set of voters (thesis 3.4): any two of them share a voter. Pure questions, no
 * state but who votes.
 */
import { assert, type NodeId } from '@kvstore/std';

export type VoteResult = 'won' | 'lost' | 'pending';

export class MajorityQuorum {
  readonly voters: readonly NodeId[];
  readonly #members: ReadonlySet<NodeId>;
  readonly #size: number;
  readonly #scratch: number[] = [];

  constructor(voters: readonly NodeId[]) {
    assert(voters.length > 0, 'a majority of no voters');
    this.voters = voters;
    this.#members = new Set(voters);
    this.#size = Math.floor(voters.length / 2) + 1;
  }

  has(node: NodeId): boolean {
    return this.#members.has(node);
  }

  /** Do the voters of whom `holds` is true form a majority? */
  isReached(holds: (voter: NodeId) => boolean): boolean {
    let count = 0;
    for (const voter of this.voters) if (holds(voter)) count++;
    return count >= this.#size;
  }

  /** The highest value that a majority has reached. */
  reached(valueOf: (voter: NodeId) => number): number {
    const values = this.#scratch;
    values.length = 0;
    for (const voter of this.voters) insertDescending(values, valueOf(voter));
    return values[this.#size - 1] as number;
  }

  /** Where an election stands; a voter without an answer is absent from `votes`. */
  voteResult(votes: ReadonlyMap<NodeId, boolean>): VoteResult {
    if (this.isReached((voter) => votes.get(voter) === true)) return 'won';
    return this.isReached((voter) => votes.get(voter) !== false) ? 'pending' : 'lost';
  }
}

/** A handful of voters: cheaper than sorting by a comparator, and asked for every acknowledgement. */
function insertDescending(values: number[], value: number): void {
  let at = values.length;
  values.push(value);
  while (at > 0 && (values[at - 1] as number) < value) {
    values[at] = values[at - 1] as number;
    at--;
  }
  values[at] = value;
}
