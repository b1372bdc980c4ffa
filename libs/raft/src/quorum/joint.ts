/**
 * The quorum of a configuration (thesis 4.3): a majority of its voters and, while it is joint, a
 * majority of the voters that it is leaving, each counted by itself and never over the union. A
 * configuration without voters (a replica that was not told of any yet) has no quorum at all.
 */
import type { NodeId } from '@kvstore/std';
import { MajorityQuorum, type VoteResult } from './majority.ts';

export class JointQuorum {
  /** Everybody whose vote counts in one of the halves, once. */
  readonly voters: readonly NodeId[];
  readonly #incoming: MajorityQuorum | undefined;
  readonly #outgoing: MajorityQuorum | undefined;

  constructor(voters: readonly NodeId[], outgoing: readonly NodeId[]) {
    this.voters = [...new Set([...voters, ...outgoing])];
    this.#incoming = voters.length > 0 ? new MajorityQuorum(voters) : undefined;
    this.#outgoing = outgoing.length > 0 ? new MajorityQuorum(outgoing) : undefined;
  }

  has(node: NodeId): boolean {
    return this.#incoming?.has(node) === true || this.#outgoing?.has(node) === true;
  }

  isReached(holds: (voter: NodeId) => boolean): boolean {
    if (this.#incoming === undefined || !this.#incoming.isReached(holds)) return false;
    return this.#outgoing === undefined || this.#outgoing.isReached(holds);
  }

  /** The highest value that a quorum has reached; 0 without voters. */
  reached(valueOf: (voter: NodeId) => number): number {
    const incoming = this.#incoming?.reached(valueOf) ?? 0;
    if (this.#outgoing === undefined) return incoming;
    return Math.min(incoming, this.#outgoing.reached(valueOf));
  }

  /** Won when both halves are, lost when one of them is. */
  voteResult(votes: ReadonlyMap<NodeId, boolean>): VoteResult {
    if (this.#incoming === undefined) return 'lost';
    const incoming = this.#incoming.voteResult(votes);
    const outgoing = this.#outgoing?.voteResult(votes) ?? 'won';
    if (incoming === 'lost' || outgoing === 'lost') return 'lost';
    return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending';
  }
}
