/**
 * The replica: one node's copy of the data of one group.
 *
 * It applies committed entries in order from the live lane and, where that lost something, by
 * pulling; sends the outcomes of batches whose home it is; and serves reads and outcome queries
 * once it has applied what they wait for. It acknowledges nothing and decides nothing.
 *
 * Invariants
 *   1. entries are applied in log order, each once: lower is dropped, ahead of a gap is held
 *   2. a read is answered from one state between two entries, at or above what it waits for
 *   3. a replica whose chain differs from a mark at the same index stops serving
 *   4. what it keeps belongs to one founded cluster: it takes nothing before it knows which one, and
 *      under the marks of another it serves nothing
 */
import {
  AnswerKind,
  type BusMessage,
  type BusSubscription,
  decodeLive,
  decodeMark,
  decodeOutcomesQuery,
  decodeRead,
  encodeBeacon,
  encodeOutcomesFrame,
  encodeReadReply,
  FrameCodec,
  FrameKind,
  FrameRefusal,
  type Lanes,
  Limits,
  type Live,
  type LogEntry,
  type OutcomeRoute,
  type BatchOutcomeBytes,
  type OutcomesQuery,
  OutcomeStatus,
  type ReadAnswer,
  type ReadBatch,
  type ReadOperation,
  ReadStatus,
  SenderRole,
  StorageOperation,
  type StorageStatus,
  Subjects,
} from '@kvstore/contract';
import {
  ByteWriter,
  type Clock,
  type LogIndex,
  type NodeId,
  revision,
  term,
  type Timer,
  type Timers,
} from '@kvstore/std';
import { StateMachine } from '@kvstore/state-machine';
import { type Applied, Applier, DivergedError } from './applier.ts';
import { CatchUp } from './catch-up.ts';
import type { EntryArchive } from './entry-archive.ts';
import { EntryBuffer } from './entry-buffer.ts';
import type { ReplicaStore } from './replica-store.ts';
import { Waiters } from './waiters.ts';

export interface ReplicaOptions {
  readonly node: NodeId;
  readonly cluster: string;
  readonly group: string;
  readonly incarnation: number;
  readonly secret: Uint8Array;
  /** Tag of the founded cluster that the data belongs to; undefined: not known yet. */
  readonly clusterTag: number | undefined;
  /** Where entries can be pulled from before the first mark; the own node first. */
  readonly consensusNodes: readonly NodeId[];
  /** Read when no consensus serves an entry. */
  readonly archive?: EntryArchive;
  readonly lanes: Lanes;
  readonly store: ReplicaStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly onFatal: (error: unknown) => void;
  /** Something an operator should read about, once per cause. */
  readonly onNotice?: (notice: ReplicaNotice) => void;
}

export type ReplicaNotice =
  /** The first mark told which cluster this storage belongs to; to be remembered for ever. */
  | { readonly kind: 'cluster-learned'; readonly clusterTag: number }
  /** The data here is of a cluster that was founded apart from the one that `leader` leads. */
  | { readonly kind: 'foreign-data'; readonly leader: string };

/** Also when nothing changes: a silent storage counts as gone. */
const BEACON_PERIOD_MS = 250;
/** A beacon with nothing new to tell goes out with every third period only. */
const SAME_BEACONS_SKIPPED_MAX = 2;
const OUTCOME_WAIT_MS = 1_000;
const NOTHING = new Uint8Array(0);

export interface ReplicaCounters {
  entriesApplied: number;
  batchesApplied: number;
  readsServed: number;
}

export class Replica {
  readonly counters: ReplicaCounters = { entriesApplied: 0, batchesApplied: 0, readsServed: 0 };
  readonly #options: ReplicaOptions;
  readonly #frames: FrameCodec;
  readonly #subjects: Subjects;
  readonly #stateMachine: StateMachine;
  readonly #applier: Applier;
  readonly #waiters: Waiters;
  readonly #ahead = new EntryBuffer();
  readonly #catchUp: CatchUp;
  readonly #subscriptions: BusSubscription[] = [];
  /** What the last periodic beacon said. */
  #told = '';
  #sameBeaconsSkipped = 0;
  #beaconTimer: Timer | undefined;
  #clusterTag: number | undefined;
  #foreign = false;
  #resuming = false;
  #flushing = false;
  #stopped = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#clusterTag = options.clusterTag;
    this.#frames = new FrameCodec({
      cluster: options.cluster,
      group: options.group,
      secret: options.secret,
      sender: { role: SenderRole.storage, name: options.node, incarnation: options.incarnation },
    });
    this.#subjects = new Subjects(options.cluster, options.group);
    this.#stateMachine = new StateMachine(options.store);
    this.#applier = new Applier(options.store, this.#stateMachine);
    this.#waiters = new Waiters(options.clock, options.timers);
    this.#catchUp = new CatchUp({
      nodes: options.consensusNodes,
      archive: options.archive,
      bus: options.lanes.data,
      frames: this.#frames,
      subjects: this.#subjects,
      timers: options.timers,
      applied: () => this.#options.store.applied.index,
      offer: (entries) => this.#offerPulled(entries),
      onFatal: options.onFatal,
    });
  }

  get frames(): FrameCodec {
    return this.#frames;
  }

  get pulls(): number {
    return this.#catchUp.pulls;
  }

  get archiveReads(): number {
    return this.#catchUp.archiveReads;
  }

  start(): void {
    const { lanes, node, timers } = this.#options;
    const { data, control } = lanes;
    this.#subscriptions.push(
      data.subscribe(this.#subjects.live, (m) => this.#onLive(m)),
      control.subscribe(this.#subjects.mark, (m) => this.#onMark(m)),
      data.subscribe(this.#subjects.storage(node, StorageOperation.read), (m) => this.#onRead(m)),
      data.subscribe(this.#subjects.storage(node, StorageOperation.outcomes), (m) =>
        this.#onQuery(m),
      ),
    );
    this.#beaconTimer = timers.every(BEACON_PERIOD_MS, () => this.#publishNews());
    this.#publishBeacon();
  }

  /** Stops serving, flushes what was applied and closes the store. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#beaconTimer?.cancel();
    this.#catchUp.stop();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#waiters.close();
    await this.#options.store.close();
  }

  status(): StorageStatus {
    const { store, node } = this.#options;
    const { keys, bytes } = this.#stateMachine.statistics;
    return {
      node,
      appliedIndex: store.applied.index,
      chain: store.applied.chain,
      durableIndex: store.durable.index,
      revision: this.#stateMachine.revision,
      keys,
      bytes,
      segments: store.statistics.segments,
      segmentBytes: store.statistics.segmentBytes,
      memtableBytes: store.statistics.memtableBytes,
      healthy: this.#serves && store.statistics.flushError === undefined,
      flushError: store.statistics.flushError,
    };
  }

  // --- applying ---------------------------------------------------------------------------------

  #onLive(message: BusMessage): void {
    if (!this.#serves) return;
    const live = this.#frames.receive(message.payload, FrameKind.live, decodeLive)?.body;
    if (live === undefined) return;
    const { applied } = this.#options.store;
    if (live.entry.index <= applied.index) return;
    if (live.entry.index === applied.index + 1 && !this.#options.store.stalled) {
      this.#apply(live);
      this.#applyHeld();
    } else {
      this.#ahead.hold(live);
      this.#applyHeld();
      this.#catchUp.need(live.entry.index);
    }
  }

  #onMark(message: BusMessage): void {
    const received = this.#frames.receive(message.payload, FrameKind.mark, decodeMark);
    if (received === undefined) return;
    const mark = received.body;
    if (!this.#isOurs(mark.clusterTag, received.frame.sender.name)) return;
    const { applied } = this.#options.store;
    if (mark.commitIndex === applied.index && mark.chain !== applied.chain) {
      this.#fail(new DivergedError(`the chain at ${applied.index} is not the leader's: rebuild`));
      return;
    }
    this.#catchUp.heardEpoch(mark.epoch);
    this.#catchUp.heardMembers(mark.members);
    this.#flushTo(mark.flushTo);
    this.#catchUp.need(mark.commitIndex);
  }

  /** A change of members waits for what is durable here. */
  #flushTo(index: LogIndex): void {
    const { applied, durable } = this.#options.store;
    if (this.#flushing || index <= durable.index || applied.index < index) return;
    this.#flushing = true;
    this.#options.store
      .flush()
      .then(() => this.#publishBeacon())
      .catch((error: unknown) => this.#fail(error))
      .finally(() => (this.#flushing = false));
  }

  /** What this storage keeps is served only under the marks of its own cluster. */
  get #serves(): boolean {
    return !this.#stopped && !this.#foreign && this.#clusterTag !== undefined;
  }

  /** Beacons go out on the other lane, also when nobody can ask this storage anything. */
  get #canBeAsked(): boolean {
    return this.#serves && this.#options.lanes.data.status === 'connected';
  }

  #isOurs(clusterTag: number, leader: string): boolean {
    if (this.#clusterTag === undefined) {
      this.#clusterTag = clusterTag;
      this.#options.onNotice?.({ kind: 'cluster-learned', clusterTag });
      this.#publishBeacon();
    }
    if (this.#clusterTag === clusterTag) {
      this.#foreign = false;
      return true;
    }
    this.#frames.refuse(FrameRefusal.foreign);
    if (!this.#foreign) this.#options.onNotice?.({ kind: 'foreign-data', leader });
    this.#foreign = true;
    return false;
  }

  async #offerPulled(entries: readonly LogEntry[]): Promise<void> {
    for (const entry of entries) {
      if (this.#options.store.stalled) await this.#options.store.whenWritable();
      // Why after the wait: entries held meanwhile may have been applied when it ended.
      if (this.#stopped) return;
      if (entry.index !== this.#options.store.applied.index + 1) continue;
      this.#apply({ entry, routes: [] });
    }
    this.#applyHeld();
  }

  /** Applies what was held ahead of a gap that is closed now, as long as the store takes it. */
  #applyHeld(): void {
    const { store } = this.#options;
    while (!this.#stopped && !store.stalled) {
      const next = this.#ahead.takeAfter(store.applied.index);
      if (next === undefined) return;
      this.#apply(next);
    }
    if (this.#resuming || this.#stopped) return;
    this.#resuming = true;
    store
      .whenWritable()
      .then(() => {
        this.#resuming = false;
        this.#applyHeld();
      })
      .catch((error: unknown) => this.#fail(error));
  }

  #apply(live: Live): void {
    let applied: Applied;
    try {
      applied = this.#applier.apply(live.entry);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.counters.entriesApplied += 1;
    this.counters.batchesApplied += applied.batches.length;
    if (live.routes.length > 0) this.#sendOutcomes(live.routes, applied);
    this.#waiters.reached(this.#reached());
  }

  #reached(): { readonly index: LogIndex; readonly revision: ReturnType<typeof revision> } {
    return { index: this.#options.store.applied.index, revision: this.#stateMachine.revision };
  }

  /** One message per gateway and session: a gateway's batches of one entry share both. */
  #sendOutcomes(routes: readonly OutcomeRoute[], { batches, result }: Applied): void {
    const bySession = new Map<
      string,
      { session: number; gateway: string; sent: BatchOutcomeBytes[] }
    >();
    for (const [place, route] of routes.entries()) {
      const batch = batches[place];
      const bytes = result.encoded[place];
      if (route.home !== this.#options.node || batch === undefined || bytes === undefined) continue;
      const { session, batchNo } = batch;
      const id = `${route.gateway} ${session}`;
      const group = bySession.get(id) ?? { session, gateway: route.gateway, sent: [] };
      group.sent.push({ batchNo, status: OutcomeStatus.decided, bytes });
      bySession.set(id, group);
    }
    for (const { session, gateway, sent } of bySession.values()) {
      const body = encodeOutcomesFrame({ session, batches: sent });
      const frame = this.#frames.seal(FrameKind.outcomes, term(0), body);
      this.#options.lanes.data.publish(this.#subjects.gatewayOutcomes(gateway), frame);
    }
  }

  // --- serving ----------------------------------------------------------------------------------

  #onRead(message: BusMessage): void {
    const batch = this.#frames.receive(message.payload, FrameKind.read, decodeRead)?.body;
    if (batch === undefined) return;
    if (!this.#serves) {
      this.#refuseRead(message, ReadStatus.behind);
      return;
    }
    const awaited = { index: batch.minIndex, revision: batch.minRevision };
    const now = this.#reached();
    if (awaited.index <= now.index && awaited.revision <= now.revision) {
      this.#answerRead(message, batch);
      return;
    }
    const waiting = this.#waiters.add(awaited, batch.waitMs, (reached) => {
      if (reached) this.#answerRead(message, batch);
      else this.#refuseRead(message, ReadStatus.behind);
    });
    if (waiting) this.#catchUp.need(batch.minIndex);
    else this.#refuseRead(message, ReadStatus.overloaded);
  }

  #answerRead(message: BusMessage, batch: ReadBatch): void {
    const answers: ReadAnswer[] = [];
    let bytes = 0;
    for (const read of batch.reads) {
      const answer = this.#read(read);
      bytes += answer.bytes.length + 8;
      if (answers.length > 0 && bytes > Limits.entryBytesMax) break;
      answers.push(answer);
    }
    this.counters.readsServed += answers.length;
    const reply = { status: ReadStatus.served, revision: this.#stateMachine.revision, answers };
    message.respond(this.#frames.seal(FrameKind.readReply, term(0), encodeReadReply(reply)));
  }

  #read(read: ReadOperation): ReadAnswer {
    const found = this.#stateMachine.get(read.namespace, read.key, read.atRevision);
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
    const reply = { status, revision: this.#stateMachine.revision, answers: [] };
    message.respond(this.#frames.seal(FrameKind.readReply, term(0), encodeReadReply(reply)));
  }

  #onQuery(message: BusMessage): void {
    const query = this.#frames.receive(
      message.payload,
      FrameKind.outcomesQuery,
      decodeOutcomesQuery,
    )?.body;
    if (query === undefined) return;
    if (!this.#serves) {
      // Why: a session of another cluster may have the same number.
      this.#answerQuery(message, query, false);
      return;
    }
    if (query.minIndex <= this.#options.store.applied.index) {
      this.#answerQuery(message, query, true);
      return;
    }
    const awaited = { index: query.minIndex, revision: revision(0) };
    const waiting = this.#waiters.add(awaited, OUTCOME_WAIT_MS, (reached) => {
      this.#answerQuery(message, query, reached);
    });
    if (waiting) this.#catchUp.need(query.minIndex);
    else this.#answerQuery(message, query, false);
  }

  #answerQuery(message: BusMessage, query: OutcomesQuery, reached: boolean): void {
    const batches = query.batches.map((batchNo) =>
      reached
        ? this.#storedOutcome(query.session, batchNo)
        : { batchNo, status: OutcomeStatus.behind, bytes: NOTHING },
    );
    const body = encodeOutcomesFrame({ session: query.session, batches });
    message.respond(this.#frames.seal(FrameKind.outcomes, term(0), body));
  }

  #storedOutcome(session: number, batchNo: number): BatchOutcomeBytes {
    const stored = this.#stateMachine.storedOutcome(session, batchNo);
    if (stored === 'not-applied')
      return { batchNo, status: OutcomeStatus.notApplied, bytes: NOTHING };
    if (stored === 'unknown-session') {
      return { batchNo, status: OutcomeStatus.unknownSession, bytes: NOTHING };
    }
    return { batchNo, status: OutcomeStatus.decided, bytes: stored };
  }

  /** An idle storage tells less often that it is there. */
  #publishNews(): void {
    const { applied, durable } = this.#options.store;
    const news = `${applied.index} ${durable.index} ${this.#canBeAsked}`;
    if (news === this.#told && this.#sameBeaconsSkipped < SAME_BEACONS_SKIPPED_MAX) {
      this.#sameBeaconsSkipped += 1;
      return;
    }
    this.#told = news;
    this.#publishBeacon();
  }

  #publishBeacon(): void {
    const { store, lanes, clock } = this.#options;
    this.#sameBeaconsSkipped = 0;
    const beacon = {
      applied: store.applied.index,
      durable: store.durable.index,
      chain: store.applied.chain,
      nextDue: this.#stateMachine.nextDue,
      healthy: this.#canBeAsked,
      wallMs: clock.wallMs(),
    };
    lanes.control.publish(
      this.#subjects.beacon,
      this.#frames.seal(FrameKind.beacon, term(0), encodeBeacon(beacon)),
    );
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#waiters.close();
    this.#options.onFatal(error);
  }
}
