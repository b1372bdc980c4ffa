/**
 * Answers to candidates (thesis 3.4, 3.6.1, 9.6), in whatever role this replica is and whatever its
 * configuration says: a candidate may know of a newer one.
 *
 * Invariant: a grant leaves when the vote is durable, and never after the term has moved on.
 */
import type { NodeId, Term } from '@kvstore/std';
import type { PreVoteRequest, VoteRequest } from './message.ts';
import { addressTo, type ReplicaState } from './replica-state.ts';

export class Voter {
  readonly #state: ReplicaState;
  /** A granted vote whose response waits for the hard state; void once the term has moved on. */
  #owedGrant: { readonly to: NodeId; readonly term: Term } | undefined;

  constructor(state: ReplicaState) {
    this.#state = state;
  }

  /** Changes nothing here: neither term nor vote nor timer. `leader`: known in this term. */
  answerPreVote(request: PreVoteRequest, leader: NodeId | undefined): void {
    const { hardState, outbox } = this.#state;
    const granted = request.term >= hardState.term && this.#couldVoteFor(request, leader);
    outbox.send({
      kind: 'pre-vote-response',
      ...addressTo(this.#state, request.from),
      term: granted ? request.term : hardState.term,
      granted,
    });
  }

  /** The request is of this replica's term. */
  vote(request: VoteRequest, leader: NodeId | undefined): void {
    if (!this.#couldVoteFor(request, leader)) return this.answer(request.from, false);
    const { hardState, timer } = this.#state;
    hardState.castVote(request.from);
    timer.reset();
    if (hardState.isVoteDurable) this.answer(request.from, true);
    else this.#owedGrant = { to: request.from, term: hardState.term };
  }

  answer(to: NodeId, granted: boolean): void {
    this.#state.outbox.send({ kind: 'vote-response', ...addressTo(this.#state, to), granted });
  }

  /** The vote of this term is durable. */
  sendOwed(): void {
    const { owed } = this;
    this.#owedGrant = undefined;
    if (owed !== undefined) this.answer(owed, true);
  }

  /** Who is owed a grant of this term. */
  get owed(): NodeId | undefined {
    const grant = this.#owedGrant;
    return grant?.term === this.#state.hardState.term ? grant.to : undefined;
  }

  #couldVoteFor(
    { from, term, lastIndex, lastTerm }: PreVoteRequest | VoteRequest,
    leader: NodeId | undefined,
  ): boolean {
    const { hardState, log } = this.#state;
    const isFree = hardState.vote === undefined && leader === undefined;
    if (term === hardState.term && hardState.vote !== from && !isFree) return false;
    return log.isUpToDate(lastIndex, lastTerm);
  }
}
