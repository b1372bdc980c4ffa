/**
 * What a leader puts into the log: the batches of gateways, those of an event-loop turn in one entry (or few,
 * by the cut rules), clock entries, and what begins an epoch of the archived log. Commands stay opaque.
 *
 * Invariants
 *   1. an entry is proposed only when the log certainly has room for it, so that a full disk is
 *      an answer and never a half-written promise
 *   2. every batch taken is answered exactly once (`proposals.ts`)
 */
import {
  encodeEntryBody,
  type EntryHeader,
  isProposableBatch,
  type OutcomeRoute,
  type Propose,
  type ProposeReply,
  RefusalReason,
} from '@kvstore/contract';
import { type RaftNode, Role, type SoftState } from '@kvstore/raft';
import { type Clock, type LogIndex, logIndex, type Timers } from '@kvstore/std';
import type { ClusterClock } from './cluster-clock.ts';
import type { EntryHeaders } from './entry-headers.ts';
import { LogRoom, RECORD_OVERHEAD_BYTES } from './log-room.ts';
import type { LogStore } from './log-store.ts';
import { answerAll, type Proposal, Proposals, refusalOf } from './proposals.ts';
import type { SequencerConfig } from './sequencer-options.ts';
import type { SequencerCounters } from './sequencer-report.ts';
import type { Storages } from './storages.ts';

/** How long a room is awaited between two looks. */
const ROOM_POLL_MS = 10;
const CLOCK_ENTRY_PERIOD_MS = 500;

/** The part of the sequencer that this one works with. */
export interface ProposingSequencer {
  readonly raft: RaftNode;
  readonly log: LogStore;
  readonly headers: EntryHeaders;
  readonly clusterClock: ClusterClock;
  readonly storages: Storages;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly config: SequencerConfig;
  readonly counters: SequencerCounters;
  /** Who leads, and what is committed, as the core has last handed out. */
  soft(): SoftState;
  commitIndex(): LogIndex;
  /** Carries out what the core has become ready to do. */
  advance(): void;
}

export class Proposer {
  readonly #of: ProposingSequencer;
  readonly #room: LogRoom;
  readonly #proposals: Proposals;
  #lastClockEntry: LogIndex = logIndex(0);
  #lastClockEntryAtMs = 0;
  #stopped = false;

  constructor(sequencer: ProposingSequencer) {
    const { log, clock, config } = sequencer;
    this.#of = sequencer;
    this.#room = new LogRoom(log, clock, config.logBytesMax);
    this.#proposals = new Proposals(config.queueBytesMax);
  }

  /** Takes a batch into the entry of this turn. */
  take(propose: Propose, respond: (reply: ProposeReply) => void): void {
    const { counters, timers } = this.#of;
    const answer = (reply: ProposeReply): void => {
      if (reply.kind === 'refused') counters.proposalsRefused += 1;
      respond(reply);
    };
    if (!isProposableBatch(propose.batch)) {
      answer({ kind: 'refused', reason: RefusalReason.malformed });
      return;
    }
    const first = this.#proposals.take({ ...propose, answer });
    if (first) timers.endOfTurn(() => this.#propose());
  }

  /** Answers what was proposed here at `index`; the routes of its batches, for the live lane. */
  committed(index: LogIndex): readonly OutcomeRoute[] {
    return this.#proposals.committed(index);
  }

  /** Leadership began: a clock entry of an earlier one may never have been committed. */
  lead(): void {
    this.#lastClockEntry = logIndex(0);
  }

  /** Leadership is gone, or nothing is written any more: what becomes of what is appended is unknown here. */
  abandon(): void {
    this.#proposals.abandon();
  }

  /** Nothing is appended from here on. */
  stop(): void {
    this.#stopped = true;
    this.#proposals.refuseQueue(undefined);
  }

  /** Once per tick of a leader: a clock entry, when one is due. */
  tick(): void {
    const { clock, clusterClock, storages } = this.#of;
    const nowMs = clock.monotonicMs();
    const commitIndex = this.#of.commitIndex();
    if (commitIndex < this.#lastClockEntry || commitIndex === 0) return;
    const expiry = storages.expiry(clusterClock.now(), this.#lastClockEntry, nowMs);
    if (expiry === 'idle') return;
    if (expiry === 'unheard' && nowMs - this.#lastClockEntryAtMs < CLOCK_ENTRY_PERIOD_MS) return;
    const index = this.#proposeBare(() => this.#of.headers.next());
    if (index === undefined) return;
    this.#lastClockEntry = index;
    this.#lastClockEntryAtMs = nowMs;
  }

  /** Of a leader that knows what is committed; nothing happens while an epoch is coming already. */
  beginEpoch(): void {
    const { headers } = this.#of;
    if (headers.isEpochComing) return;
    this.#proposeBare(() => headers.nextEpoch());
    this.#of.advance();
  }

  /** An entry without batches. Undefined when it was not appended. */
  #proposeBare(header: () => EntryHeader): LogIndex | undefined {
    if (!this.#room.takesBareEntry) return undefined;
    const proposed = this.#of.raft.propose(encodeEntryBody(header(), []));
    return proposed.kind === 'appended' ? proposed.index : undefined;
  }

  #propose(): void {
    if (this.#stopped) return;
    const { role, leader } = this.#of.soft();
    if (role !== Role.leader) {
      this.#proposals.refuseQueue(leader);
      return;
    }
    if (this.#room.isComing(this.#proposals.queueBytes)) {
      this.#of.timers.after(ROOM_POLL_MS, () => this.#propose());
      return;
    }
    let proposedBytes = 0;
    for (const proposals of this.#proposals.drain()) {
      proposedBytes += this.#proposeEntry(proposals, proposedBytes);
    }
    this.#of.advance();
  }

  /**
   * `proposedBytes`: of this turn, not yet handed to the log and so not yet missing from its room.
   * Returns what this entry adds to them.
   */
  #proposeEntry(proposals: readonly Proposal[], proposedBytes: number): number {
    const { headers, raft, counters } = this.#of;
    const body = encodeEntryBody(
      headers.next(),
      proposals.map((proposal) => proposal.batch),
    );
    const bytes = body.length + RECORD_OVERHEAD_BYTES;
    const refusal = this.#refusal(proposedBytes + bytes);
    if (refusal !== undefined) {
      answerAll(proposals, { kind: 'refused', reason: refusal });
      return 0;
    }
    const proposed = raft.propose(body);
    if (proposed.kind === 'appended') {
      counters.batchesProposed += proposals.length;
      this.#proposals.appended(proposed.index, proposals);
      return bytes;
    }
    answerAll(proposals, refusalOf(proposed));
    return 0;
  }

  #refusal(bytes: number): RefusalReason | undefined {
    const refusal = this.#room.refusal(bytes);
    if (refusal !== undefined) return refusal;
    const applied = this.#of.storages.medianApplied();
    const behind = applied === undefined ? 0 : this.#of.commitIndex() - applied;
    return behind > this.#of.config.unappliedEntriesMax ? RefusalReason.overloaded : undefined;
  }
}
