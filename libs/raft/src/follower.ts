/**
 * The follower's role (thesis 3.5, 6.2, chapter 5): takes the leader's entries, heartbeats and bases,
 * and acknowledges them.
 *
 * Invariant: an acceptance names exactly what the request covered, as far as that and the term are
 * durable here; never the end of the log.
 */
import { assert, assertNever, logIndex, term, type LogIndex, type NodeId } from '@kvstore/std';
import { appendEntries } from './log/append-entries.ts';
import type { AppendRequest, AppendResponse, BaseRequest, HeartbeatRequest } from './message.ts';
import { addressTo, type ReplicaState } from './replica-state.ts';

export class Follower {
  readonly kind = 'follower';
  readonly #state: ReplicaState;
  #leader: NodeId | undefined;
  /** The log equals the leader's up to here, and an acceptance of it waits for the disk; else 0. */
  #owedAcceptance = logIndex(0);

  constructor(state: ReplicaState, leader: NodeId | undefined) {
    this.#state = state;
    this.#leader = leader;
  }

  get leader(): NodeId | undefined {
    return this.#leader;
  }

  get owedAcceptance(): LogIndex {
    return this.#owedAcceptance;
  }

  inspect(): readonly unknown[] {
    return [this.#leader, this.#owedAcceptance];
  }

  heard(leader: NodeId): void {
    assert(this.#leader === undefined || this.#leader === leader, 'two leaders in one term');
    this.#leader = leader;
    this.#state.timer.heardLeader();
  }

  /** Returns false when the request is corrupt: nothing changed, nobody is answered. */
  onAppendRequest(request: AppendRequest): boolean {
    const outcome = appendEntries(this.#state.log, request);
    switch (outcome.kind) {
      case 'corrupt':
        return false;
      case 'rejected':
        answerAppend(this.#state, request.from, outcome);
        return true;
      case 'matched':
        this.#accept(request.from, outcome.matchIndex);
        return true;
      default:
        return assertNever(outcome);
    }
  }

  /** A base that is of this log already only tells what is committed; never is anything dropped. */
  onBaseRequest({ from, base }: BaseRequest): void {
    const { log } = this.#state;
    const { index, term: baseTerm, chain } = base.position;
    if (index > log.commitIndex && log.termAt(index) !== baseTerm) {
      log.install(base);
    } else if (index > log.commitIndex) {
      const known = log.chainAt(index);
      assert(known === undefined || known === chain, 'a committed entry with another chain');
      log.commitTo(index);
    }
    this.#accept(from, index);
  }

  onHeartbeatRequest(request: HeartbeatRequest): void {
    // A leader names only what this replica acknowledged to it: less here means a log that lost it.
    this.#state.log.commitTo(request.commitIndex);
    answerHeartbeat(this.#state, request.from, request.round);
  }

  /** The term, or more of the log, became durable. */
  sendOwed(): void {
    const { hardState, log } = this.#state;
    if (this.#owedAcceptance === 0 || this.#leader === undefined) return;
    if (!hardState.isTermDurable) return;
    const matchIndex = logIndex(Math.min(this.#owedAcceptance, log.durableIndex));
    answerAppend(this.#state, this.#leader, { kind: 'accepted', matchIndex });
    if (matchIndex === this.#owedAcceptance) this.#owedAcceptance = logIndex(0);
  }

  /** Acknowledges exactly what the request covered, now or when that is durable. */
  #accept(leader: NodeId, matchIndex: LogIndex): void {
    const { hardState, log } = this.#state;
    if (hardState.isTermDurable && matchIndex <= log.durableIndex) {
      answerAppend(this.#state, leader, { kind: 'accepted', matchIndex });
    } else {
      this.#owedAcceptance = logIndex(Math.max(this.#owedAcceptance, matchIndex));
    }
  }
}

/** Requests of an older term are void, but the answer's term tells a leader that was deposed. */
export function answerLateAppend(state: ReplicaState, to: NodeId, rejectedIndex: LogIndex): void {
  const hint = { hintIndex: logIndex(0), hintTerm: term(0) };
  answerAppend(state, to, { kind: 'rejected', rejectedIndex, ...hint });
}

export function answerHeartbeat(state: ReplicaState, to: NodeId, round: number): void {
  state.outbox.send({ kind: 'heartbeat-response', ...addressTo(state, to), round });
}

function answerAppend(state: ReplicaState, to: NodeId, result: AppendResponse['result']): void {
  state.outbox.send({ kind: 'append-response', ...addressTo(state, to), result });
}
