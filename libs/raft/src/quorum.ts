/**
 * Majorities over the voters (thesis 3.4): any two of them share a voter. Pure questions, no state
 * but who votes; changes of membership will ask two of these at once.
 */
import { assert, type LogIndex, type NodeId } from '@kvstore/std';

export type VoteResult = 'won' | 'lost' | 'pending';

export class MajorityQuorum {
  readonly voters: readonly NodeId[];
  readonly #members: ReadonlySet<NodeId>;
  readonly #size: number;
  readonly #scratch: LogIndex[] = [];

  constructor(voters: readonly NodeId[]) {
    assert(voters.length > 0, 'a group without voters');
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

  /** The highest index that a majority has reached. */
  reachedIndex(matchOf: (voter: NodeId) => LogIndex): LogIndex {
    const matches = this.#scratch;
    matches.length = 0;
    for (const voter of this.voters) matches.push(matchOf(voter));
    if (matches.length > 1) matches.sort((a, b) => b - a);
    return matches[this.#size - 1] as LogIndex;
  }

  /** Where an election stands; a voter without an answer is absent from `votes`. */
  voteResult(votes: ReadonlyMap<NodeId, boolean>): VoteResult {
    if (this.isReached((voter) => votes.get(voter) === true)) return 'won';
    return this.isReached((voter) => votes.get(voter) !== false) ? 'pending' : 'lost';
  }
}
