/**
 * Proposals on their way through the leader.
 *
 * Batches of one event-loop turn wait in the turn's queue; cut into entries they are pending until
 * their index commits, or until this node stops leading, when what became of them is unknown here.
 *
 * Invariants
 *   1. every batch taken is answered exactly once
 *   2. the queue holds at most `queueBytesMax` bytes of batches
 */
import { cutEntry, type OutcomeRoute, type ProposeReply, RefusalReason } from '@kvstore/contract';
import type { Proposed } from '@kvstore/raft';
import { assertNever, type LogIndex, type NodeId } from '@kvstore/std';

export interface Proposal {
  readonly route: OutcomeRoute;
  readonly batch: Uint8Array;
  readonly answer: (reply: ProposeReply) => void;
}

export class Proposals {
  readonly #queueBytesMax: number;
  #queue: Proposal[] = [];
  #queueBytes = 0;
  readonly #pending = new Map<LogIndex, readonly Proposal[]>();

  constructor(queueBytesMax: number) {
    this.#queueBytesMax = queueBytesMax;
  }

  get pendingEntries(): number {
    return this.#pending.size;
  }

  /** Bytes of the batches in the queue. */
  get queueBytes(): number {
    return this.#queueBytes;
  }

  /** Takes a batch into this turn's queue; the queue was empty before when this returns true. */
  take(proposal: Proposal): boolean {
    if (this.#queueBytes + proposal.batch.length > this.#queueBytesMax) {
      proposal.answer({ kind: 'refused', reason: RefusalReason.overloaded });
      return false;
    }
    this.#queue.push(proposal);
    this.#queueBytes += proposal.batch.length;
    return this.#queue.length === 1;
  }

  /** The queue cut into entries, each a run of whole batches; the queue is empty afterwards. */
  drain(): readonly (readonly Proposal[])[] {
    const entries: (readonly Proposal[])[] = [];
    let rest: readonly Proposal[] = this.#queue;
    while (rest.length > 0) {
      const count = cutEntry(rest.map((proposal) => proposal.batch));
      entries.push(rest.slice(0, count));
      rest = rest.slice(count);
    }
    this.#queue = [];
    this.#queueBytes = 0;
    return entries;
  }

  appended(index: LogIndex, proposals: readonly Proposal[]): void {
    this.#pending.set(index, proposals);
  }

  /** Answers what this node proposed at `index`; the routes of its batches, for the live lane. */
  committed(index: LogIndex): readonly OutcomeRoute[] {
    const proposals = this.#pending.get(index);
    if (proposals === undefined) return [];
    this.#pending.delete(index);
    answerAll(proposals, { kind: 'committed', index });
    return proposals.map((proposal) => proposal.route);
  }

  /** Leadership is gone: nothing here knows what becomes of what is pending. */
  abandon(): void {
    for (const proposals of this.#pending.values()) answerAll(proposals, { kind: 'unknown' });
    this.#pending.clear();
  }

  /** Answers everything in the queue without appending it. */
  refuseQueue(leader: NodeId | undefined): void {
    answerAll(this.#queue, { kind: 'not-leader', leader });
    this.#queue = [];
    this.#queueBytes = 0;
  }
}

export function answerAll(proposals: readonly Proposal[], reply: ProposeReply): void {
  for (const proposal of proposals) proposal.answer(reply);
}

/**
 * While leadership is handed over nothing is taken: whoever proposes is sent to who takes over, which it finds
 * leading a moment later.
 */
export function refusalOf(proposed: Exclude<Proposed, { kind: 'appended' }>): ProposeReply {
  switch (proposed.kind) {
    case 'overloaded':
      return { kind: 'refused', reason: RefusalReason.overloaded };
    case 'transferring':
      return { kind: 'not-leader', leader: proposed.to };
    case 'not-leader':
      return { kind: 'not-leader', leader: proposed.leader };
    default:
      return assertNever(proposed);
  }
}
