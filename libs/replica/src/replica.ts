/**
 * The replica: one node's copy of the data of one group.
 *
 * It applies committed entries in order from the live lane and, where that lost something, by
 * pulling; sends the outcomes of batches whose home it is; and serves reads and outcome queries
 * once it has applied what they wait for. It acknowledges nothing and decides nothing. `Fence` says
 * what it may do while what it holds cannot be trusted, `Recovery` replaces that.
 *
 * Invariants
 *   1. entries are applied in log order, each once: lower is dropped, ahead of a gap is held
 *   2. a read is answered from one state between two entries, at or above what it waits for
 *   3. a replica whose chain differs from the leader's, or whose store is damaged, serves nothing until
 *      it is rebuilt from the others; alone, it stops
 *   4. what it keeps belongs to one founded cluster: it takes nothing before it knows which one, and
 *      under the marks of another it serves nothing
 */
import {
  type BusMessage,
  type BusSubscription,
  decodeBeacon,
  decodeLive,
  decodeMark,
  encodeOutcomesFrame,
  FrameCodec,
  FrameKind,
  FrameRefusal,
  type LogEntry,
  type Mark,
  type OutcomeRoute,
  SenderRole,
  StorageOperation,
  type StorageStatus,
  Subjects,
} from '@kvstore/contract';
import { isNodeId, type LogIndex, type NodeId, term } from '@kvstore/std';
import { StateMachine } from '@kvstore/state-machine';
import { Accusers } from './accusers.ts';
import { type Applied, Applier, DivergedError } from './applier.ts';
import { Beacons } from './beacons.ts';
import { CatchUp } from './catch-up.ts';
import { ConsensusPulls } from './consensus-pulls.ts';
import { type Arrived, EntryBuffer } from './entry-buffer.ts';
import type { Fence } from './fence.ts';
import { homeOutcomes } from './home-outcomes.ts';
import { ReadServer } from './read-server.ts';
import { Recovery } from './recovery.ts';
import type { ReplicaOptions } from './replica-options.ts';
import type { ReplicaStoreStatistics } from './replica-store.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import { type Awaited, Waiters } from './waiters.ts';

export interface ReplicaCounters {
  entriesApplied: number;
  batchesApplied: number;
  /** Entries that did not continue the chain of what is applied, and were not. */
  entriesRefused: number;
  /** Times that it fenced itself. */
  fences: number;
}

export class Replica {
  readonly counters: ReplicaCounters = {
    entriesApplied: 0,
    batchesApplied: 0,
    entriesRefused: 0,
    fences: 0,
  };
  readonly #options: ReplicaOptions;
  readonly #frames: FrameCodec;
  readonly #subjects: Subjects;
  #stateMachine: StateMachine;
  #applier: Applier;
  readonly #waiters: Waiters;
  readonly #ahead = new EntryBuffer();
  readonly #accusers = new Accusers();
  readonly #pulls: ConsensusPulls;
  readonly #catchUp: CatchUp;
  readonly #reads: ReadServer;
  readonly #beacons: Beacons;
  readonly #sender: SnapshotSender;
  readonly #recovery: Recovery;
  readonly #fence: Fence;
  readonly #subscriptions: BusSubscription[] = [];
  #clusterTag: number | undefined;
  #mark: Mark | undefined;
  #foreign = false;
  #resuming = false;
  #flushing = false;
  #started = false;
  /** What was found before it started. */
  #earlyFailure: unknown;
  #stopped = false;

  constructor(options: ReplicaOptions) {
    const { lanes, store, clock, timers, incarnation } = options;
    this.#options = options;
    this.#clusterTag = options.clusterTag;
    this.#frames = new FrameCodec({
      cluster: options.cluster,
      group: options.group,
      secret: options.secret,
      sender: { role: SenderRole.storage, name: options.node, incarnation },
    });
    this.#subjects = new Subjects(options.cluster, options.group);
    this.#stateMachine = new StateMachine(store);
    this.#applier = new Applier(store, this.#stateMachine);
    this.#waiters = new Waiters(clock, timers);
    this.#pulls = new ConsensusPulls({
      bus: lanes.data,
      frames: this.#frames,
      subjects: this.#subjects,
      nodes: options.consensusNodes,
      clusterTag: () => this.#clusterTag,
    });
    this.#catchUp = this.#createCatchUp();
    this.#reads = this.#createReadServer();
    this.#beacons = this.#createBeacons();
    this.#sender = new SnapshotSender({
      store,
      frames: this.#frames,
      incarnation,
      clock,
      timers,
      serves: (clusterTag) => this.#serves && clusterTag === this.#clusterTag,
      onFailure: (error) => this.failed(error),
    });
    this.#recovery = this.#createRecovery();
    this.#fence = this.#recovery.fence;
  }

  get frames(): FrameCodec {
    return this.#frames;
  }

  get pulls(): number {
    return this.#pulls.sent;
  }

  get archiveReads(): number {
    return this.#catchUp.archiveReads;
  }

  get storeStatistics(): ReplicaStoreStatistics {
    return this.#options.store.statistics;
  }

  get readsServed(): number {
    return this.#reads.reads;
  }

  /** Why it serves nothing until it is rebuilt; undefined while it does. */
  get fenced(): string | undefined {
    return this.#fence.why?.message;
  }

  /** Snapshots that others read from this storage. */
  get sent(): SnapshotSender['counters'] {
    return this.#sender.counters;
  }

  /** Snapshots that this storage asked others for. */
  get received(): Recovery['received'] {
    return this.#recovery.received;
  }

  start(): void {
    const { lanes, node, store } = this.#options;
    const { data, control } = lanes;
    const own = (operation: StorageOperation): string => this.#subjects.storage(node, operation);
    this.#subscriptions.push(
      data.subscribe(this.#subjects.live, (m) => this.#onLive(m)),
      control.subscribe(this.#subjects.mark, (m) => this.#onMark(m)),
      control.subscribe(this.#subjects.beacon, (m) => this.#onBeacon(m)),
      data.subscribe(own(StorageOperation.read), (m) => this.#reads.onRead(m)),
      data.subscribe(own(StorageOperation.outcomes), (m) => this.#reads.onQuery(m)),
      data.subscribe(own(StorageOperation.snapshot), (m) => this.#sender.onRequest(m)),
    );
    this.#beacons.start();
    this.#started = true;
    if (this.#earlyFailure !== undefined) this.failed(this.#earlyFailure);
    else if (store.damage !== undefined) this.#fenceOff(store.damage, store.applied.index > 0);
    else this.#beacons.publish();
  }

  /** Stops serving, flushes what was applied and closes the store. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#beacons.stop();
    this.#catchUp.stop();
    this.#recovery.stop();
    this.#sender.close();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#waiters.close();
    const { store } = this.#options;
    // Why again: a process that ends right after it found something must not forget it.
    if (this.#fence.why !== undefined) await store.fence(this.#fence.why);
    await store.close();
  }

  /**
   * Something failed that this replica cannot go on with: its store, or its agreement with the log. When
   * it can be rebuilt from others it fences itself; else the process stops.
   */
  failed(error: unknown): void {
    const { store } = this.#options;
    if (!this.#started) {
      this.#earlyFailure ??= error;
      return;
    }
    const isDamaged = store.isDamage(error) || error instanceof DivergedError;
    if (isDamaged && this.#pulls.nodes.length > 1) this.#fenceOff(error as Error, true);
    else this.#fail(error);
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

  #createCatchUp(): CatchUp {
    return new CatchUp({
      pulls: this.#pulls,
      archive: this.#options.archive,
      timers: this.#options.timers,
      applied: () => this.#options.store.applied.index,
      paused: () => !(this.#takes && this.#fence.pulls),
      offer: (entries, node) => this.#offerPulled(entries, node),
      overtaken: (firstIndex) => this.#recovery.overtaken(firstIndex),
      onFatal: (error) => this.failed(error),
    });
  }

  #onLive(message: BusMessage): void {
    if (!this.#takes) return;
    const live = this.#frames.receive(message.payload, FrameKind.live, decodeLive)?.body;
    if (live === undefined) return;
    if (live.clusterTag !== this.#clusterTag) {
      this.#frames.refuse(FrameRefusal.foreign);
      return;
    }
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
    this.#mark = mark;
    this.#catchUp.heardEpoch(mark.epoch);
    this.#pulls.heardMembers(mark.members);
    const differs = mark.commitIndex === applied.index && mark.chain !== applied.chain;
    if (differs && this.#takes) {
      this.failed(new DivergedError(`the chain at ${applied.index} is not the leader's: rebuild`));
      return;
    }
    this.#flushTo(mark.flushTo);
    this.#catchUp.need(mark.commitIndex);
    this.#whenCaughtUp();
  }

  #onBeacon(message: BusMessage): void {
    const received = this.#frames.receive(message.payload, FrameKind.beacon, decodeBeacon);
    const node = received?.frame.sender.name;
    if (received === undefined || node === undefined || !isNodeId(node)) return;
    if (received.body.clusterTag !== this.#clusterTag) {
      this.#frames.refuse(FrameRefusal.foreign);
      return;
    }
    this.#recovery.heard(node, received.body);
  }

  /** What this storage keeps grows only under the marks of its own cluster. */
  get #takes(): boolean {
    const isOurs = !this.#foreign && this.#clusterTag !== undefined;
    return isOurs && !this.#stopped && this.#fence.takes;
  }

  /** A change of members waits for what is durable here. */
  #flushTo(index: LogIndex): void {
    const { applied, durable } = this.#options.store;
    if (!this.#serves || this.#flushing) return;
    if (index <= durable.index || applied.index < index) return;
    this.#flushing = true;
    this.#options.store
      .flush()
      .then(() => this.#beacons.publish())
      .catch((error: unknown) => this.failed(error))
      .finally(() => (this.#flushing = false));
  }

  get #serves(): boolean {
    return this.#takes && this.#fence.serves;
  }

  /** Beacons go out on the other lane, also when nobody can ask this storage anything. */
  get #canBeAsked(): boolean {
    return this.#serves && this.#options.lanes.data.status === 'connected';
  }

  #isOurs(clusterTag: number, leader: string): boolean {
    if (this.#clusterTag === undefined) {
      this.#clusterTag = clusterTag;
      this.#options.onNotice?.({ kind: 'cluster-learned', clusterTag });
      this.#beacons.publish();
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

  /** `node`: from whose consensus; undefined: from the archive. */
  async #offerPulled(entries: readonly LogEntry[], node: NodeId | undefined): Promise<void> {
    for (const entry of entries) {
      if (this.#options.store.stalled) await this.#options.store.whenWritable();
      // Why after the wait: entries held meanwhile may have been applied when it ended.
      if (!this.#takes) return;
      if (entry.index !== this.#options.store.applied.index + 1) continue;
      this.#apply({ entry, routes: [] }, node);
    }
    this.#applyHeld();
  }

  /** Applies what was held ahead of a gap that is closed now, as long as the store takes it. */
  #applyHeld(): void {
    const { store } = this.#options;
    while (this.#takes && !store.stalled) {
      const next = this.#ahead.takeAfter(store.applied.index);
      if (next === undefined) return;
      this.#apply(next);
    }
    // Why: what takes nothing now goes on when that changes, not when the store can be written.
    if (this.#resuming || !this.#takes) return;
    this.#resuming = true;
    store
      .whenWritable()
      .then(() => {
        this.#resuming = false;
        this.#applyHeld();
      })
      .catch((error: unknown) => this.failed(error));
  }

  /** `node`: from whose consensus it was pulled. */
  #apply({ entry, routes }: Arrived, node?: NodeId): void {
    let applied: Applied;
    try {
      applied = this.#applier.apply(entry);
    } catch (error) {
      if (error instanceof DivergedError) this.#refuse(entry.index, error, node);
      else this.failed(error);
      return;
    }
    this.counters.entriesApplied += 1;
    this.counters.batchesApplied += applied.batches.length;
    if (routes.length > 0) this.#sendOutcomes(routes, applied);
    this.#waiters.reached(this.#reached());
    this.#whenCaughtUp();
  }

  /**
   * Either the entry is wrong or what is applied here. Why the entry is suspected first: a live one goes to
   * every storage, and all of them would throw away what they hold for it.
   */
  #refuse(index: LogIndex, why: DivergedError, node: NodeId | undefined): void {
    this.counters.entriesRefused += 1;
    this.#ahead.clear();
    const { chain } = this.#options.store.applied;
    const isOurs =
      node !== undefined && this.#accusers.accuse(node, chain, this.#pulls.nodes.length);
    if (isOurs) this.failed(why);
    else this.#catchUp.need(index);
  }

  #reached(): Awaited {
    return { index: this.#options.store.applied.index, revision: this.#stateMachine.revision };
  }

  #sendOutcomes(routes: readonly OutcomeRoute[], applied: Applied): void {
    const { node, lanes } = this.#options;
    for (const { gateway, ...outcomes } of homeOutcomes(node, routes, applied)) {
      const body = encodeOutcomesFrame(outcomes);
      const frame = this.#frames.seal(FrameKind.outcomes, term(0), body);
      lanes.data.publish(this.#subjects.gatewayOutcomes(gateway), frame);
    }
  }

  // --- recovering -------------------------------------------------------------------------------

  #createRecovery(): Recovery {
    const { node, lanes, store, clock, timers, onNotice } = this.#options;
    return new Recovery({
      node,
      bus: lanes.data,
      frames: this.#frames,
      subjects: this.#subjects,
      store,
      clock,
      timers,
      pulls: this.#pulls,
      clusterTag: () => this.#clusterTag,
      marked: () => this.#mark,
      firstIndex: () => this.#catchUp.firstIndex(),
      withdraw: () => {
        this.#waiters.close();
        this.#sender.close();
      },
      renew: () => {
        this.#stateMachine = new StateMachine(store);
        this.#applier = new Applier(store, this.#stateMachine);
      },
      changed: () => this.#beacons.publish(),
      resume: () => {
        this.#applyHeld();
        this.#catchUp.need(this.#catchUp.target);
        this.#whenCaughtUp();
      },
      onNotice,
      failed: (error) => this.failed(error),
      onFatal: (error) => this.#fail(error),
    });
  }

  /** `keeps`: the store holds something, which is not to be applied to. */
  #fenceOff(why: Error, keeps: boolean): void {
    if (this.#stopped) return;
    this.counters.fences += 1;
    this.#recovery.fenceOff(why, keeps);
  }

  /** Called when it may have reached what it knows to be committed. */
  #whenCaughtUp(): void {
    const { applied } = this.#options.store;
    const isThere = this.#mark !== undefined && applied.index >= this.#mark.commitIndex;
    if (isThere && this.#takes) this.#recovery.caughtUp();
  }

  // --- serving ----------------------------------------------------------------------------------

  #createReadServer(): ReadServer {
    return new ReadServer(this.#frames, this.#waiters, {
      serves: () => this.#serves,
      stateMachine: () => this.#stateMachine,
      reached: () => this.#reached(),
      need: (index) => this.#catchUp.need(index),
      failed: (error) => this.failed(error),
    });
  }

  #createBeacons(): Beacons {
    const { store, lanes, clock, timers } = this.#options;
    return new Beacons({
      bus: lanes.control,
      frames: this.#frames,
      subjects: this.#subjects,
      clock,
      timers,
      standing: () =>
        this.#clusterTag === undefined
          ? undefined
          : {
              clusterTag: this.#clusterTag,
              applied: store.applied.index,
              durable: store.durable.index,
              chain: store.applied.chain,
              healthy: this.#canBeAsked,
              needs: this.#recovery.needs,
            },
      // Why not always: a store that is damaged, or replaced, can be asked nothing.
      nextDue: () => (this.#takes ? this.#stateMachine.nextDue : undefined),
      failed: (error) => this.failed(error),
    });
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#waiters.close();
    this.#recovery.stop();
    this.#options.onFatal(error);
  }
}
