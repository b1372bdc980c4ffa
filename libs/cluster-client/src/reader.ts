/**
 * Reads: one read batch per event-loop turn, one ReadIndex round for all that wait.
 *
 * A linearizable read joins the waiting list; a round that starts afterwards answers it with an
 * index; it is then read at the home storage at or above that index. While one round is under way
 * new reads wait for the next one. Session and eventual reads skip the round.
 *
 * Invariants
 *   1. a round answers only reads that arrived before it started
 *   2. a round that is abandoned (timeout, refusal, newer term) answers nobody: its reads join a
 *      fresh one
 *   3. every read is told exactly once, at the latest at its deadline
 */
import {
  AnswerKind,
  type Bus,
  BusError,
  ConsensusOperation,
  decodeReadIndexReply,
  decodeReadReply,
  encodeRead,
  type Failure,
  failure,
  type FrameCodec,
  FrameKind,
  Limits,
  type ReadAnswer,
  type ReadReply,
  ReadStatus,
  StorageOperation,
  type Subjects,
} from '@kvstore/contract';
import {
  assert,
  assertNever,
  ByteReader,
  type Clock,
  DecodeError,
  logIndex,
  type LogIndex,
  type NodeId,
  revision,
  type Revision,
  type Timers,
} from '@kvstore/std';
import { decodeRecord } from '@kvstore/state-machine';
import type { GetRequest, GetResult } from './kv-client.ts';
import type { Routing } from './routing.ts';
import { Sweeper } from './sweeper.ts';

export interface ReaderOptions {
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly routing: Routing;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly waitingReadsMax: number;
  readonly onFatal: (error: unknown) => void;
}

interface Waiting {
  readonly request: GetRequest;
  readonly minRevision: Revision;
  readonly deadlineMs: number;
  readonly settle: (result: GetResult) => void;
  /** Storages that did not serve it; empty again when none is left. */
  tried: readonly NodeId[];
  settled: boolean;
}

const ROUND_TIMEOUT_MS = 100;
/** A storage that does not answer costs a read this much before another one is asked. */
const ATTEMPT_MS_MAX = 250;
const SWEEP_MS = 10;
const IDLE_SWEEP_MS = 1_000;
const RETRY_MS = 20;
const RETRY_AFTER_MS = 1_000;
const NO_INDEX = logIndex(0);
const NONE: readonly NodeId[] = [];

export class Reader {
  readonly #options: ReaderOptions;
  /** Wait for a round. */
  #linearizable: Waiting[] = [];
  /** Ready to be sent at the end of this turn. */
  #direct: Waiting[] = [];
  /** Everything not yet told, for deadlines and the bound. */
  readonly #all = new Set<Waiting>();
  /** The round that is open; a round that is not this one any more has been abandoned. */
  #round: { readonly reads: readonly Waiting[] } | undefined;
  #scheduled = false;
  readonly #sweeper: Sweeper;
  /** The newest revision that a storage has answered with. */
  #seenRevision: Revision = revision(0);
  #stopped = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#sweeper = new Sweeper(options.timers, SWEEP_MS, IDLE_SWEEP_MS, () => this.#sweep());
  }

  get waiting(): number {
    return this.#all.size;
  }

  start(): void {
    this.#sweeper.wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#sweeper.stop();
    for (const waiting of this.#all) {
      settle(waiting, failure('UNAVAILABLE', 'the gateway is stopping'));
    }
    this.#all.clear();
  }

  get(request: GetRequest, timeoutMs: number): Promise<GetResult> {
    if (this.#stopped) return Promise.resolve(failure('UNAVAILABLE', 'the gateway is stopping'));
    if (this.#all.size >= this.#options.waitingReadsMax) return Promise.resolve(overloaded());
    return new Promise((resolve) => {
      const waiting: Waiting = {
        request,
        minRevision: minRevisionOf(request),
        deadlineMs: this.#options.clock.monotonicMs() + timeoutMs,
        settle: (result) => {
          this.#all.delete(waiting);
          resolve(result);
        },
        tried: NONE,
        settled: false,
      };
      this.#all.add(waiting);
      this.#sweeper.wake();
      if (isLinearizable(request)) this.#linearizable.push(waiting);
      else this.#direct.push(waiting);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#options.timers.endOfTurn(() => {
      this.#scheduled = false;
      const direct = this.#direct;
      this.#direct = [];
      this.#send(direct, NO_INDEX);
      this.#startRound();
    });
  }

  /** What the old leader was asked is asked of the new one, at once. */
  onNewTerm(): void {
    if (this.#round !== undefined) this.#abandon(this.#round.reads);
    this.#schedule();
  }

  // --- ReadIndex rounds -------------------------------------------------------------------------

  #startRound(): void {
    if (this.#round !== undefined || this.#linearizable.length === 0 || this.#stopped) return;
    const { leader } = this.#options.routing;
    if (leader === undefined) return;
    const round = { reads: this.#linearizable };
    this.#linearizable = [];
    this.#round = round;
    this.#askIndex(leader).then(
      (index) => {
        if (this.#round !== round) return;
        if (index === undefined) {
          this.#abandon(round.reads);
          return;
        }
        this.#round = undefined;
        this.#send(round.reads, index);
        this.#startRound();
      },
      (error: unknown) => this.#options.onFatal(error),
    );
  }

  /** Its reads join a fresh round, which the sweep or a new leader starts. */
  #abandon(reads: readonly Waiting[]): void {
    this.#round = undefined;
    this.#linearizable.push(...reads);
  }

  /** The index granted, or undefined when there is none to be had now. */
  async #askIndex(leader: NodeId): Promise<LogIndex | undefined> {
    const { bus, frames, subjects, routing } = this.#options;
    const frame = frames.seal(FrameKind.readIndex, routing.term, EMPTY);
    try {
      const subject = subjects.consensus(leader, ConsensusOperation.readIndex);
      const answer = frames.open(
        await bus.request(subject, frame, ROUND_TIMEOUT_MS),
        FrameKind.readIndexReply,
      );
      if (answer === undefined) return undefined;
      const reply = decodeReadIndexReply(answer.body);
      if (reply.kind === 'not-leader') routing.hint(leader, reply.leader);
      return reply.kind === 'granted' ? reply.index : undefined;
    } catch (error) {
      if (error instanceof BusError || error instanceof DecodeError) return undefined;
      throw error;
    }
  }

  // --- reading at a storage ---------------------------------------------------------------------

  /**
   * Reads that wait for a revision nobody has seen yet go alone, so that they hold up no others.
   */
  #send(reads: readonly Waiting[], minIndex: LogIndex): void {
    let together: Waiting[] = [];
    for (const read of reads) {
      if (read.settled) continue;
      if (read.minRevision > this.#seenRevision) {
        this.#sendBatch([read], minIndex);
        continue;
      }
      together.push(read);
      if (together.length === Limits.readBatchMax) {
        this.#sendBatch(together, minIndex);
        together = [];
      }
    }
    if (together.length > 0) this.#sendBatch(together, minIndex);
  }

  #sendBatch(reads: readonly Waiting[], minIndex: LogIndex): void {
    const storages = this.#options.routing.storages();
    // Why all of them: what is asked again travels with reads that were asked nowhere yet.
    const untried = storages.find((each) => !reads.some(({ tried }) => tried.includes(each)));
    const storage = untried ?? storages[0];
    if (storage === undefined) {
      this.#retryLater(reads);
      return;
    }
    this.#request(storage, reads, minIndex).then(
      (reply) => {
        if (reply === undefined) this.#options.routing.failed(storage);
        else this.#options.routing.answered(storage);
        if (reply === undefined || reply.status === ReadStatus.behind) {
          for (const read of reads) {
            read.tried = read.tried.length + 1 < storages.length ? [...read.tried, storage] : NONE;
          }
          this.#retryLater(reads);
        } else if (reply.status === ReadStatus.overloaded) this.#tellAll(reads, overloaded());
        else this.#tell(reads, reply, minIndex);
      },
      (error: unknown) => this.#options.onFatal(error),
    );
  }

  async #request(
    storage: NodeId,
    reads: readonly Waiting[],
    minIndex: LogIndex,
  ): Promise<ReadReply | undefined> {
    const { bus, frames, subjects, routing, clock } = this.#options;
    let minRevision = revision(0);
    let deadlineMs = 0;
    for (const read of reads) {
      if (read.minRevision > minRevision) minRevision = read.minRevision;
      deadlineMs = Math.max(deadlineMs, read.deadlineMs);
    }
    const leftMs = Math.ceil(deadlineMs - clock.monotonicMs());
    const waitMs = Math.max(1, Math.min(leftMs, ATTEMPT_MS_MAX));
    const body = encodeRead({
      minIndex,
      minRevision,
      waitMs,
      reads: reads.map(({ request }) => request),
    });
    const frame = frames.seal(FrameKind.read, routing.term, body);
    try {
      const subject = subjects.storage(storage, StorageOperation.read);
      const answer = frames.open(
        await bus.request(subject, frame, waitMs + RETRY_MS),
        FrameKind.readReply,
      );
      return answer === undefined ? undefined : decodeReadReply(answer.body);
    } catch (error) {
      if (error instanceof BusError || error instanceof DecodeError) return undefined;
      throw error;
    }
  }

  #tell(reads: readonly Waiting[], reply: ReadReply, minIndex: LogIndex): void {
    if (reply.revision > this.#seenRevision) this.#seenRevision = reply.revision;
    for (const [place, answer] of reply.answers.entries()) {
      const read = reads[place];
      if (read !== undefined) settle(read, resultOf(answer, read.request, reply.revision));
    }
    if (reply.answers.length < reads.length)
      this.#send(reads.slice(reply.answers.length), minIndex);
  }

  #tellAll(reads: readonly Waiting[], result: GetResult): void {
    for (const read of reads) settle(read, result);
  }

  /** Linearizable reads get a fresh round; the sweep sends what waits. */
  #retryLater(reads: readonly Waiting[]): void {
    for (const read of reads) {
      if (read.settled) continue;
      if (isLinearizable(read.request)) this.#linearizable.push(read);
      else this.#direct.push(read);
    }
  }

  /** Returns whether anything waits. */
  #sweep(): boolean {
    if (this.#all.size === 0) return false;
    const now = this.#options.clock.monotonicMs();
    for (const waiting of this.#all) {
      // In order of arrival, but with different timeouts: every one is looked at.
      if (waiting.deadlineMs <= now) settle(waiting, this.#late());
    }
    this.#linearizable = this.#linearizable.filter((waiting) => !waiting.settled);
    this.#schedule();
    return this.#all.size > 0;
  }

  #late(): Failure {
    const { routing } = this.#options;
    if (routing.leader === undefined) {
      return failure('NO_LEADER', 'no leader was found in time', { retryAfterMs: RETRY_AFTER_MS });
    }
    return failure('DEADLINE_EXCEEDED', 'the time ran out before the read could be served');
  }
}

const EMPTY = new Uint8Array(0);

function settle(waiting: Waiting, result: GetResult): void {
  if (waiting.settled) return;
  waiting.settled = true;
  waiting.settle(result);
}

function isLinearizable({ consistency }: GetRequest): boolean {
  return consistency.kind === 'linearizable' || consistency.kind === 'lease';
}

/** Reading the past without a round waits until that past is known to be complete. */
function minRevisionOf(request: GetRequest): Revision {
  let min = request.minRevision ?? revision(0);
  const { consistency, atRevision } = request;
  if (consistency.kind === 'session' && consistency.minRevision > min)
    min = consistency.minRevision;
  if (!isLinearizable(request) && atRevision !== undefined && atRevision > min) min = atRevision;
  return min;
}

function resultOf(answer: ReadAnswer, request: GetRequest, at: Revision): GetResult {
  switch (answer.kind) {
    case AnswerKind.found: {
      const record = decodeRecord(answer.bytes);
      assert(record.kind === 'value', 'a storage answered with a tombstone');
      return { kind: 'found', entry: record, revision: at };
    }
    case AnswerKind.notFound:
      return { kind: 'not-found', revision: at };
    case AnswerKind.compacted: {
      const oldest = new ByteReader(answer.bytes).u64();
      return failure('REVISION_COMPACTED', `the oldest revision kept is ${oldest}`, {
        extra: { oldest },
      });
    }
    case AnswerKind.future:
      return failure(
        'INVALID_ARGUMENT',
        `revision ${request.atRevision} is above the store's revision ${at}`,
      );
    default:
      return assertNever(answer.kind);
  }
}

function overloaded(): Failure {
  return failure('OVERLOADED', 'too many reads are waiting', { retryAfterMs: RETRY_AFTER_MS });
}
