/**
 * A replica that stands for election (thesis 3.4, 9.6): first it asks, in its term, who would vote for
 * it; then it asks for votes in the next one. A transfer skips the first question.
 *
 * Invariants
 *   1. the own vote counts, and others are asked to follow it, once it is durable
 *   2. only voters of the configuration in force count, by its quorum
 */
import { term, type NodeId } from '@kvstore/std';
import type { VoteResult } from './quorum/majority.ts';
import { addressTo, type ReplicaState } from './replica-state.ts';

export class Candidate {
  readonly kind: 'pre-candidate' | 'candidate';
  readonly #state: ReplicaState;
  readonly #forced: boolean;
  readonly #votes = new Map<NodeId, boolean>();
  #hasAsked = false;

  constructor(state: ReplicaState, kind: 'pre-candidate' | 'candidate', forced: boolean) {
    this.#state = state;
    this.kind = kind;
    this.#forced = forced;
  }

  inspect(): readonly unknown[] {
    return [this.#forced, this.#hasAsked, ...[...this.#votes].sort()];
  }

  /** Asks whether the others would vote for this replica in the term after its own. */
  askBefore(): VoteResult {
    const { hardState, log, outbox } = this.#state;
    const { index: lastIndex, term: lastTerm } = log.last;
    const next = term(hardState.term + 1);
    for (const to of this.#others) {
      const head = { ...addressTo(this.#state, to), term: next };
      outbox.send({ kind: 'pre-vote-request', ...head, lastIndex, lastTerm });
    }
    return this.count(this.#state.config.id, true);
  }

  /** The own vote is durable: asks for the others'. Once. */
  ask(): VoteResult {
    if (this.#hasAsked) return 'pending';
    this.#hasAsked = true;
    const { log, outbox } = this.#state;
    const { index: lastIndex, term: lastTerm } = log.last;
    for (const to of this.#others) {
      const head = { ...addressTo(this.#state, to), forced: this.#forced };
      outbox.send({ kind: 'vote-request', ...head, lastIndex, lastTerm });
    }
    return this.count(this.#state.config.id, true);
  }

  count(voter: NodeId, granted: boolean): VoteResult {
    const { quorum } = this.#state.membership;
    if (quorum.has(voter) && !this.#votes.has(voter)) this.#votes.set(voter, granted);
    return quorum.voteResult(this.#votes);
  }

  get #others(): readonly NodeId[] {
    const { config, membership } = this.#state;
    return membership.quorum.voters.filter((voter) => voter !== config.id);
  }
}
