/**
 * The leader's role (thesis figure 3.1, "volatile state on leaders"): the progress of everybody, the
 * commit rule, heartbeats, contact with a majority, reads, membership, transfers. Made on election,
 * thrown away on stepping down, so nothing of one term leaks into another.
 *
 * Invariants
 *   1. only an entry of this term is committed by counting (thesis 3.6.2, figure 3.7)
 *   2. the leader counts itself only for what is durable on its own disk (thesis 10.2.1), and only
 *      while it is a voter
 *   3. it steps down when a configuration in which it does not vote is committed (thesis 4.2.2)
 */
import {
  assert,
  logIndex,
  type LogIndex,
  type LogPosition,
  type NodeId,
  type Term,
} from '@kvstore/std';
import { ENTRY_OVERHEAD_BYTES, EntryKind, type Entry } from './entry.ts';
import type { Change } from './membership/change.ts';
import { replicasOf, votesIn } from './membership/configuration.ts';
import { Preference } from './membership/preference.ts';
import { Steering } from './membership/steering.ts';
import type { AppendResponse, HeartbeatResponse } from './message.ts';
import type { ChangeProposed, MemberStatus, Proposed, TransferStarted } from './raft-status.ts';
import { Lease } from './read-index/lease.ts';
import { ReadRounds } from './read-index/read-rounds.ts';
import { addressTo, type ReplicaState } from './replica-state.ts';
import type { Progress } from './tracker/progress.ts';
import { Replication } from './tracker/replication.ts';
import { Tracker } from './tracker/tracker.ts';
import { Transfer } from './transfer.ts';

export class Leader {
  readonly kind = 'leader';
  readonly #state: ReplicaState;
  readonly #term: Term;
  readonly #tracker: Tracker;
  readonly #replication: Replication;
  readonly #reads = new ReadRounds();
  readonly #lease: Lease;
  readonly #steering: Steering;
  readonly #preference: Preference;
  #transfer: Transfer | undefined;
  #tick = 0;
  #tickedAtMs: number;
  /** Number of the newest heartbeats. */
  #round = 0;

  constructor(state: ReplicaState, tickedAtMs: number) {
    const { config, hardState, log, membership } = state;
    this.#state = state;
    this.#term = hardState.term;
    this.#tracker = new Tracker(config);
    this.#replication = new Replication(state, this.#tracker);
    this.#lease = new Lease(config.electionTicks, config.tickMs);
    this.#steering = new Steering(state, this.#tracker);
    this.#preference = new Preference(state, this.#tracker);
    this.#tickedAtMs = tickedAtMs;
    membership.beginLeading(log.last.index);
    this.#tracker.follow(membership.configuration, logIndex(log.last.index + 1), 0);
    log.appendNew(this.#term, EntryKind.opening, config.openingBody(this.#term));
  }

  /**
   * Returns false when no majority was heard for one minimum election timeout: others may have
   * elected somebody by now, and whoever asks this leader waits in vain.
   */
  tick(nowMs: number): boolean {
    this.#tick++;
    this.#tickedAtMs = nowMs;
    const { membership, config } = this.#state;
    const isHeard = (voter: NodeId): boolean => this.#tracker.isActive(voter, this.#tick);
    if (!membership.quorum.isReached(isHeard)) return false;
    if (this.#transfer?.isOverAt(this.#tick) === true) this.#transfer = undefined;
    if (this.#transfer === undefined) {
      this.#steering.tick(this.#tick);
      this.#yield();
    }
    if (this.#tick % config.heartbeatTicks === 0) this.#sendHeartbeats();
    return true;
  }

  propose(body: Uint8Array): Proposed {
    if (this.#transfer !== undefined) return { kind: 'transferring', to: this.#transfer.to };
    const { config, log } = this.#state;
    const held = log.unsettledBytes;
    if (held > 0 && held + body.length + ENTRY_OVERHEAD_BYTES > config.uncommittedBytesMax) {
      return { kind: 'overloaded' };
    }
    const { index, term } = log.appendNew(this.#term, EntryKind.data, body);
    return { kind: 'appended', index, term };
  }

  changeMembers(changes: readonly Change[]): ChangeProposed {
    if (this.#transfer !== undefined) return { kind: 'refused', reason: 'transferring' };
    return this.#steering.change(changes);
  }

  transferTo(to: NodeId): TransferStarted {
    const { config, membership } = this.#state;
    if (this.#transfer !== undefined) return this.#transfer.to === to ? 'started' : 'transferring';
    if (to === config.id || !membership.configuration.voters.includes(to)) return 'not-a-voter';
    this.#transfer = new Transfer(to, this.#tick + config.electionTicks);
    this.#preference.restart();
    this.#maybeHandOver();
    return 'started';
  }

  get transferringTo(): NodeId | undefined {
    return this.#transfer?.to;
  }

  /** Commits what a quorum has made durable, if that reaches an entry of this term. */
  maybeCommit(): void {
    const { log, membership } = this.#state;
    const reached = logIndex(membership.quorum.reached((voter) => this.#matchOf(voter)));
    if (reached <= log.commitIndex || log.termAt(reached) !== this.#term) return;
    log.commitTo(reached);
    this.#steering.onCommit();
  }

  /** It votes no more, and that is committed: it has to go. */
  get isDismissed(): boolean {
    const { config, log, membership } = this.#state;
    const { index, configuration } = membership.latest;
    return index <= log.commitIndex && !votesIn(configuration, config.id);
  }

  /** Before a dismissed leader goes: whoever has the most is asked to take over at once. */
  nameSuccessor(): void {
    const { membership } = this.#state;
    let best: Progress | undefined;
    for (const voter of membership.configuration.voters) {
      const progress = this.#tracker.of(voter);
      if (progress === undefined || !this.#tracker.isActive(voter, this.#tick)) continue;
      if (best === undefined || progress.matchIndex > best.matchIndex) best = progress;
    }
    if (best !== undefined) this.#sendTimeoutNow(best.node);
  }

  /** Returns false when too many reads wait already. */
  addRead(context: number): boolean {
    return this.#reads.add(context);
  }

  /** The commit index while nobody else can have been elected, at `nowMs`; else undefined. */
  leaseIndex(nowMs: number): LogIndex | undefined {
    if (this.#transfer !== undefined || !this.#steering.hasCommitted) return undefined;
    return this.#lease.isValidAt(nowMs) ? this.#state.log.commitIndex : undefined;
  }

  /** Contexts of all reads that still wait, on stepping down. */
  abandonReads(): readonly number[] {
    return this.#reads.abandon();
  }

  /** Returns false when the sender is nobody whom this leader sends to. */
  onAppendResponse({ from, result }: AppendResponse): boolean {
    const progress = this.#heard(from);
    if (progress === undefined) return false;
    const { log } = this.#state;
    if (result.kind === 'rejected') {
      // The leader's half of the term skip: none of its terms above the hint's can agree.
      const agreed = log.lastAtMost(result.hintIndex, result.hintTerm);
      progress.rejected(result.rejectedIndex, agreed);
    } else if (result.matchIndex <= log.last.index && progress.acknowledged(result.matchIndex)) {
      this.maybeCommit();
      this.#maybeHandOver();
    }
    return true;
  }

  onHeartbeatResponse({ from, round }: HeartbeatResponse): boolean {
    const progress = this.#heard(from);
    if (progress === undefined) return false;
    const sent = round <= this.#round ? round : 0;
    progress.answeredHeartbeat(sent, this.#state.log.last.index, this.#tick);
    this.#confirmRounds();
    return true;
  }

  onLoaded(to: NodeId, previous: LogPosition, entries: readonly Entry[]): void {
    this.#replication.onLoaded(to, previous, entries);
  }

  onCut(): void {
    this.#replication.onCut();
  }

  /** Is there an append to send, a load to ask for or a read round to start? */
  get hasWork(): boolean {
    return this.#replication.hasWork || this.#canStartReads;
  }

  /** Puts everything that `hasWork` speaks of into the outbox. */
  work(): void {
    if (this.#canStartReads) {
      this.#reads.start(this.#round + 1, this.#state.log.commitIndex);
      this.#sendHeartbeats();
    }
    this.#replication.work();
  }

  status(): MemberStatus[] {
    const { configuration } = this.#state.membership;
    return replicasOf(configuration).map((node) => ({
      node,
      votes: votesIn(configuration, node),
      matchIndex: this.#matchOf(node),
      recentlyActive: this.#tracker.isActive(node, this.#tick),
    }));
  }

  inspect(): readonly unknown[] {
    const followers = [...this.#tracker.followers].map((progress) => progress.inspect());
    return [this.#tick, this.#round, this.#transfer, followers];
  }

  check(): void {
    const { last } = this.#state.log;
    assert(last.term === this.#term, 'a leader’s log does not end in its own term');
    for (const progress of this.#tracker.followers) progress.check(last.index);
  }

  #yield(): void {
    const preferred = this.#preference.tick(this.#tick);
    if (preferred !== undefined) this.transferTo(preferred);
  }

  #maybeHandOver(): void {
    const transfer = this.#transfer;
    if (transfer === undefined || transfer.isSent) return;
    if (this.#matchOf(transfer.to) !== this.#state.log.last.index) return;
    transfer.isSent = true;
    this.#sendTimeoutNow(transfer.to);
  }

  #sendTimeoutNow(to: NodeId): void {
    this.#lease.giveUp();
    this.#state.outbox.send({ kind: 'timeout-now', ...addressTo(this.#state, to) });
  }

  #sendHeartbeats(): void {
    const { config, log, outbox } = this.#state;
    this.#round++;
    this.#lease.sent(this.#round, this.#tickedAtMs);
    for (const progress of this.#tracker.followers) {
      outbox.send({
        kind: 'heartbeat-request',
        from: config.id,
        to: progress.node,
        term: this.#term,
        commitIndex: logIndex(Math.min(log.commitIndex, progress.matchIndex)),
        round: this.#round,
      });
    }
    this.#confirmRounds();
  }

  #confirmRounds(): void {
    const { membership, outbox } = this.#state;
    const confirmed = membership.quorum.reached((voter) => this.#confirmedRound(voter));
    this.#lease.confirm(confirmed);
    outbox.grant(this.#reads.confirm(confirmed));
  }

  #confirmedRound(voter: NodeId): number {
    if (voter === this.#state.config.id) return this.#round;
    return this.#tracker.of(voter)?.confirmedRound ?? 0;
  }

  get #canStartReads(): boolean {
    return this.#reads.canStart && this.#steering.hasCommitted;
  }

  #heard(follower: NodeId): Progress | undefined {
    const progress = this.#tracker.of(follower);
    progress?.heard(this.#tick);
    return progress;
  }

  #matchOf(node: NodeId): LogIndex {
    const { config, log } = this.#state;
    if (node === config.id) return log.durableIndex;
    return this.#tracker.of(node)?.matchIndex ?? logIndex(0);
  }
}
