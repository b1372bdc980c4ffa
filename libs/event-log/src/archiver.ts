/**
 * Appends the committed log to the stream of its epoch, while this node leads (design, section 8).
 *
 * One loop, one message in flight, its own cursor. It asks the leader for nothing but committed
 * entries and the beginning of an epoch, and nothing waits for it: when JetStream is slow, full, off
 * or gone, the archive lags and says so.
 *
 * Invariants
 *   1. a message is appended only right after the message before it, of which we know that it ends
 *      with an entry of our log: so a stream holds the log from its first entry on, each entry once
 *   2. what was not acknowledged is looked at, never guessed: after any doubt about the stream its
 *      end is inspected before something is appended
 *   3. a stream that is not whole is never mended, emptied or deleted: the next epoch gets a new one
 *   4. a loss is believed only when it is seen again after `confirmLossMs`, still leading in the same
 *      term: a leader that was paused and is one no longer, or a server that is starting, begins no
 *      epoch; and epochs have a budget
 */
import type { NatsConnection } from 'nats';
import type { FrameCodec } from '@kvstore/contract';
import type { ArchiveSource, ArchiveState } from '@kvstore/sequencer';
import {
  assert,
  type Clock,
  logIndex,
  type Random,
  type Term,
  type Timer,
  type Timers,
} from '@kvstore/std';
import { areConsecutive, cutMessage, sealMessage } from './archive-message.ts';
import { type ArchiverConfig, defaultArchiverConfig } from './archiver-config.ts';
import {
  type ArchiverCounters,
  type ArchiverEvent,
  ArchiverPhase,
  type ArchiverStatus,
} from './archiver-report.ts';
import { EpochBudget } from './epoch-budget.ts';
import { inspect, Loss } from './inspection.ts';
import { type Appended, LogStreams, type StreamEnd, type Unavailable } from './log-streams.ts';

export interface ArchiverOptions {
  readonly source: ArchiveSource;
  /** Stays the caller's, who closes it after `stop`. */
  readonly connection: NatsConnection;
  readonly cluster: string;
  readonly group: string;
  /** Of this consensus. */
  readonly frames: FrameCodec;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly config?: Partial<ArchiverConfig>;
  /** For log lines: once per cause, not per attempt. */
  readonly onEvent?: (event: ArchiverEvent) => void;
  /** The log could not be read, or an invariant broke. */
  readonly onFatal: (error: unknown) => void;
}

/** What is known in one leadership. */
interface Tenure {
  readonly term: Term;
  /** The epoch that this leadership has asked for; 0: none. */
  asked: number;
  stream: OpenStream | undefined;
  suspectedAtMs: number | undefined;
}

interface OpenStream extends StreamEnd {
  readonly epoch: number;
  /** Reached: its end is inspected before the next append. */
  readonly inspectAtMs: number;
}

const STOP_MS_MAX = 1_000;
const AT_ONCE = 0;

export class Archiver {
  readonly counters: ArchiverCounters = {
    messages: 0,
    entries: 0,
    bytes: 0,
    inspections: 0,
    misplaced: 0,
    losses: 0,
    epochsBegun: 0,
    errors: new Map(),
  };
  readonly #options: ArchiverOptions;
  readonly #config: ArchiverConfig;
  readonly #streams: LogStreams;
  readonly #budget: EpochBudget;
  #phase: ArchiverPhase = ArchiverPhase.stopped;
  #tenure: Tenure | undefined;
  /** Since the last success; bounds the pause before the next attempt. */
  #failures = 0;
  #running: Promise<void> | undefined;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(options: ArchiverOptions) {
    this.#options = options;
    this.#config = { ...defaultArchiverConfig, ...options.config };
    const { connection, cluster, group } = options;
    const { callTimeoutMs, epochPauseMsMin, epochPauseMsMax } = this.#config;
    this.#streams = new LogStreams({ connection, cluster, group, callTimeoutMs });
    this.#budget = new EpochBudget(epochPauseMsMin, epochPauseMsMax);
  }

  start(): void {
    assert(this.#running === undefined, 'an archiver is started once');
    this.#phase = ArchiverPhase.idle;
    this.#running = this.#run().catch((error: unknown) => {
      if (!this.#stopped) this.#options.onFatal(error);
    });
  }

  /** Nothing is appended afterwards; a call under way is not waited for beyond a second. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#phase = ArchiverPhase.stopped;
    this.#wake?.();
    let timer: Timer | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = this.#options.timers.after(STOP_MS_MAX, resolve);
    });
    await Promise.race([this.#running, patience]);
    timer?.cancel();
  }

  status(): ArchiverStatus {
    const state = this.#options.source.state;
    const stream = this.#tenure?.stream;
    const current = stream !== undefined && stream.epoch === state?.epoch ? stream : undefined;
    const archivedIndex = logIndex(current === undefined ? 0 : current.next - 1);
    const lagEntries = state === undefined ? 0 : Math.max(0, state.commitIndex - archivedIndex);
    return { phase: this.#phase, epoch: state?.epoch ?? 0, archivedIndex, lagEntries };
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const pauseMs = await this.#step();
      if (pauseMs > AT_ONCE) await this.#pause(pauseMs);
    }
  }

  /** Does the next thing; returns how long to wait before the one after it. */
  async #step(): Promise<number> {
    const { state } = this.#options.source;
    if (state === undefined) {
      this.#tenure = undefined;
      this.#phase = ArchiverPhase.idle;
      return this.#config.idlePauseMs;
    }
    const tenure = this.#tenureOf(state);
    if (state.epoch < tenure.asked) {
      // Why again: the first proposal may have been refused.
      this.#options.source.beginEpoch();
      return this.#config.lingerMs;
    }
    if (state.epoch === 0) return this.#beginFirst(tenure);
    const known = tenure.stream?.epoch === state.epoch ? tenure.stream : undefined;
    const certain = known !== undefined && this.#nowMs() < known.inspectAtMs;
    return certain && known.next >= state.firstIndex
      ? this.#append(tenure, known, state)
      : this.#open(tenure, known, state);
  }

  #tenureOf(state: ArchiveState): Tenure {
    if (this.#tenure?.term !== state.term) {
      this.#tenure = { term: state.term, asked: 0, stream: undefined, suspectedAtMs: undefined };
      this.#phase = ArchiverPhase.opening;
    }
    return this.#tenure;
  }

  // --- epochs and their streams -------------------------------------------------------------------

  /** Without a JetStream there is nothing to begin an epoch for. */
  async #beginFirst(tenure: Tenure): Promise<number> {
    const waitMs = this.#budget.nextAtMs - this.#nowMs();
    if (waitMs > 0) return Math.min(waitMs, this.#config.retryMsMax);
    const probed = await this.#streams.probe();
    if (!this.#leads(tenure)) return AT_ONCE;
    return probed.kind === 'unavailable' ? this.#backOff(probed) : this.#begin(tenure, 0);
  }

  #begin(tenure: Tenure, epoch: number): number {
    this.#reached(ArchiverPhase.opening);
    this.#budget.begun(this.#nowMs());
    this.counters.epochsBegun += 1;
    tenure.asked = epoch + 1;
    tenure.suspectedAtMs = undefined;
    this.#options.source.beginEpoch();
    return AT_ONCE;
  }

  /** Finds the end of the epoch's stream, or makes the stream when this leadership began the epoch. */
  async #open(tenure: Tenure, known: OpenStream | undefined, state: ArchiveState): Promise<number> {
    const { frames, source } = this.#options;
    // Why: nobody relies yet on a stream of which nothing was ever acknowledged.
    const fresh = tenure.asked === state.epoch && (known === undefined || known.sequence === 0);
    this.counters.inspections += 1;
    const acknowledged = fresh ? undefined : known;
    const verdict = await inspect(this.#streams, frames, source, state, acknowledged);
    if (!this.#leads(tenure)) return AT_ONCE;
    switch (verdict.kind) {
      case 'unavailable':
        return this.#backOff(verdict);
      case 'undecided':
        return this.#config.lingerMs;
      case 'whole':
        return this.#goOn(tenure, state, verdict.end);
      case 'new': {
        if (!fresh) return this.#lose(tenure, state, Loss.emptied);
        const { created } = verdict;
        return this.#goOn(tenure, state, { created, sequence: 0, next: state.firstIndex });
      }
      case 'lost':
        return fresh && verdict.loss === Loss.missing
          ? this.#create(tenure, state)
          : this.#lose(tenure, state, verdict.loss);
    }
  }

  async #create(tenure: Tenure, state: ArchiveState): Promise<number> {
    const created = await this.#streams.create(state.epoch);
    if (!this.#leads(tenure)) return AT_ONCE;
    if (created.kind === 'unavailable') return this.#backOff(created);
    if (created.kind === 'occupied') return this.#lose(tenure, state, Loss.occupied);
    const stream = this.#streams.nameOf(state.epoch);
    this.#emit({ kind: 'stream-created', epoch: state.epoch, stream });
    return AT_ONCE;
  }

  #goOn(tenure: Tenure, state: ArchiveState, end: StreamEnd): number {
    const { epoch } = state;
    const taken = tenure.stream?.epoch !== epoch && end.sequence > 0;
    tenure.suspectedAtMs = undefined;
    tenure.stream = { ...end, epoch, inspectAtMs: this.#nowMs() + this.#config.inspectPeriodMs };
    this.#options.source.archived(end.next);
    if (taken) {
      const stream = this.#streams.nameOf(epoch);
      this.#emit({ kind: 'stream-continued', epoch, stream, next: end.next });
    }
    return AT_ONCE;
  }

  #lose(tenure: Tenure, state: ArchiveState, loss: Loss): number {
    this.#reached(ArchiverPhase.lost);
    const nowMs = this.#nowMs();
    tenure.suspectedAtMs ??= nowMs;
    const confirmedAtMs = tenure.suspectedAtMs + this.#config.confirmLossMs;
    const waitMs = Math.max(confirmedAtMs, this.#budget.nextAtMs) - nowMs;
    if (waitMs > 0) return Math.min(waitMs, this.#config.retryMsMax);
    this.counters.losses += 1;
    this.#emit({ kind: 'stream-lost', epoch: state.epoch, loss });
    return this.#begin(tenure, state.epoch);
  }

  // --- entries ------------------------------------------------------------------------------------

  async #append(tenure: Tenure, stream: OpenStream, state: ArchiveState): Promise<number> {
    const { source, frames } = this.#options;
    const { messageBytesMax, lingerMs, idlePauseMs } = this.#config;
    const beganAtMs = this.#nowMs();
    const read =
      stream.next > state.commitIndex ? [] : await source.read(stream.next, messageBytesMax);
    assert(areConsecutive(read, stream.next), 'the log was read with a gap');
    const entries = cutMessage(read, messageBytesMax);
    const last = entries.at(-1);
    if (!this.#leads(tenure)) return AT_ONCE;
    if (last === undefined) {
      this.#reached(ArchiverPhase.archiving);
      return idlePauseMs;
    }
    const frame = sealMessage(frames, tenure.term, entries);
    const { epoch, sequence } = stream;
    const appended = await this.#streams.append(epoch, frame, stream);
    if (appended.kind !== 'appended') return this.#doubt(tenure, stream, appended);
    this.#reached(ArchiverPhase.archiving);
    this.counters.messages += 1;
    this.counters.entries += entries.length;
    this.counters.bytes += frame.length;
    const next = logIndex(last.index + 1);
    tenure.stream = { ...stream, sequence: sequence + 1, next };
    source.archived(next);
    // Why by the commit index of before: under load, what came meanwhile can fill a message first.
    return last.index < state.commitIndex ? this.#pace(frame.length, beganAtMs) : lingerMs;
  }

  /** What became of an append is not known, or it was not at the end. */
  #doubt(
    tenure: Tenure,
    stream: OpenStream,
    appended: Exclude<Appended, { kind: 'appended' }>,
  ): number {
    tenure.stream = { ...stream, inspectAtMs: 0 };
    if (appended.kind === 'unavailable') return this.#backOff(appended);
    this.counters.misplaced += 1;
    const again = this.#failures > 0;
    const pauseMs = this.#nextPauseMs();
    return again ? pauseMs : AT_ONCE;
  }

  #pace(bytes: number, beganAtMs: number): number {
    const dueMs = (bytes / this.#config.bytesPerSecondMax) * 1000;
    return Math.max(AT_ONCE, dueMs - (this.#nowMs() - beganAtMs));
  }

  // --- time and trouble ---------------------------------------------------------------------------

  #leads(tenure: Tenure): boolean {
    return !this.#stopped && this.#options.source.state?.term === tenure.term;
  }

  /** The streams can be used. */
  #reached(phase: ArchiverPhase): void {
    if (this.#stopped) return;
    if (this.#phase === ArchiverPhase.unavailable) this.#emit({ kind: 'available' });
    this.#phase = phase;
    this.#failures = 0;
  }

  #backOff({ error, detail }: Unavailable): number {
    const { errors } = this.counters;
    errors.set(error, (errors.get(error) ?? 0) + 1);
    if (this.#stopped) return AT_ONCE;
    if (this.#phase !== ArchiverPhase.unavailable) {
      this.#emit({ kind: 'unavailable', error, detail });
    }
    this.#phase = ArchiverPhase.unavailable;
    return this.#nextPauseMs();
  }

  /** Full jitter below a bound that doubles with every failure in a row. */
  #nextPauseMs(): number {
    const { retryMsMin, retryMsMax } = this.#config;
    const boundMs = Math.min(retryMsMax, retryMsMin * 2 ** this.#failures);
    if (boundMs < retryMsMax) this.#failures += 1;
    return 1 + this.#options.random.below(Math.ceil(boundMs));
  }

  #emit(event: ArchiverEvent): void {
    if (!this.#stopped) this.#options.onEvent?.(event);
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  async #pause(delayMs: number): Promise<void> {
    if (this.#stopped) return;
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = this.#options.timers.after(delayMs, resolve);
    });
    this.#wake = undefined;
    timer?.cancel();
  }
}
