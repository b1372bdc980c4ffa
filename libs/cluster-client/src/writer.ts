/**
 * Writes: from a gateway's requests to batches in the log and back to outcomes.
 *
 * Commands of a few event-loop turns become one batch, cut by the rules of `contract`. A batch goes to
 * the leader; its outcome comes from the home storage, usually before the leader's own answer has
 * been handled. Without one, another storage is asked; without the leader's answer, the same bytes
 * are proposed again, which the session makes harmless.
 *
 * Invariants
 *   1. every request is told exactly once, at the latest at its deadline
 *   2. "certainly not applied" is said only when no copy of the batch may be in the log
 *   3. a batch is never sent under another session, and never again once its number is ended
 *   4. queue and window are bounded: beyond them the answer is OVERLOADED at once
 */
import {
  appendCommand,
  beginBatch,
  type Bus,
  BusError,
  commandBytesMax,
  ConsensusOperation,
  decodeOutcomesFrame,
  decodeProposeReply,
  encodeCommand,
  encodeOutcomesQuery,
  encodePropose,
  type Failure,
  failure,
  type FrameCodec,
  FrameKind,
  OutcomeStatus,
  type ProposeReply,
  RefusalReason,
  StorageOperation,
  type Subjects,
  type BatchOutcomeBytes,
} from '@kvstore/contract';
import {
  assert,
  assertNever,
  ByteWriter,
  type Clock,
  DecodeError,
  isNodeId,
  type NodeId,
  type Random,
  type Timers,
} from '@kvstore/std';
import { decodeOutcomes, type Outcome } from '@kvstore/state-machine';
import type { WriteRequest } from './kv-client.ts';
import { type OutstandingBatch, type PendingWrite, settleAll } from './outstanding-batch.ts';
import type { Routing } from './routing.ts';
import { Session } from './session.ts';
import { Sweeper } from './sweeper.ts';
import { bytesOf, cutBatch, encodeBatch } from './write-batch.ts';

export interface WriterOptions {
  readonly gateway: string;
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly routing: Routing;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly queuedRequestsMax: number;
  readonly heldBytesMax: number;
  readonly sessionTtlMs: number;
  readonly onFatal: (error: unknown) => void;
}

type Encodable = PendingWrite['command'];

const KEEP_ALIVE_BYTES = 16;
/** Turns of the event loop that a request waits for others: each costs a look at the sockets. */
const GATHER_TURNS_MAX = 4;
const SWEEP_MS = 10;
const IDLE_SWEEP_MS = 1_000;
const OUTCOME_PATIENCE_MS = 20;
/** A storage waits for at most a second until it has applied what is asked. */
const OUTCOME_ANSWER_MS = 1_100;
const REPROPOSE_MS = 250;
const REPROPOSE_MS_MAX = 2_000;
const LEADER_WAIT_MS = 20;
const REGISTER_TIMEOUT_MS = 1_000;
const RETRY_AFTER_MS = 1_000;

export class Writer {
  readonly #options: WriterOptions;
  #queue: PendingWrite[] = [];
  /** Of every write that is queued or outstanding. */
  #heldBytes = 0;
  #flushing = false;
  readonly #outstanding = new Map<number, OutstandingBatch>();
  #session: Session | undefined;
  #registration: { readonly batchNo: number; readonly sentAtMs: number } | undefined;
  #lastSentAtMs = 0;
  readonly #sweeper: Sweeper;
  #subscription: { unsubscribe(): void } | undefined;
  #stopped = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#sweeper = new Sweeper(options.timers, SWEEP_MS, IDLE_SWEEP_MS, () => this.#sweep());
  }

  get ready(): boolean {
    return this.#session !== undefined;
  }

  get outstandingBatches(): number {
    return this.#outstanding.size;
  }

  start(): void {
    const { bus, subjects, gateway } = this.#options;
    this.#subscription = bus.subscribe(subjects.gatewayOutcomes(gateway), (message) => {
      this.#onOutcomes(message.payload);
    });
    this.#sweeper.wake();
  }

  /** Answers everybody who still waits. */
  stop(): void {
    this.#stopped = true;
    this.#sweeper.stop();
    this.#subscription?.unsubscribe();
    const stopping = failure('UNAVAILABLE', 'the gateway is stopping');
    for (const queued of this.#queue) queued.settle(stopping);
    this.#queue = [];
    for (const batch of this.#outstanding.values()) {
      settleAll(batch, () => (batch.copies > 0 ? commitUnknown() : stopping));
    }
  }

  write(request: WriteRequest, timeoutMs: number): Promise<Outcome | Failure> {
    const bytesMax = commandBytesMax(request);
    if (
      this.#queue.length >= this.#options.queuedRequestsMax ||
      this.#heldBytes + bytesMax > this.#options.heldBytesMax
    ) {
      return Promise.resolve(overloaded());
    }
    if (this.#stopped) return Promise.resolve(failure('UNAVAILABLE', 'the gateway is stopping'));
    return new Promise((settle) => {
      const deadlineMs = this.#options.clock.monotonicMs() + timeoutMs;
      this.#queue.push({ command: request, bytesMax, deadlineMs, settle });
      this.#heldBytes += bytesMax;
      this.#sweeper.wake();
      this.#scheduleFlush();
    });
  }

  /** The leader of a newer term has spoken: what has no answer yet goes out again at once. */
  onNewTerm(): void {
    if (this.#session === undefined) this.#register();
    for (const batch of this.#outstanding.values()) {
      if (batch.committedAt === undefined) this.#propose(batch);
    }
  }

  // --- from requests to batches -----------------------------------------------------------------

  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#gather(GATHER_TURNS_MAX, 0);
  }

  /** Requests come on many sockets, a few in each turn: while a turn brings more, the next one may too. */
  #gather(turnsLeft: number, gathered: number): void {
    const queued = this.#queue.length;
    if (turnsLeft > 0 && queued > gathered) {
      this.#options.timers.endOfTurn(() => this.#gather(turnsLeft - 1, queued));
      return;
    }
    this.#flushing = false;
    this.#flush();
  }

  #flush(): void {
    if (this.#session === undefined || this.#options.routing.leader === undefined) return;
    let taken = 0;
    while (taken < this.#queue.length && !this.#session.full) {
      const count = cutBatch(this.#queue, taken);
      this.#send(this.#session, this.#queue.slice(taken, taken + count));
      taken += count;
    }
    if (taken > 0) this.#queue = this.#queue.slice(taken);
  }

  #send(session: Session, requests: readonly PendingWrite[]): void {
    const batchNo = session.begin();
    const bytes = encodeBatch(session, batchNo, requests);
    const deadlines = requests.map((request) => request.deadlineMs);
    const batch: OutstandingBatch = {
      batchNo,
      bytes,
      waiting: requests.slice(),
      bytesMax: bytesOf(requests),
      earliestDeadlineMs: Math.min(...deadlines),
      latestDeadlineMs: Math.max(...deadlines),
      copies: 0,
      committedAt: undefined,
      home: undefined,
      attempts: 0,
      queries: 0,
      nextActionMs: 0,
      querying: false,
    };
    this.#outstanding.set(batchNo, batch);
    this.#sweeper.wake();
    this.#propose(batch);
  }

  // --- proposing --------------------------------------------------------------------------------

  #propose(batch: OutstandingBatch): void {
    const { routing, clock } = this.#options;
    const { leader, home } = routing;
    const now = clock.monotonicMs();
    if (leader === undefined || home === undefined) {
      batch.nextActionMs = now + LEADER_WAIT_MS;
      return;
    }
    batch.attempts += 1;
    batch.copies += 1;
    batch.home = home;
    batch.nextActionMs = now + this.#backOff(batch.attempts);
    this.#lastSentAtMs = now;
    this.#requestProposal(leader, home, batch).then(
      (reply) => this.#onReply(batch, leader, reply),
      (error: unknown) => this.#options.onFatal(error),
    );
  }

  /** Doubling from 250 ms, with a jitter of a quarter. */
  #backOff(attempts: number): number {
    const base = Math.min(REPROPOSE_MS * 2 ** (attempts - 1), REPROPOSE_MS_MAX);
    return base + this.#options.random.below(Math.floor(base / 4));
  }

  async #requestProposal(
    leader: NodeId,
    home: NodeId,
    batch: OutstandingBatch,
  ): Promise<ProposeReply | 'not-sent' | 'no-answer'> {
    const { bus, frames, subjects, gateway, routing, clock } = this.#options;
    const body = encodePropose({ route: { home, gateway }, batch: batch.bytes });
    const frame = frames.seal(FrameKind.propose, routing.term, body);
    const timeoutMs = Math.max(REPROPOSE_MS_MAX, batch.latestDeadlineMs - clock.monotonicMs());
    try {
      const subject = subjects.consensus(leader, ConsensusOperation.propose);
      const answer = await bus.request(subject, frame, timeoutMs);
      const opened = frames.open(answer, FrameKind.proposeReply);
      return opened === undefined ? 'no-answer' : decodeProposeReply(opened.body);
    } catch (error) {
      if (error instanceof DecodeError) return 'no-answer';
      if (error instanceof BusError) return error.code === 'TIMEOUT' ? 'no-answer' : 'not-sent';
      throw error;
    }
  }

  /** A refusal takes back its own copy only: an earlier one may still be in the log. */
  #onReply(
    batch: OutstandingBatch,
    leader: NodeId,
    reply: ProposeReply | 'not-sent' | 'no-answer',
  ): void {
    // Why by identity: a later session counts its batches from 1 again.
    if (this.#outstanding.get(batch.batchNo) !== batch || reply === 'no-answer') return;
    const now = this.#options.clock.monotonicMs();
    if (reply === 'not-sent') {
      batch.copies -= 1;
      batch.nextActionMs = now + LEADER_WAIT_MS;
      return;
    }
    switch (reply.kind) {
      case 'committed':
        batch.committedAt = reply.index;
        batch.nextActionMs = now + OUTCOME_PATIENCE_MS;
        return;
      case 'not-leader':
        batch.copies -= 1;
        this.#options.routing.hint(leader, reply.leader);
        batch.nextActionMs = now + LEADER_WAIT_MS;
        return;
      case 'refused':
        batch.copies -= 1;
        if (batch.copies === 0) this.#refused(batch, reply.reason);
        return;
      case 'unknown':
        return;
      default:
        assertNever(reply);
    }
  }

  #refused(batch: OutstandingBatch, reason: RefusalReason): void {
    assert(reason !== RefusalReason.malformed, 'the leader refused a batch of ours as malformed');
    const why =
      reason === RefusalReason.diskFull
        ? failure('UNAVAILABLE', 'the disk of the leader is full: nothing was written', {
            retryAfterMs: RETRY_AFTER_MS,
          })
        : overloaded();
    this.#finish(batch, () => why);
  }

  // --- outcomes ---------------------------------------------------------------------------------

  #onOutcomes(payload: Uint8Array): void {
    const frame = this.#options.frames.open(payload, FrameKind.outcomes);
    if (frame === undefined) return;
    if (isNodeId(frame.sender.name)) this.#options.routing.answered(frame.sender.name);
    this.#takeOutcomes(frame.body);
  }

  #takeOutcomes(body: Uint8Array): void {
    try {
      const { session, batches } = decodeOutcomesFrame(body);
      if (session === 0) this.#onRegistered(batches);
      else if (session === this.#session?.id) for (const each of batches) this.#onOutcome(each);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }

  #onOutcome({ batchNo, status, bytes }: BatchOutcomeBytes): void {
    const batch = this.#outstanding.get(batchNo);
    if (batch === undefined) return;
    if (status === OutcomeStatus.unknownSession) this.#sessionLost();
    if (status !== OutcomeStatus.decided) return;
    const decided = decodeOutcomes(bytes);
    switch (decided.kind) {
      case 'applied':
        assert(decided.outcomes.length === batch.waiting.length, 'outcomes of another batch');
        this.#finish(batch, (place) => decided.outcomes[place] as Outcome);
        return;
      case 'session-expired':
        this.#sessionLost();
        return;
      case 'stale':
        this.#finish(batch, commitUnknown);
        return;
      case 'window-exceeded':
        this.#finish(batch, () => (batch.attempts === 1 ? overloaded() : commitUnknown()));
        return;
      default:
        assertNever(decided);
    }
  }

  #finish(batch: OutstandingBatch, result: (place: number) => Outcome | Failure): void {
    this.#end(batch);
    settleAll(batch, result);
    if (this.#queue.length > 0) this.#scheduleFlush();
  }

  #end(batch: OutstandingBatch): void {
    this.#outstanding.delete(batch.batchNo);
    this.#session?.end(batch.batchNo);
    this.#heldBytes -= batch.bytesMax;
  }

  /** The storage does not know our session: what was outstanding under it is unknown for ever. */
  #sessionLost(): void {
    this.#session = undefined;
    const lost = [...this.#outstanding.values()];
    this.#outstanding.clear();
    this.#registration = undefined;
    for (const batch of lost) {
      this.#heldBytes -= batch.bytesMax;
      settleAll(batch, commitUnknown);
    }
    this.#register();
  }

  /** Asks another storage than the one that should have sent the outcome, then all in turn. */
  #query(batch: OutstandingBatch, session: Session): void {
    const { routing, clock } = this.#options;
    const storages = routing.storages().filter((storage) => storage !== batch.home);
    if (batch.home !== undefined) storages.push(batch.home);
    const storage = storages[batch.queries % storages.length];
    batch.nextActionMs = clock.monotonicMs() + this.#backOff(1);
    if (storage === undefined || batch.committedAt === undefined) return;
    batch.queries += 1;
    batch.querying = true;
    const body = encodeOutcomesQuery({
      session: session.id,
      minIndex: batch.committedAt,
      batches: [batch.batchNo],
    });
    this.#askOutcomes(storage, body)
      .then(
        (answered) => {
          if (answered) this.#answeredInstead(batch, storage);
          else routing.failed(storage);
        },
        (error: unknown) => this.#options.onFatal(error),
      )
      .finally(() => {
        batch.querying = false;
      });
  }

  /** Whether the storage answered, whatever it knows. */
  async #askOutcomes(storage: NodeId, body: Uint8Array): Promise<boolean> {
    const { bus, frames, subjects, routing } = this.#options;
    const frame = frames.seal(FrameKind.outcomesQuery, routing.term, body);
    const subject = subjects.storage(storage, StorageOperation.outcomes);
    try {
      const answer = await bus.request(subject, frame, OUTCOME_ANSWER_MS);
      const opened = frames.open(answer, FrameKind.outcomes);
      if (opened !== undefined) this.#takeOutcomes(opened.body);
      return opened !== undefined;
    } catch (error) {
      if (error instanceof BusError) return false;
      throw error;
    }
  }

  /** Another storage had the outcome before the home sent it: a mark against the home. */
  #answeredInstead(batch: OutstandingBatch, storage: NodeId): void {
    const { routing } = this.#options;
    routing.answered(storage);
    const ended = this.#outstanding.get(batch.batchNo) !== batch;
    if (ended && batch.home !== undefined && batch.home !== storage) routing.failed(batch.home);
  }

  // --- the session ------------------------------------------------------------------------------

  #register(): void {
    const { bus, frames, subjects, routing, gateway, clock, random } = this.#options;
    const { leader, home } = routing;
    if (leader === undefined || home === undefined) return;
    // Why the same number again: the first of several slow answers counts, and spare sessions expire.
    const batchNo = this.#registration?.batchNo ?? 1 + random.below(0x7fff_ffff);
    this.#registration = { batchNo, sentAtMs: clock.monotonicMs() };
    const writer = new ByteWriter(64);
    beginBatch(writer, { session: 0, batchNo, doneBelow: 0, commands: 1 });
    const command: Encodable = { kind: 'register-session', ttlMs: this.#options.sessionTtlMs };
    appendCommand(writer, (into) => encodeCommand(into, command));
    const body = encodePropose({ route: { home, gateway }, batch: writer.finish() });
    const frame = frames.seal(FrameKind.propose, routing.term, body);
    bus
      .request(subjects.consensus(leader, ConsensusOperation.propose), frame, REGISTER_TIMEOUT_MS)
      .then(
        () => undefined,
        (error: unknown) => {
          if (!(error instanceof BusError)) this.#options.onFatal(error);
        },
      );
  }

  #onRegistered(batches: readonly BatchOutcomeBytes[]): void {
    for (const { batchNo, bytes } of batches) {
      if (batchNo !== this.#registration?.batchNo) continue;
      const decided = decodeOutcomes(bytes);
      const outcome = decided.kind === 'applied' ? decided.outcomes[0] : undefined;
      if (outcome?.kind !== 'session-registered') continue;
      this.#session = new Session(outcome.session);
      this.#registration = undefined;
      this.#lastSentAtMs = this.#options.clock.monotonicMs();
      this.#scheduleFlush();
    }
  }

  #keepAlive(session: Session): void {
    const { leader, home } = this.#options.routing;
    if (session.full || leader === undefined || home === undefined) return;
    const deadlineMs = this.#options.clock.monotonicMs() + this.#options.sessionTtlMs;
    const settle = (): void => undefined;
    this.#heldBytes += KEEP_ALIVE_BYTES;
    const command: Encodable = { kind: 'keep-alive' };
    this.#send(session, [{ command, bytesMax: KEEP_ALIVE_BYTES, deadlineMs, settle }]);
  }

  // --- deadlines and retries --------------------------------------------------------------------

  /** Returns whether anything waits. */
  #sweep(): boolean {
    const now = this.#options.clock.monotonicMs();
    this.#sweepQueue(now);
    for (const batch of this.#outstanding.values()) this.#sweepBatch(batch, now);
    if (this.#session === undefined) {
      const sentAtMs = this.#registration?.sentAtMs ?? Number.NEGATIVE_INFINITY;
      if (now - sentAtMs > REPROPOSE_MS) this.#register();
      return true;
    }
    if (now - this.#lastSentAtMs > this.#options.sessionTtlMs / 3) this.#keepAlive(this.#session);
    if (this.#queue.length > 0) this.#scheduleFlush();
    return this.#queue.length > 0 || this.#outstanding.size > 0;
  }

  #sweepQueue(now: number): void {
    if (!this.#queue.some((queued) => queued.deadlineMs <= now)) return;
    const late = this.#queue.filter((queued) => queued.deadlineMs <= now);
    this.#queue = this.#queue.filter((queued) => queued.deadlineMs > now);
    for (const queued of late) {
      this.#heldBytes -= queued.bytesMax;
      queued.settle(this.#notSent());
    }
  }

  #sweepBatch(batch: OutstandingBatch, now: number): void {
    if (batch.earliestDeadlineMs <= now) {
      if (batch.copies === 0) {
        this.#takeBack(batch, now);
        return;
      }
      for (const [place, waiting] of batch.waiting.entries()) {
        if (waiting === undefined || waiting.deadlineMs > now) continue;
        batch.waiting[place] = undefined;
        waiting.settle(commitUnknown());
      }
      if (batch.latestDeadlineMs <= now) {
        this.#finish(batch, commitUnknown);
        return;
      }
    }
    if (now < batch.nextActionMs || batch.querying || this.#session === undefined) return;
    if (batch.committedAt === undefined) this.#propose(batch);
    else this.#query(batch, this.#session);
  }

  /**
   * No copy of the batch is anywhere and somebody's time is up: the batch is given up, and who still
   * has time goes back to the queue. Sending the same bytes again would apply what was just called
   * certainly not applied.
   */
  #takeBack(batch: OutstandingBatch, now: number): void {
    this.#end(batch);
    const alive: PendingWrite[] = [];
    for (const waiting of batch.waiting) {
      if (waiting === undefined) continue;
      if (waiting.deadlineMs > now) alive.push(waiting);
      else waiting.settle(this.#notSent());
    }
    this.#heldBytes += bytesOf(alive);
    this.#queue = [...alive, ...this.#queue];
  }

  #notSent(): Failure {
    return this.#options.routing.leader === undefined
      ? failure('NO_LEADER', 'no leader was found in time: nothing was written', {
          retryAfterMs: RETRY_AFTER_MS,
        })
      : failure(
          'DEADLINE_EXCEEDED',
          'the time ran out before the write was sent: nothing was written',
        );
  }
}

function commitUnknown(): Failure {
  return failure(
    'COMMIT_UNKNOWN',
    'the write was sent and may or may not be applied: its outcome did not come back in time',
  );
}

function overloaded(): Failure {
  return failure('OVERLOADED', 'too many writes are waiting', { retryAfterMs: RETRY_AFTER_MS });
}
