/**
 * One replica of one group: the Raft state machine (Ongaro's thesis, chapters 3, 4, 6.4, 9.6). The
 * manual for its caller is the header of `index.ts`.
 *
 * Invariants
 *   1. term and commit index never go down; one vote per term
 *   2. a leader never truncates or changes its own log
 *   3. what promises durability leaves only when that is durable: a vote request speaks for the
 *      candidate's own vote, a grant for the vote, an acceptance for the term and the entries
 *   4. whatever arrives in a message is dropped or answered; assertions fire only when replicas
 *      have diverged or this code is wrong
 * This file holds the terms, the changes of role and who is listened to. What a role does is in
 * `follower.ts`, `candidate.ts` and `leader.ts`, answers to candidates in `voter.ts`.
 */
import { assert, assertNever, term as asTerm } from '@kvstore/std';
import type { Chain, LogIndex, LogPosition, NodeId, Term } from '@kvstore/std';
import { Candidate } from './candidate.ts';
import { ElectionTimer } from './election-timer.ts';
import type { Entry } from './entry.ts';
import { answerHeartbeat, answerLateAppend, Follower } from './follower.ts';
import { HardStateCell } from './hard-state-cell.ts';
import { Leader } from './leader.ts';
import { RaftLog } from './log/raft-log.ts';
import type { Change } from './membership/change.ts';
import type { Configuration, ConfigurationAt, LogBase } from './membership/configuration.ts';
import { Membership } from './membership/membership.ts';
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
import { Outbox } from './outbox.ts';
import type { VoteResult } from './quorum/majority.ts';
import {
  assertConfig,
  assertRestored,
  type RaftConfig,
  type RestoredState,
} from './raft-config.ts';
import type { ChangeProposed, Proposed, RaftStatus, TransferStarted } from './raft-status.ts';
import type { HardState, Ready, SoftState } from './ready.ts';
import type { ReplicaState } from './replica-state.ts';
import { Voter } from './voter.ts';

export class RaftNode {
  readonly #state: ReplicaState;
  readonly #voter: Voter;
  #role: Follower | Candidate | Leader;
  /** Monotonic time of the last tick. */
  #tickedAtMs = 0;
  #softStateTaken: SoftState;
  #configurationTaken: Configuration;
  readonly #dropped = { malformed: 0, misaddressed: 0, strangers: 0, removed: 0 };

  constructor(config: RaftConfig, restored: RestoredState) {
    assertConfig(config);
    assertRestored(restored);
    const { tailBytesMax, configurations } = config;
    const log = new RaftLog(restored, {
      tailBytesMax,
      decodeConfiguration: (body) => configurations.decode(body),
    });
    this.#state = {
      config,
      log,
      membership: new Membership(log.configurations),
      hardState: new HardStateCell(restored.hardState),
      timer: new ElectionTimer(config.electionTicks, config.random),
      outbox: new Outbox(),
    };
    this.#voter = new Voter(this.#state);
    this.#role = new Follower(this.#state, undefined);
    this.#softStateTaken = this.#softState();
    this.#configurationTaken = this.#state.membership.configuration;
  }

  /**
   * One unit of time has passed, and it is `nowMs` on the caller's monotonic clock. Ticks that were
   * missed are not made up for.
   */
  tick(nowMs: number): void {
    const { timer } = this.#state;
    this.#tickedAtMs = nowMs;
    timer.tick();
    if (this.#role.kind === 'leader') {
      if (!this.#role.tick(nowMs)) this.#becomeFollower(this.#term, undefined);
    } else if ((timer.isExpired || this.#isSoleVoter) && this.#mayLead) {
      this.#campaign();
    }
  }

  /** A message arrived: from anyone, in any order, any number of times. The core owns it now. */
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

  /** Appends an entry if this replica leads. The core owns `body` from here on. */
  propose(body: Uint8Array): Proposed {
    if (this.#role.kind !== 'leader') return this.#notLeader;
    return this.#role.propose(body);
  }

  /** Proposes the next configuration; joint ones are left, and learners promoted, without a call. */
  changeMembers(changes: readonly Change[]): ChangeProposed {
    if (this.#role.kind !== 'leader') return this.#notLeader;
    return this.#role.changeMembers(changes);
  }

  /**
   * Begins to hand leadership over to `to`. No proposal is taken until another leader is heard, or
   * until an election timeout has passed and this one goes on.
   */
  transferLeadership(to: NodeId): TransferStarted {
    return this.#role.kind === 'leader' ? this.#role.transferTo(to) : 'not-leader';
  }

  /**
   * Gives leadership up because it serves nobody (entries do not get through, though heartbeats do),
   * and leaves the next election to the others first. Nothing when this replica does not lead.
   */
  stepDown(): void {
    if (this.#role.kind !== 'leader') return;
    this.#becomeFollower(this.#term, undefined);
    this.#state.timer.holdBack();
  }

  /**
   * Asks for the index that a linearizable read of now has to wait for. A pending `context` comes
   * back in `Ready.reads` or `Ready.abandonedReads`; the core does not look into it.
   */
  requestRead(context: number): 'pending' | 'not-leader' | 'overloaded' {
    if (this.#role.kind !== 'leader') return 'not-leader';
    return this.#role.addRead(context) ? 'pending' : 'overloaded';
  }

  /**
   * The index that a read of now has to wait for, without asking anybody, while this leader's lease
   * is certainly valid at `nowMs`, on the clock of `tick`.
   */
  leaseRead(nowMs: number): LogIndex | undefined {
    return this.#role.kind === 'leader' ? this.#role.leaseIndex(nowMs) : undefined;
  }

  /** The storage of member `node` holds everything up to `index` durably. */
  storageDurable(node: NodeId, index: LogIndex): void {
    this.#state.membership.storageDurable(node, index);
  }

  /**
   * The `Ready.append` or `Ready.install` that ended at `index` of `term`, and every earlier one, is
   * durable. Reports of entries that were overwritten meanwhile are ignored.
   */
  persisted(index: LogIndex, term: Term): void {
    if (!this.#state.log.persisted(index, term)) return;
    if (this.#role.kind === 'leader') this.#role.maybeCommit();
    if (this.#role.kind === 'follower') this.#role.sendOwed();
    this.#leaveIfDismissed();
  }

  /** A `Ready.hardState` is durable. */
  hardStatePersisted(state: HardState): void {
    const { hardState, log } = this.#state;
    hardState.persisted(state);
    if (this.#role.kind === 'follower' && this.#role.owedAcceptance <= log.durableIndex) {
      this.#role.sendOwed();
    }
    if (!hardState.isVoteDurable) return;
    this.#voter.sendOwed();
    if (this.#role.kind === 'candidate') this.#decide(this.#role.ask());
  }

  /** Answers a `LoadRequest`: `entries` follow `previous`, which is at `from` − 1. */
  loaded(to: NodeId, previous: LogPosition, entries: readonly Entry[]): void {
    if (this.#role.kind === 'leader') this.#role.onLoaded(to, previous, entries);
  }

  /**
   * The log is about to be cut at its beginning, up to `position`, which is at or below the cut point
   * of the group. Make the result durable before anything is deleted; `note` is the driver's own.
   */
  cutLog(position: LogPosition, note: Uint8Array): LogBase {
    const base = this.#state.log.cut(position, note);
    if (this.#role.kind === 'leader') this.#role.onCut();
    return base;
  }

  /** Is there anything to do for the driver? */
  hasReady(): boolean {
    const { outbox, hardState, log } = this.#state;
    return (
      !outbox.isEmpty ||
      hardState.hasChange ||
      log.hasInstall ||
      log.hasAppend ||
      log.hasCommitted ||
      (this.#role.kind === 'leader' && this.#role.hasWork) ||
      this.#hasNewConfiguration ||
      this.#hasNewSoftState
    );
  }

  /** Everything there is to do, handed out once. */
  ready(): Ready {
    const { outbox, hardState, log, membership } = this.#state;
    if (this.#role.kind === 'leader') this.#role.work();
    this.#check();
    const softState = this.#hasNewSoftState ? this.#softState() : undefined;
    if (softState !== undefined) this.#softStateTaken = softState;
    const configuration = this.#hasNewConfiguration ? membership.latest : undefined;
    this.#configurationTaken = membership.configuration;
    const { messages, reads, abandonedReads, loads } = outbox.take();
    const ready: Ready = {
      hardState: hardState.take(),
      install: log.takeInstall(),
      append: log.takeAppend(),
      messages,
      commitIndex: log.hasCommitted ? log.commitIndex : undefined,
      committed: log.takeCommitted(),
      reads,
      abandonedReads,
      loads,
      configuration,
      softState,
    };
    log.trim();
    return ready;
  }

  status(): RaftStatus {
    const { log, membership } = this.#state;
    return {
      ...this.#softState(),
      baseIndex: log.base.position.index,
      commitIndex: log.commitIndex,
      lastIndex: log.last.index,
      durableIndex: log.durableIndex,
      uncommittedBytes: log.unsettledBytes,
      configuration: membership.latest,
      cutPoint: membership.cutPoint(log.commitIndex),
      transferringTo: this.#role.kind === 'leader' ? this.#role.transferringTo : undefined,
      dropped: { ...this.#dropped },
      progress: this.#role.kind === 'leader' ? this.#role.status() : [],
    };
  }

  /** Highest index known durable on this replica. */
  get durableIndex(): LogIndex {
    return this.#state.log.durableIndex;
  }

  /** Chain up to and including an entry, while the core has it in memory. */
  chainAt(index: LogIndex): Chain | undefined {
    return this.#state.log.chainAt(index);
  }

  /** Term of an entry of the log; undefined when the log does not reach it. */
  termAt(index: LogIndex): Term | undefined {
    return this.#state.log.termAt(index);
  }

  /** The configuration at an index of the log, from its base on. */
  configurationAt(index: LogIndex): ConfigurationAt {
    return this.#state.log.configurations.at(index);
  }

  /** Entries in memory from `from` on: one, then as many more as fit; none when it is not there. */
  entriesFrom(from: LogIndex, maxBytes: number): readonly Entry[] {
    return this.#state.log.entriesFrom(from, maxBytes);
  }

  get #term(): Term {
    return this.#state.hardState.term;
  }

  /** Known in this term. */
  get #leader(): NodeId | undefined {
    if (this.#role.kind === 'leader') return this.#state.config.id;
    return this.#role.kind === 'follower' ? this.#role.leader : undefined;
  }

  get #notLeader() {
    return { kind: 'not-leader', leader: this.#leader } as const;
  }

  get #isSoleVoter(): boolean {
    const { config, membership } = this.#state;
    const { voters } = membership.quorum;
    return voters.length === 1 && voters[0] === config.id;
  }

  get #mayLead(): boolean {
    const { config, log, membership } = this.#state;
    return membership.mayLead(config.id, log.commitIndex);
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
    if (term > this.#term) {
      this.#state.hardState.enterTerm(term);
      this.#voter.forgetOwed();
    }
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
    this.#voter.forgetOwed();
    const candidate = new Candidate(this.#state, 'pre-candidate', false);
    this.#take(candidate);
    this.#state.timer.reset();
    this.#decide(candidate.askBefore());
  }

  /** The self-vote counts, and is asked to be followed, once it is durable. */
  #becomeCandidate(forced: boolean): void {
    const { config, hardState, timer } = this.#state;
    this.#voter.forgetOwed();
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
    this.#voter.answerPreVote(request, this.#leader);
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
    this.#voter.vote(request, this.#leader);
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
    this.#follow(request).onAppendRequest(request);
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

  // What the driver is told.

  get #hasNewConfiguration(): boolean {
    return this.#configurationTaken !== this.#state.membership.configuration;
  }

  get #hasNewSoftState(): boolean {
    const { role, term, leader } = this.#softStateTaken;
    return role !== this.#role.kind || term !== this.#term || leader !== this.#leader;
  }

  #softState(): SoftState {
    return { role: this.#role.kind, term: this.#term, leader: this.#leader };
  }

  /** Invariants across the parts, before anything leaves. O(members). */
  #check(): void {
    const { log } = this.#state;
    assert(log.last.term <= this.#term, 'an entry of a term that was never entered');
    log.check();
    if (this.#role.kind === 'leader') this.#role.check();
  }
}
