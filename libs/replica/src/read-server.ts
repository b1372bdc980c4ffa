/**
 * Answers reads and outcome queries once the replica has applied what they wait for, each from the state
 * between two entries.
 */
import {
  AnswerKind,
  type BatchOutcomeBytes,
  type BusMessage,
  decodeOutcomesQuery,
  decodeRead,
  encodeOutcomesFrame,
  encodeReadReply,
  type FrameCodec,
  FrameKind,
  Limits,
  type OutcomesQuery,
  OutcomeStatus,
  type ReadAnswer,
  type ReadBatch,
  type ReadOperation,
  ReadStatus,
} from '@kvstore/contract';
import { ByteWriter, type LogIndex, revision, term } from '@kvstore/std';
import type { StateMachine } from '@kvstore/state-machine';
import type { Awaited, Waiters } from './waiters.ts';

/** What is served: the replica. */
export interface Served {
  serves(): boolean;
  /** Another one after the store was replaced. */
  stateMachine(): StateMachine;
  reached(): Awaited;
  /** The replica has to get there. */
  need(index: LogIndex): void;
  failed(error: unknown): void;
}

const OUTCOME_WAIT_MS = 1_000;
const NOTHING = new Uint8Array(0);

export class ReadServer {
  readonly #frames: FrameCodec;
  readonly #waiters: Waiters;
  readonly #served: Served;
  reads = 0;

  constructor(frames: FrameCodec, waiters: Waiters, served: Served) {
    this.#frames = frames;
    this.#waiters = waiters;
    this.#served = served;
  }

  onRead(message: BusMessage): void {
    const batch = this.#frames.receive(message.payload, FrameKind.read, decodeRead)?.body;
    if (batch === undefined) return;
    if (!this.#served.serves()) {
      this.#refuseRead(message, ReadStatus.behind);
      return;
    }
    const awaited = { index: batch.minIndex, revision: batch.minRevision };
    const now = this.#served.reached();
    if (awaited.index <= now.index && awaited.revision <= now.revision) {
      this.#answerRead(message, batch);
      return;
    }
    const waiting = this.#waiters.add(awaited, batch.waitMs, (reached) => {
      if (reached) this.#answerRead(message, batch);
      else this.#refuseRead(message, ReadStatus.behind);
    });
    if (waiting) this.#served.need(batch.minIndex);
    else this.#refuseRead(message, ReadStatus.overloaded);
  }

  #answerRead(message: BusMessage, batch: ReadBatch): void {
    const answers: ReadAnswer[] = [];
    let bytes = 0;
    try {
      for (const read of batch.reads) {
        const answer = this.#read(read);
        bytes += answer.bytes.length + 8;
        if (answers.length > 0 && bytes > Limits.entryBytesMax) break;
        answers.push(answer);
      }
    } catch (error) {
      // What is stored cannot be read: others have it, and nobody waits for this one.
      this.#refuseRead(message, ReadStatus.behind);
      this.#served.failed(error);
      return;
    }
    this.reads += answers.length;
    const { revision: at } = this.#served.stateMachine();
    const reply = { status: ReadStatus.served, revision: at, answers };
    message.respond(this.#frames.seal(FrameKind.readReply, term(0), encodeReadReply(reply)));
  }

  #read(read: ReadOperation): ReadAnswer {
    const found = this.#served.stateMachine().get(read.namespace, read.key, read.atRevision);
    switch (found.kind) {
      case 'found':
        return { kind: AnswerKind.found, bytes: found.record };
      case 'not-found':
        return { kind: AnswerKind.notFound, bytes: NOTHING };
      case 'future':
        return { kind: AnswerKind.future, bytes: NOTHING };
      case 'compacted':
        return {
          kind: AnswerKind.compacted,
          bytes: new ByteWriter(8).u64(found.oldest).finish(),
        };
    }
  }

  #refuseRead(message: BusMessage, status: ReadStatus): void {
    const reply = { status, revision: this.#served.stateMachine().revision, answers: [] };
    message.respond(this.#frames.seal(FrameKind.readReply, term(0), encodeReadReply(reply)));
  }

  onQuery(message: BusMessage): void {
    const query = this.#frames.receive(
      message.payload,
      FrameKind.outcomesQuery,
      decodeOutcomesQuery,
    )?.body;
    if (query === undefined) return;
    if (!this.#served.serves()) {
      // Why: a session of another cluster may have the same number.
      this.#answerQuery(message, query, false);
      return;
    }
    if (query.minIndex <= this.#served.reached().index) {
      this.#answerQuery(message, query, true);
      return;
    }
    const awaited = { index: query.minIndex, revision: revision(0) };
    const waiting = this.#waiters.add(awaited, OUTCOME_WAIT_MS, (reached) => {
      this.#answerQuery(message, query, reached);
    });
    if (waiting) this.#served.need(query.minIndex);
    else this.#answerQuery(message, query, false);
  }

  #answerQuery(message: BusMessage, query: OutcomesQuery, reached: boolean): void {
    let batches: readonly BatchOutcomeBytes[];
    try {
      batches = query.batches.map((batchNo) =>
        reached
          ? this.#storedOutcome(query.session, batchNo)
          : { batchNo, status: OutcomeStatus.behind, bytes: NOTHING },
      );
    } catch (error) {
      this.#answerQuery(message, query, false);
      this.#served.failed(error);
      return;
    }
    const body = encodeOutcomesFrame({ session: query.session, batches });
    message.respond(this.#frames.seal(FrameKind.outcomes, term(0), body));
  }

  #storedOutcome(session: number, batchNo: number): BatchOutcomeBytes {
    const stored = this.#served.stateMachine().storedOutcome(session, batchNo);
    if (stored === 'not-applied')
      return { batchNo, status: OutcomeStatus.notApplied, bytes: NOTHING };
    if (stored === 'unknown-session') {
      return { batchNo, status: OutcomeStatus.unknownSession, bytes: NOTHING };
    }
    return { batchNo, status: OutcomeStatus.decided, bytes: stored };
  }
}
