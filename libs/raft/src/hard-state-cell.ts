/**
 * Term and vote (thesis 3.4, figure 3.1), and how far they are durable.
 *
 * Invariants
 *   1. the term never goes down; a vote is cast once per term and never taken back
 *   2. current ≥ handed out ≥ durable
 * Whatever tells others of the term or the vote asks here first whether it may leave.
 */
import { assert, type NodeId, type Term } from '@kvstore/std';
import type { HardState } from './ready.ts';

export class HardStateCell {
  #current: HardState;
  #taken: HardState;
  #durable: HardState;

  constructor(restored: HardState) {
    this.#current = restored;
    this.#taken = restored;
    this.#durable = restored;
  }

  get term(): Term {
    return this.#current.term;
  }

  get vote(): NodeId | undefined {
    return this.#current.vote;
  }

  get isTermDurable(): boolean {
    return this.#durable.term === this.#current.term;
  }

  get isVoteDurable(): boolean {
    return this.isTermDurable && this.#durable.vote === this.#current.vote;
  }

  /** Enters a later term, in which no vote is cast yet. */
  enterTerm(term: Term): void {
    assert(term > this.#current.term, 'the term does not grow');
    this.#current = { term, vote: undefined };
  }

  castVote(candidate: NodeId): void {
    const vote = this.#current.vote;
    if (vote === candidate) return;
    assert(vote === undefined, 'a second vote in one term');
    this.#current = { term: this.#current.term, vote: candidate };
  }

  get hasChange(): boolean {
    return this.#taken !== this.#current;
  }

  /** What has to become durable, handed out once. */
  take(): HardState | undefined {
    if (!this.hasChange) return undefined;
    this.#taken = this.#current;
    return this.#current;
  }

  /** Reports out of order, and of what was superseded meanwhile, are fine. */
  persisted(state: HardState): void {
    assert(!isNewer(state, this.#taken), 'a hard state is durable that was never handed out');
    if (isNewer(state, this.#durable)) this.#durable = state;
  }
}

function isNewer(a: HardState, b: HardState): boolean {
  if (a.term !== b.term) return a.term > b.term;
  return a.vote !== undefined && a.vote !== b.vote;
}
