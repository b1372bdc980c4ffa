/**
 * The role of a replica, and every change of it: terms, elections, and who is listened to (thesis 3.3,
 * 3.4, 4.2.3, 9.6). What a role does is in `follower.ts`, `candidate.ts` and `leader.ts`, answers to
 * candidates are in `voter.ts`.
 *
 * Invariants
 *   1. the term never goes down; whoever sees a later one in a request or an answer enters it
 *   2. a leader steps down only for a later term, for want of a majority, when it is told to, or when
 *      it is dismissed; it never follows anybody in its own term
 *   3. a voter that may still have a leader ignores candidates, unless that leader sent them
 *   4. a replica whose log is under repair stands for no election
 */
import { assert, assertNever, term as asTerm, type NodeId, type Term } from '@kvstore/std';
import { Candidate } from './candidate.ts';
import { answerHeartbeat, answerLateAppend, Follower } from './follower.ts';
import { Leader } from './leader.ts';
import { isWellFormed } from './message-shape.ts';
import type {
  AppendRequest,
  AppendResponse,
  BaseRequest,
  HeartbeatRequest,
  HeartbeatResponse,
  Message,
  PreVoteRequest,
  PreVoteResponse,
  TimeoutNow,
  VoteRequest,
  VoteResponse,
} from './message.ts';
import type { VoteResult } from './quorum/majority.ts';
import type { DroppedMessages } from './raft-status.ts';
import type { ReplicaState } from './replica-state.ts';
import { Voter } from './voter.ts';

export class Roles {
  readonly #state: ReplicaState;
  readonly #voter: Voter;
  #role: Follower | Candidate | Leader;
  /** Monotonic time of the last tick. */
  #tickedAtMs = 0;
  readonly #dropped = { malformed: 0, misaddressed: 0, strangers: 0, removed: 0 };

  constructor(state: ReplicaState) {
    this.#state = state;
    this.#voter = new Voter(state);
    this.#role = new Follower(state, undefined);
  }

  get current(): Follower | Candidate | Leader {
    return this.#role;
  }

  get leading(): Leader | undefined {
    return this.#role.kind === 'leader' ? this.#role : undefined;
  }

  /** Known in this term. */
  get leader(): NodeId | undefined {
    if (this.#role.kind === 'leader') return this.#state.config.id;
    return this.#role.kind === 'follower' ? this.#role.leader : undefined;
  }

  get dropped(): DroppedMessages {
    return { ...this.#dropped };
  }

  inspect(): readonly unknown[] {
    return [this.#role.kind, this.#voter.owed, this.#role.inspect()];
  }

  tick(nowMs: number): void {
    const { timer } = this.#state;
    this.#tickedAtMs = nowMs;
    timer.tick();
    if (this.#role.kind === 'leader') {
      if (!this.#role.tick(nowMs)) this.#becomeFollower(this.#term, undefined);
    } else if ((timer.isExpired || this.#wasAlwaysAlone) && this.#mayLead) {
      this.#campaign();
    }
  }

  step(message: Message): void {
    if (!this.#admits(message)) return;
    switch (message.kind) {
      case 'pre-vote-request':
        return this.#onPreVoteRequest(message);
      case 'pre-vote-response':
        return this.#onPreVoteResponse(message);
      case 'vote-request':
        return this.#onVoteRequest(message);
      case 'vote-response':
        return this.#onVoteResponse(message);
      case 'append-request':
        return this.#onAppendRequest(message);
      case 'append-response':
        return this.#onAppendResponse(message);
      case 'base-request':
        return this.#onBaseRequest(message);
      case 'heartbeat-request':
        return this.#onHeartbeatRequest(message);
      case 'heartbeat-response':
        return this.#onHeartbeatResponse(message);
      case 'timeout-now':
        return this.#onTimeoutNow(message);
      default:
        return assertNever(message);
    }
  }

  stepDown(): void {
    if (this.#role.kind !== 'leader') return;
    this.#becomeFollower(this.#term, undefined);
    this.#state.timer.holdBack();
  }

  /** More of the log is durable. */
  onLogDurable(): void {
    if (this.#role.kind === 'leader') this.#role.maybeCommit();
    if (this.#role.kind === 'follower') this.#role.sendOwed();
    this.#leaveIfDismissed();
  }

  /** A hard state is durable, maybe not the current one. */
  onHardStateDurable(): void {
    const { hardState, log } = this.#state;
    if (this.#role.kind === 'follower' && this.#role.owedAcceptance <= log.durableIndex) {
      this.#role.sendOwed();
    }
    if (!hardState.isVoteDurable) return;
    this.#voter.sendOwed();
    if (this.#role.kind === 'candidate') this.#decide(this.#role.ask());
  }

  get #term(): Term {
    return this.#state.hardState.term;
  }

  get #isSoleVoter(): boolean {
    const { config, membership } = this.#state;
    const { voters } = membership.quorum;
    return voters.length === 1 && voters[0] === config.id;
  }

  /** Nobody else ever led: there is no lease to wait for. */
  get #wasAlwaysAlone(): boolean {
    return this.#isSoleVoter && this.#state.membership.configuration.removed.length === 0;
  }

  get #mayLead(): boolean {
    const { config, log, membership } = this.#state;
    return !log.isUnderRepair && membership.mayLead(config.id, log.commitIndex);
  }

  // Who is listened to.

  /**
   * Requests are taken from everybody but removed members: their sender may know of a configuration
   * that this replica does not have yet (thesis 4.1). Answers count only from members; see the roles.
   */
  #admits(message: Message): boolean {
    const { config, log, membership } = this.#state;
    const { from, to } = message;
    if (to !== config.id || from === to) {
      this.#dropped.misaddressed++;
      return false;
    }
    if (!isWellFormed(message)) {
      this.#dropped.malformed++;
      return false;
    }
    if (membership.isRemoved(from, log.commitIndex)) {
      this.#dropped.removed++;
      return false;
    }
    return true;
  }

  // Roles and terms.

  #becomeFollower(term: Term, leader: NodeId | undefined): void {
    assert(term >= this.#term, 'a step back to an older term');
    if (term > this.#term) this.#state.hardState.enterTerm(term);
    this.#take(new Follower(this.#state, leader));
    this.#state.timer.reset();
  }

  /**
   * The timeout passed. A sole voter needs nobody's opinion; others first ask whether they could
   * win. A candidate whose own vote is not durable yet has asked nobody and goes on waiting: another
   * term would only queue another write behind a slow disk.
   */
  #campaign(): void {
    if (this.#role.kind === 'candidate' && !this.#state.hardState.isVoteDurable) return;
    if (this.#isSoleVoter) this.#becomeCandidate(false);
    else this.#becomePreCandidate();
  }

  #becomePreCandidate(): void {
    const candidate = new Candidate(this.#state, 'pre-candidate', false);
    this.#take(candidate);
    this.#state.timer.reset();
    this.#decide(candidate.askBefore());
  }

  /** The self-vote counts, and is asked to be followed, once it is durable. */
  #becomeCandidate(forced: boolean): void {
    const { config, hardState, timer } = this.#state;
    hardState.enterTerm(asTerm(this.#term + 1));
    hardState.castVote(config.id);
    this.#take(new Candidate(this.#state, 'candidate', forced));
    timer.reset();
  }

  #becomeLeader(): void {
    assert(this.#state.hardState.isVoteDurable, 'a leader whose own vote is not durable');
    this.#take(new Leader(this.#state, this.#tickedAtMs));
  }

  #take(role: Follower | Candidate | Leader): void {
    if (this.#role.kind === 'leader') this.#state.outbox.abandon(this.#role.abandonReads());
    this.#role = role;
  }

  #decide(result: VoteResult): void {
    if (result === 'lost') this.#becomeFollower(this.#term, undefined);
    if (result !== 'won') return;
    if (this.#role.kind === 'pre-candidate') this.#becomeCandidate(false);
    else this.#becomeLeader();
  }

  #leaveIfDismissed(): void {
    if (this.#role.kind !== 'leader' || !this.#role.isDismissed) return;
    this.#role.nameSuccessor();
    this.#becomeFollower(this.#term, undefined);
  }

  /** A response: later terms depose, earlier ones are void. */
  #isForThisTerm(response: Message): boolean {
    if (response.term > this.#term) this.#becomeFollower(response.term, undefined);
    return response.term === this.#term;
  }

  // Elections.

  #onPreVoteRequest(request: PreVoteRequest): void {
    if (request.term >= this.#term && this.#ignoresVotes) return;
    this.#voter.answerPreVote(request, this.leader);
  }

  #onPreVoteResponse(response: PreVoteResponse): void {
    const isGrant = response.granted && response.term === this.#term + 1;
    const isRefusal = !response.granted && this.#isForThisTerm(response);
    if (this.#role.kind !== 'pre-candidate' || !(isGrant || isRefusal)) return;
    this.#decide(this.#role.count(response.from, isGrant));
  }

  #onVoteRequest(request: VoteRequest): void {
    if (request.term < this.#term) return this.#voter.answer(request.from, false);
    if (this.#ignoresVotes && !request.forced) return;
    if (request.term > this.#term) this.#becomeFollower(request.term, undefined);
    this.#voter.vote(request, this.leader);
  }

  #onVoteResponse(response: VoteResponse): void {
    if (!this.#isForThisTerm(response) || this.#role.kind !== 'candidate') return;
    this.#decide(this.#role.count(response.from, response.granted));
  }

  /** Only the leader of this term may ask for an election, and only a voter can do anything with it. */
  #onTimeoutNow({ from, term }: TimeoutNow): void {
    if (term !== this.#term || this.#role.kind !== 'follower') return;
    if (this.#role.leader !== from || !this.#mayLead) return;
    this.#becomeCandidate(true);
  }

  /** Whether this replica may still have a leader that others would have to wait for. */
  get #ignoresVotes(): boolean {
    return this.#role.kind === 'leader' || this.#state.timer.protectsLeader;
  }

  // Following.

  #onAppendRequest(request: AppendRequest): void {
    if (request.term < this.#term) {
      return answerLateAppend(this.#state, request.from, request.previousIndex);
    }
    if (!this.#follow(request).onAppendRequest(request)) this.#dropped.malformed++;
  }

  #onBaseRequest(request: BaseRequest): void {
    if (request.term < this.#term) {
      return answerLateAppend(this.#state, request.from, request.base.position.index);
    }
    this.#follow(request).onBaseRequest(request);
  }

  #onHeartbeatRequest(request: HeartbeatRequest): void {
    if (request.term < this.#term) return answerHeartbeat(this.#state, request.from, 0);
    this.#follow(request).onHeartbeatRequest(request);
  }

  #follow({ from, term }: AppendRequest | BaseRequest | HeartbeatRequest): Follower {
    if (term > this.#term) this.#becomeFollower(term, from);
    assert(this.#role.kind !== 'leader', 'two leaders in one term');
    if (this.#role.kind !== 'follower') this.#becomeFollower(term, from);
    assert(this.#role.kind === 'follower', 'a follower was made');
    this.#role.heard(from);
    return this.#role;
  }

  // Leading.

  #onAppendResponse(response: AppendResponse): void {
    if (!this.#isForThisTerm(response) || this.#role.kind !== 'leader') return;
    if (!this.#role.onAppendResponse(response)) this.#dropped.strangers++;
    this.#leaveIfDismissed();
  }

  #onHeartbeatResponse(response: HeartbeatResponse): void {
    if (!this.#isForThisTerm(response) || this.#role.kind !== 'leader') return;
    if (!this.#role.onHeartbeatResponse(response)) this.#dropped.strangers++;
  }
}
