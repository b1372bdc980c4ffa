/**
 * One replica of one group: the Raft state machine (Ongaro's thesis, chapters 3, 4.2.3, 6.4, 9.6).
 * The manual for its caller is the header of `index.ts`.
 *
 * Invariants
 *   1. term and commit index never go down; one vote per term
 *   2. a leader never truncates or changes its own log
 *   3. what promises durability leaves only when that is durable: a vote request speaks for the
 *      candidate's own vote, a grant for the vote, an acceptance for the term and the entries
 *   4. whatever arrives in a message is dropped or answered; assertions fire only when replicas
 *      have diverged or this code is wrong
 * This file holds roles, terms and votes. The log, the leader's knowledge, the durability of term
 * and vote, time and reads are parts of their own.
 */
import { assert, assertNever, logIndex, term as asTerm } from '@kvstore/std';
import type { Chain, LogIndex, LogPosition, NodeId, Term } from '@kvstore/std';
import { appendEntries } from './append-entries.ts';
import { ElectionTimer } from './election-timer.ts';
import { ENTRY_OVERHEAD_BYTES, EntryKind, type Entry } from './entry.ts';
import { HardStateCell } from './hard-state-cell.ts';
import { Leadership } from './leadership.ts';
import { isWellFormed } from './message-shape.ts';
import type {
  AppendRequest,
  AppendResponse,
  HeartbeatRequest,
  Message,
  PreVoteRequest,
  PreVoteResponse,
  VoteRequest,
  VoteResponse,
} from './message.ts';
import { Outbox } from './outbox.ts';
import { MajorityQuorum } from './quorum.ts';
import {
  assertConfig,
  assertRestored,
  type RaftConfig,
  type RestoredState,
} from './raft-config.ts';
import { RaftLog } from './raft-log.ts';
import type { Proposed, RaftStatus } from './raft-status.ts';
import { Role, type HardState, type Ready, type SoftState } from './ready.ts';

export class RaftNode {
  readonly #config: RaftConfig;
  readonly #quorum: MajorityQuorum;
  readonly #log: RaftLog;
  readonly #hardState: HardStateCell;
  readonly #timer: ElectionTimer;
  readonly #outbox = new Outbox();

  #role: Role = Role.follower;
  #leader: NodeId | undefined;
  /** Answers of the election under way; undefined on followers and leaders. */
  #votes: Map<NodeId, boolean> | undefined;
  #leadership: Leadership | undefined;

  /** A granted vote whose response waits for the hard state. */
  #owedGrant: NodeId | undefined;
  /** The log equals the leader's up to here, and an acceptance of it waits for the disk; else 0. */
  #owedAcceptance = logIndex(0);

  #softStateTaken: SoftState;

  constructor(config: RaftConfig, restored: RestoredState) {
    assertConfig(config);
    assertRestored(restored);
    this.#config = config;
    this.#quorum = new MajorityQuorum(config.voters);
    this.#log = new RaftLog(restored, config.tailBytesMax);
    this.#hardState = new HardStateCell(restored.hardState);
    this.#timer = new ElectionTimer(config.electionTicks, config.random);
    this.#softStateTaken = this.#softState();
  }

  /** One unit of time has passed. Ticks that were missed are not made up for. */
  tick(): void {
    this.#timer.tick();
    if (this.#leadership !== undefined) {
      if (!this.#leadership.tick()) this.#becomeFollower(this.#term, undefined);
    } else if (this.#timer.isExpired || this.#isSoleVoter) {
      this.#campaign();
    }
  }

  /** A message arrived: from anyone, in any order, any number of times. The core owns it now. */
  step(message: Message): void {
    const { from, to } = message;
    if (to !== this.#config.id || from === to || !this.#quorum.has(from)) return;
    if (!isWellFormed(message)) return;
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
      case 'heartbeat-request':
        return this.#onHeartbeatRequest(message);
      case 'append-response':
        if (this.#isForThisTerm(message)) this.#leadership?.onAppendResponse(message);
        return;
      case 'heartbeat-response':
        if (this.#isForThisTerm(message)) this.#leadership?.onHeartbeatResponse(message);
        return;
      default:
        return assertNever(message);
    }
  }

  /** Appends an entry if this replica leads. The core owns `body` from here on. */
  propose(body: Uint8Array): Proposed {
    if (this.#leadership === undefined) return { kind: 'not-leader', leader: this.#leader };
    const held = this.#log.unsettledBytes;
    if (held > 0 && held + body.length + ENTRY_OVERHEAD_BYTES > this.#config.uncommittedBytesMax) {
      return { kind: 'overloaded' };
    }
    const entry = this.#log.appendNew(this.#term, EntryKind.data, body);
    return { kind: 'appended', index: entry.index, term: entry.term };
  }

  /**
   * Gives leadership up because it serves nobody (entries do not get through, though heartbeats do),
   * and leaves the next election to the others first. Nothing when this replica does not lead.
   */
  stepDown(): void {
    if (this.#leadership === undefined) return;
    this.#becomeFollower(this.#term, undefined);
    this.#timer.holdBack();
  }

  /**
   * Asks for the index that a linearizable read of now has to wait for. A pending `context` comes
   * back in `Ready.reads` or `Ready.abandonedReads`; the core does not look into it.
   */
  requestRead(context: number): 'pending' | 'not-leader' | 'overloaded' {
    if (this.#leadership === undefined) return 'not-leader';
    return this.#leadership.addRead(context) ? 'pending' : 'overloaded';
  }

  /**
   * The `Ready.append` that ended at `index` of `term`, and every earlier one, is durable. Reports
   * of entries that were overwritten meanwhile are ignored.
   */
  persisted(index: LogIndex, term: Term): void {
    if (!this.#log.persisted(index, term)) return;
    this.#leadership?.maybeCommit();
    this.#sendOwedAcceptance();
  }

  /** A `Ready.hardState` is durable. */
  hardStatePersisted(state: HardState): void {
    this.#hardState.persisted(state);
    if (this.#owedAcceptance <= this.#log.durableIndex) this.#sendOwedAcceptance();
    if (!this.#hardState.isVoteDurable) return;
    if (this.#owedGrant !== undefined) this.#answerVote(this.#owedGrant, true);
    this.#owedGrant = undefined;
    if (this.#role === Role.candidate) this.#standForElection();
  }

  /** Answers a `LoadRequest`: `entries` follow `previous`, which is at `from` − 1. */
  loaded(to: NodeId, previous: LogPosition, entries: readonly Entry[]): void {
    this.#leadership?.onLoaded(to, previous, entries);
  }

  /** Is there anything to do for the driver? */
  hasReady(): boolean {
    return (
      !this.#outbox.isEmpty ||
      this.#hardState.hasChange ||
      this.#log.hasAppend ||
      this.#log.hasCommitted ||
      this.#leadership?.hasWork === true ||
      this.#hasNewSoftState
    );
  }

  /** Everything there is to do, handed out once. */
  ready(): Ready {
    this.#leadership?.work();
    this.#check();
    const softState = this.#hasNewSoftState ? this.#softState() : undefined;
    if (softState !== undefined) this.#softStateTaken = softState;
    const ready: Ready = {
      hardState: this.#hardState.take(),
      append: this.#log.takeAppend(),
      commitIndex: this.#log.hasCommitted ? this.#log.commitIndex : undefined,
      committed: this.#log.takeCommitted(),
      softState,
      ...this.#outbox.take(),
    };
    this.#log.trim();
    return ready;
  }

  status(): RaftStatus {
    return {
      role: this.#role,
      term: this.#term,
      leader: this.#leader,
      commitIndex: this.#log.commitIndex,
      lastIndex: this.#log.last.index,
      durableIndex: this.#log.durableIndex,
      uncommittedBytes: this.#log.unsettledBytes,
      progress: this.#leadership?.status() ?? [],
    };
  }

  /** Chain up to and including an entry, while the core has it in memory. */
  chainAt(index: LogIndex): Chain | undefined {
    return this.#log.chainAt(index);
  }

  /** Term of an entry of the log; undefined when the log does not reach it. */
  termAt(index: LogIndex): Term | undefined {
    return this.#log.termAt(index);
  }

  /** Entries in memory from `from` on: one, then as many more as fit; none when it is not there. */
  entriesFrom(from: LogIndex, maxBytes: number): readonly Entry[] {
    return this.#log.entriesFrom(from, maxBytes);
  }

  get #term(): Term {
    return this.#hardState.term;
  }

  get #isSoleVoter(): boolean {
    return this.#quorum.voters.length === 1;
  }

  // Roles and terms.

  #becomeFollower(term: Term, leader: NodeId | undefined): void {
    assert(term >= this.#term, 'a step back to an older term');
    if (term > this.#term) {
      this.#hardState.enterTerm(term);
      this.#forgetOwed();
    }
    this.#resign();
    this.#role = Role.follower;
    this.#leader = leader;
    this.#timer.reset();
  }

  /**
   * The timeout passed. A sole voter needs nobody's opinion; others first ask whether they could
   * win. A candidate whose own vote is not durable yet has asked nobody and goes on waiting: another
   * term would only queue another write behind a slow disk.
   */
  #campaign(): void {
    if (this.#role === Role.candidate && !this.#hardState.isVoteDurable) return;
    if (this.#isSoleVoter) this.#becomeCandidate();
    else this.#becomePreCandidate();
  }

  #becomePreCandidate(): void {
    this.#resign();
    this.#forgetOwed();
    this.#role = Role.preCandidate;
    this.#leader = undefined;
    this.#timer.reset();
    this.#votes = new Map([[this.#config.id, true]]);
    const { index: lastIndex, term: lastTerm } = this.#log.last;
    for (const to of this.#quorum.voters) {
      if (to === this.#config.id) continue;
      const term = asTerm(this.#term + 1);
      this.#outbox.send({ kind: 'pre-vote-request', ...this.#to(to), term, lastIndex, lastTerm });
    }
  }

  /** The self-vote counts, and is asked to be followed, once it is durable. */
  #becomeCandidate(): void {
    this.#resign();
    this.#forgetOwed();
    this.#hardState.enterTerm(asTerm(this.#term + 1));
    this.#hardState.castVote(this.#config.id);
    this.#role = Role.candidate;
    this.#leader = undefined;
    this.#timer.reset();
    this.#votes = new Map();
  }

  #standForElection(): void {
    if (this.#votes?.has(this.#config.id) === true) return;
    const { index: lastIndex, term: lastTerm } = this.#log.last;
    for (const to of this.#quorum.voters) {
      if (to === this.#config.id) continue;
      this.#outbox.send({ kind: 'vote-request', ...this.#to(to), lastIndex, lastTerm });
    }
    this.#count(this.#config.id, true);
  }

  #becomeLeader(): void {
    assert(this.#hardState.isVoteDurable, 'a leader whose own vote is not durable');
    const { id } = this.#config;
    this.#votes = undefined;
    this.#role = Role.leader;
    this.#leader = id;
    this.#leadership = new Leadership(
      this.#config,
      this.#term,
      this.#log,
      this.#quorum,
      this.#outbox,
    );
    this.#log.appendNew(this.#term, EntryKind.opening, this.#config.openingBody(this.#term));
  }

  #resign(): void {
    if (this.#leadership !== undefined) this.#outbox.abandon(this.#leadership.abandonReads());
    this.#leadership = undefined;
    this.#votes = undefined;
  }

  #forgetOwed(): void {
    this.#owedGrant = undefined;
    this.#owedAcceptance = logIndex(0);
  }

  /** A response: later terms depose, earlier ones are void. */
  #isForThisTerm(response: Message): boolean {
    if (response.term > this.#term) this.#becomeFollower(response.term, undefined);
    return response.term === this.#term;
  }

  // Elections.

  /** Grants change nothing here: neither term nor vote nor timer (thesis 9.6). */
  #onPreVoteRequest(request: PreVoteRequest): void {
    const isLate = request.term < this.#term;
    if (!isLate && this.#ignoresVotes) return;
    const granted = !isLate && this.#couldVoteFor(request);
    this.#outbox.send({
      kind: 'pre-vote-response',
      ...this.#to(request.from),
      term: granted ? request.term : this.#term,
      granted,
    });
  }

  #onPreVoteResponse(response: PreVoteResponse): void {
    if (response.granted) {
      const isCurrent = response.term === this.#term + 1;
      if (isCurrent && this.#role === Role.preCandidate) this.#count(response.from, true);
    } else if (this.#isForThisTerm(response) && this.#role === Role.preCandidate) {
      this.#count(response.from, false);
    }
  }

  #onVoteRequest(request: VoteRequest): void {
    if (request.term < this.#term) return this.#answerVote(request.from, false);
    if (this.#ignoresVotes) return;
    if (request.term > this.#term) this.#becomeFollower(request.term, undefined);
    if (!this.#couldVoteFor(request)) return this.#answerVote(request.from, false);
    this.#hardState.castVote(request.from);
    this.#timer.reset();
    if (this.#hardState.isVoteDurable) this.#answerVote(request.from, true);
    else this.#owedGrant = request.from;
  }

  #onVoteResponse(response: VoteResponse): void {
    if (!this.#isForThisTerm(response) || this.#role !== Role.candidate) return;
    this.#count(response.from, response.granted);
  }

  /** Whether this replica may still have a leader that others would have to wait for. */
  get #ignoresVotes(): boolean {
    return this.#role === Role.leader || this.#timer.protectsLeader;
  }

  #couldVoteFor({ from, term, lastIndex, lastTerm }: PreVoteRequest | VoteRequest): boolean {
    const { vote } = this.#hardState;
    const isFree = vote === undefined && this.#leader === undefined;
    if (term === this.#term && vote !== from && !isFree) return false;
    return this.#log.isUpToDate(lastIndex, lastTerm);
  }

  #answerVote(to: NodeId, granted: boolean): void {
    this.#outbox.send({ kind: 'vote-response', ...this.#to(to), granted });
  }

  #count(voter: NodeId, granted: boolean): void {
    const votes = this.#votes;
    assert(votes !== undefined, 'a vote without an election');
    if (!votes.has(voter)) votes.set(voter, granted);
    const result = this.#quorum.voteResult(votes);
    if (result === 'lost') this.#becomeFollower(this.#term, undefined);
    if (result !== 'won') return;
    if (this.#role === Role.preCandidate) this.#becomeCandidate();
    else this.#becomeLeader();
  }

  // Following.

  #onAppendRequest(request: AppendRequest): void {
    if (request.term < this.#term) {
      // Void, but the answer's term tells a leader that was deposed (etcd's check-quorum case).
      const hint = { hintIndex: logIndex(0), hintTerm: asTerm(0) };
      const rejectedIndex = request.previousIndex;
      return this.#answerAppend(request.from, { kind: 'rejected', rejectedIndex, ...hint });
    }
    this.#follow(request);
    const outcome = appendEntries(this.#log, request);
    switch (outcome.kind) {
      case 'corrupt':
        return;
      case 'rejected':
        return this.#answerAppend(request.from, outcome);
      case 'matched':
        return this.#accept(request.from, outcome.matchIndex);
      default:
        return assertNever(outcome);
    }
  }

  #onHeartbeatRequest(request: HeartbeatRequest): void {
    const isCurrent = request.term >= this.#term;
    if (isCurrent) {
      this.#follow(request);
      // A leader names only what this replica acknowledged to it: less here means a log that lost it.
      this.#log.commitTo(request.commitIndex);
    }
    this.#outbox.send({
      kind: 'heartbeat-response',
      ...this.#to(request.from),
      readRound: isCurrent ? request.readRound : 0,
    });
  }

  #follow({ from, term }: AppendRequest | HeartbeatRequest): void {
    if (term > this.#term) this.#becomeFollower(term, from);
    assert(this.#role !== Role.leader, 'two leaders in one term');
    if (this.#role !== Role.follower) this.#becomeFollower(term, from);
    assert(this.#leader === undefined || this.#leader === from, 'two leaders in one term');
    this.#leader = from;
    this.#timer.heardLeader();
  }

  /** Acknowledges exactly what the append covered, now or when that is durable. */
  #accept(leader: NodeId, matchIndex: LogIndex): void {
    if (this.#hardState.isTermDurable && matchIndex <= this.#log.durableIndex) {
      this.#answerAppend(leader, { kind: 'accepted', matchIndex });
    } else {
      this.#owedAcceptance = logIndex(Math.max(this.#owedAcceptance, matchIndex));
    }
  }

  #sendOwedAcceptance(): void {
    if (this.#owedAcceptance === 0 || this.#leader === undefined) return;
    if (!this.#hardState.isTermDurable) return;
    const matchIndex = logIndex(Math.min(this.#owedAcceptance, this.#log.durableIndex));
    this.#answerAppend(this.#leader, { kind: 'accepted', matchIndex });
    if (matchIndex === this.#owedAcceptance) this.#owedAcceptance = logIndex(0);
  }

  #answerAppend(to: NodeId, result: AppendResponse['result']): void {
    this.#outbox.send({ kind: 'append-response', ...this.#to(to), result });
  }

  #to(to: NodeId): { readonly from: NodeId; readonly to: NodeId; readonly term: Term } {
    return { from: this.#config.id, to, term: this.#term };
  }

  // What the driver is told.

  get #hasNewSoftState(): boolean {
    const { role, term, leader } = this.#softStateTaken;
    return role !== this.#role || term !== this.#term || leader !== this.#leader;
  }

  #softState(): SoftState {
    return { role: this.#role, term: this.#term, leader: this.#leader };
  }

  /** Invariants across the parts, before anything leaves. O(voters). */
  #check(): void {
    const isLeader = this.#role === Role.leader;
    assert(isLeader === (this.#leadership !== undefined), 'leadership without the role');
    assert(isLeader === (this.#leader === this.#config.id), 'the leader does not know itself');
    assert(this.#log.last.term <= this.#term, 'an entry of a term that was never entered');
    this.#log.check();
    this.#leadership?.check();
  }
}
