/**
 * What a replica knows only while it leads (thesis figure 3.1, "volatile state on leaders"):
 * the progress of every follower, the commit rule, heartbeats, contact with a majority, reads.
 * Made on election, thrown away on stepping down, so nothing of one term leaks into another.
 *
 * Invariants
 *   1. only an entry of this term is committed by counting (thesis 3.6.2, figure 3.7)
 *   2. the leader counts itself only for what is durable on its own disk (thesis 10.2.1)
 * Appends are not sent when an entry is proposed but when a `Ready` is taken: everything proposed
 * in one turn of the driver travels together, with the newest commit index.
 */
import {
  assert,
  logIndex,
  type LogIndex,
  type LogPosition,
  type NodeId,
  type Term,
} from '@kvstore/std';
import { fitting, type Entry } from './entry.ts';
import type { AppendResponse, HeartbeatResponse } from './message.ts';
import type { Outbox } from './outbox.ts';
import { Progress } from './progress.ts';
import type { MajorityQuorum } from './quorum.ts';
import type { RaftConfig } from './raft-config.ts';
import type { RaftLog } from './raft-log.ts';
import type { VoterStatus } from './raft-status.ts';
import { ReadRounds } from './read-rounds.ts';

export class Leadership {
  readonly #config: RaftConfig;
  readonly #term: Term;
  readonly #log: RaftLog;
  readonly #quorum: MajorityQuorum;
  readonly #outbox: Outbox;
  readonly #followers = new Map<NodeId, Progress>();
  readonly #reads: ReadRounds;
  #tick = 0;
  #heartbeatDue: number;

  constructor(
    config: RaftConfig,
    term: Term,
    log: RaftLog,
    quorum: MajorityQuorum,
    outbox: Outbox,
  ) {
    this.#config = config;
    this.#term = term;
    this.#log = log;
    this.#quorum = quorum;
    this.#outbox = outbox;
    this.#reads = new ReadRounds(quorum);
    this.#heartbeatDue = config.heartbeatTicks;
    const next = logIndex(log.last.index + 1);
    for (const node of quorum.voters) {
      if (node !== config.id) this.#followers.set(node, new Progress(node, next, 0, config));
    }
  }

  /**
   * Returns false when no majority was heard for one minimum election timeout: others may have
   * elected somebody by now, and whoever asks this leader waits in vain.
   */
  tick(): boolean {
    this.#tick++;
    if (!this.#quorum.isReached((voter) => this.#isRecentlyActive(voter))) return false;
    if (this.#tick >= this.#heartbeatDue) {
      this.#heartbeatDue = this.#tick + this.#config.heartbeatTicks;
      this.#sendHeartbeats();
    }
    return true;
  }

  /** Commits what a majority has made durable, if that reaches an entry of this term. */
  maybeCommit(): void {
    const reached = this.#quorum.reachedIndex((voter) => this.#matchOf(voter));
    if (reached > this.#log.commitIndex && this.#log.termAt(reached) === this.#term) {
      this.#log.commitTo(reached);
    }
  }

  /** Returns false when too many reads wait already. */
  addRead(context: number): boolean {
    return this.#reads.add(context);
  }

  /** Contexts of all reads that still wait, on stepping down. */
  abandonReads(): readonly number[] {
    return this.#reads.abandon();
  }

  onAppendResponse(response: AppendResponse): void {
    const progress = this.#heard(response.from);
    const { result } = response;
    switch (result.kind) {
      case 'accepted':
        if (result.matchIndex > this.#log.last.index) return;
        if (progress.acknowledged(result.matchIndex)) this.maybeCommit();
        return;
      case 'rejected':
        // The leader's half of the term skip: none of its terms above the hint's can agree.
        progress.rejected(
          result.rejectedIndex,
          this.#log.lastAtMost(result.hintIndex, result.hintTerm),
        );
    }
  }

  onHeartbeatResponse(response: HeartbeatResponse): void {
    const progress = this.#heard(response.from);
    progress.answeredHeartbeat(this.#log.last.index, this.#tick);
    this.#outbox.grant(this.#reads.confirm(response.from, response.readRound));
  }

  /** Entries from disk that a follower waits for; ignored when it no longer does. */
  onLoaded(to: NodeId, previous: LogPosition, entries: readonly Entry[]): void {
    const progress = this.#followers.get(to);
    if (progress === undefined || !progress.finishLoading(logIndex(previous.index + 1))) return;
    // Asked for by an earlier leadership, it may be of a log that was overwritten since.
    if (!this.#isOurs(previous) || !entries.every((entry) => this.#isOurs(entry))) return;
    this.#sendAppend(progress, previous, fitting(entries, this.#config.appendBytesMax));
  }

  /** Is there an append to send, a load to ask for or a read round to start? */
  get hasWork(): boolean {
    const { last } = this.#log;
    for (const progress of this.#followers.values()) {
      if (progress.wantsAppend(last.index)) return true;
    }
    return this.#canStartReads;
  }

  /** Puts everything that `hasWork` speaks of into the outbox. */
  work(): void {
    if (this.#canStartReads) {
      this.#outbox.grant(this.#reads.start(this.#config.id, this.#log.commitIndex));
      this.#sendHeartbeats();
    }
    for (const progress of this.#followers.values()) this.#replicateTo(progress);
  }

  status(): VoterStatus[] {
    return this.#quorum.voters.map((node) => ({
      node,
      matchIndex: this.#matchOf(node),
      recentlyActive: this.#isRecentlyActive(node),
    }));
  }

  check(): void {
    assert(this.#log.last.term === this.#term, 'a leader’s log does not end in its own term');
    for (const progress of this.#followers.values()) progress.check(this.#log.last.index);
  }

  #replicateTo(progress: Progress): void {
    const { last } = this.#log;
    while (progress.wantsAppend(last.index)) {
      const next = progress.nextIndex;
      const previous = progress.previous ?? this.#log.positionAt(logIndex(next - 1));
      const wantsEntries = next <= last.index && progress.hasRoom;
      if (previous === undefined || (wantsEntries && this.#log.entryAt(next) === undefined)) {
        const from = progress.startLoading();
        this.#outbox.load({ to: progress.node, from, maxBytes: this.#config.appendBytesMax });
        return;
      }
      const entries = wantsEntries ? this.#log.entriesFrom(next, this.#config.appendBytesMax) : [];
      this.#sendAppend(progress, previous, entries);
    }
  }

  #sendAppend(progress: Progress, previous: LogPosition, entries: readonly Entry[]): void {
    const { commitIndex } = this.#log;
    this.#outbox.send({
      kind: 'append-request',
      from: this.#config.id,
      to: progress.node,
      term: this.#term,
      previousIndex: previous.index,
      previousTerm: previous.term,
      previousChain: previous.chain,
      entries,
      commitIndex,
    });
    progress.sent(previous, entries);
  }

  #sendHeartbeats(): void {
    for (const progress of this.#followers.values()) {
      this.#outbox.send({
        kind: 'heartbeat-request',
        from: this.#config.id,
        to: progress.node,
        term: this.#term,
        commitIndex: logIndex(Math.min(this.#log.commitIndex, progress.matchIndex)),
        readRound: this.#reads.current,
      });
    }
  }

  get #canStartReads(): boolean {
    return this.#reads.canStart && this.#log.termAt(this.#log.commitIndex) === this.#term;
  }

  #heard(follower: NodeId): Progress {
    const progress = this.#followers.get(follower);
    assert(progress !== undefined, 'a response of a voter without progress');
    progress.heard(this.#tick);
    return progress;
  }

  #matchOf(voter: NodeId): LogIndex {
    return this.#followers.get(voter)?.matchIndex ?? this.#log.durableIndex;
  }

  #isRecentlyActive(voter: NodeId): boolean {
    const progress = this.#followers.get(voter);
    return progress === undefined || this.#tick - progress.contactTick < this.#config.electionTicks;
  }

  #isOurs(position: LogPosition | Entry): boolean {
    return this.#log.termAt(position.index) === position.term;
  }
}
