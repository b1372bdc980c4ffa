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
 *   3. a replica whose chain differs from the leader's, or whose store is damaged, serves nothing until
 *      it is rebuilt from the others; alone, it stops
 *   4. what it keeps belongs to one founded cluster: it takes nothing before it knows which one, and
 *      under the marks of another it serves nothing
 */
import {
  type BatchOutcomeBytes,
  type BusMessage,
  type BusSubscription,
  decodeBeacon,
  decodeLive,
  decodeMark,
  encodeBeacon,
  encodeOutcomesFrame,
  FrameCodec,
  FrameKind,
  FrameRefusal,
  type Lanes,
  type LogEntry,
  type Mark,
  type OutcomeRoute,
  OutcomeStatus,
  SenderRole,
  StorageOperation,
  type StorageStatus,
  Subjects,
} from '@kvstore/contract';
import {
  type Clock,
  isNodeId,
  logIndex,
  type LogIndex,
  type LogTimeMs,
  type NodeId,
  term,
  type Timer,
  type Timers,
} from '@kvstore/std';
import { StateMachine } from '@kvstore/state-machine';
import { Accusers } from './accusers.ts';
import { type Applied, Applier, DivergedError } from './applier.ts';
import { CatchUp } from './catch-up.ts';
import { ConsensusPulls } from './consensus-pulls.ts';
import type { EntryArchive } from './entry-archive.ts';
import { type Arrived, EntryBuffer } from './entry-buffer.ts';
import { ReadServer } from './read-server.ts';
import { Rebuild } from './rebuild.ts';
import type { ReplicaStore, ReplicaStoreStatistics } from './replica-store.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import { StoragePeers } from './storage-peers.ts';
import { type Awaited, Waiters } from './waiters.ts';

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
  | { readonly kind: 'foreign-data'; readonly leader: string }
  /** What was stored here is damaged or not the leader's: it serves nothing until it is rebuilt. */
  | { readonly kind: 'fenced'; readonly reason: string }
  /** A snapshot of another storage is what it holds now. */
  | { readonly kind: 'snapshot-installed'; readonly source: NodeId; readonly index: LogIndex }
  /** It serves again. */
  | { readonly kind: 'rebuilt'; readonly index: LogIndex };

/** Also when nothing changes: a silent storage counts as gone. */
const BEACON_PERIOD_MS = 250;
/** A beacon with nothing new to tell goes out with every third period only. */
const SAME_BEACONS_SKIPPED_MAX = 2;
/** Between two fences: what damages everything that is stored here will not stop at once. */
const FENCE_PAUSE_MS = 10_000;
/** Rounds in which a fenced storage asks for a snapshot before it pulls the log. */
const FENCED_TRIES = 2;

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
  readonly #peers: StoragePeers;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  readonly #rebuild: Rebuild;
  readonly #subscriptions: BusSubscription[] = [];
  /** What the last periodic beacon said. */
  #told = '';
  #sameBeaconsSkipped = 0;
  #beaconTimer: Timer | undefined;
  #clusterTag: number | undefined;
  #mark: Mark | undefined;
  #foreign = false;
  #resuming = false;
  #flushing = false;
  #started = false;
  /** What was found before it started. */
  #earlyFailure: unknown;
  #stopped = false;
  /** Why it serves nothing until it is rebuilt. */
  #fenced: string | undefined;
  #fencedAtMs: number | undefined;
  /** What the store holds is not to be touched: it waits to be replaced, or set aside. */
  #broken = false;
  /** While its store is being set aside and a snapshot is asked for, before the log is. */
  #fencing = false;
  #fenceAgain = false;
  /** The store is in nobody's hands but those that replace it. */
  #replacing = false;
  /** From which entry on the log is needed for the snapshot that is being received, or was. */
  #needs: LogIndex | undefined;
  /** There may be files of a transfer that came to nothing, or of one of an earlier process. */
  #hasRests = true;

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
    const wire = { bus: lanes.data, frames: this.#frames, subjects: this.#subjects };
    this.#pulls = new ConsensusPulls({
      ...wire,
      nodes: options.consensusNodes,
      clusterTag: () => this.#clusterTag,
    });
    this.#catchUp = this.#createCatchUp();
    this.#reads = this.#createReadServer();
    this.#peers = new StoragePeers(options.node);
    this.#sender = new SnapshotSender({
      store,
      frames: this.#frames,
      incarnation,
      clock,
      timers,
      serves: (clusterTag) => this.#serves && clusterTag === this.#clusterTag,
      onFailure: (error) => this.failed(error),
    });
    const applied = (): LogIndex => (this.#broken ? logIndex(0) : store.applied.index);
    this.#receiver = new SnapshotReceiver({
      ...wire,
      store,
      applied,
      pulls: this.#pulls,
      marked: () => this.#mark,
      needs: (from) => this.#need(from),
      replace: (step) => this.#replace(step),
    });
    this.#rebuild = new Rebuild({
      peers: this.#peers,
      receiver: this.#receiver,
      clock,
      timers,
      clusterTag: () => this.#clusterTag,
      applied,
      onInstalled: (source) => {
        const { index } = store.applied;
        options.onNotice?.({ kind: 'snapshot-installed', source, index });
      },
    });
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
    return this.#fenced;
  }

  /** Snapshots that others read from this storage. */
  get sent(): SnapshotSender['counters'] {
    return this.#sender.counters;
  }

  /** Snapshots that this storage asked others for. */
  get received(): Pick<Rebuild, 'outcomes' | 'waits'> & { readonly bytes: number } {
    const { outcomes, waits } = this.#rebuild;
    return { outcomes, waits, bytes: this.#receiver.bytes };
  }

  start(): void {
    const { lanes, node, timers, store } = this.#options;
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
    this.#beaconTimer = timers.every(BEACON_PERIOD_MS, () => this.#publishNews());
    this.#started = true;
    if (this.#earlyFailure !== undefined) this.failed(this.#earlyFailure);
    else if (store.damage !== undefined) this.#fence(store.damage, store.applied.index > 0);
    else this.#publishBeacon();
  }

  /** Stops serving, flushes what was applied and closes the store. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#beaconTimer?.cancel();
    this.#catchUp.stop();
    this.#rebuild.stop();
    this.#sender.close();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#waiters.close();
    const { store } = this.#options;
    // Why again: a process that ends right after it found something must not forget it.
    if (this.#fenced !== undefined) await store.fence(new Error(this.#fenced));
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
    if (isDamaged && this.#pulls.nodes.length > 1) this.#fence(error as Error, true);
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
      paused: () => !this.#takes || this.#fencing,
      offer: (entries, node) => this.#offerPulled(entries, node),
      overtaken: async (firstIndex) => {
        await this.#rebuild.attempt(logIndex(firstIndex - 1));
      },
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
    this.#peers.hear(node, received.body, this.#options.clock.monotonicMs());
  }

  /** What this storage keeps grows only under the marks of its own cluster. */
  get #takes(): boolean {
    const isOurs = !this.#foreign && this.#clusterTag !== undefined;
    return isOurs && !this.#stopped && !this.#replacing && !this.#broken;
  }

  /** A change of members waits for what is durable here. */
  #flushTo(index: LogIndex): void {
    const { applied, durable } = this.#options.store;
    if (!this.#serves || this.#flushing) return;
    if (index <= durable.index || applied.index < index) return;
    this.#flushing = true;
    this.#options.store
      .flush()
      .then(() => this.#publishBeacon())
      .catch((error: unknown) => this.failed(error))
      .finally(() => (this.#flushing = false));
  }

  get #serves(): boolean {
    return this.#takes && this.#fenced === undefined;
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

  // --- rebuilding -------------------------------------------------------------------------------

  /** `broken`: what the store holds is not to be applied to. */
  #fence(why: Error, broken: boolean): void {
    if (this.#stopped) return;
    this.counters.fences += 1;
    this.#fenced = why.message;
    this.#broken = broken;
    this.#options.onNotice?.({ kind: 'fenced', reason: why.message });
    this.#waiters.close();
    this.#sender.close();
    this.#rebuild.giveUp();
    this.#publishBeacon();
    if (this.#fencing) {
      this.#fenceAgain = true;
      return;
    }
    this.#fencing = true;
    this.#beginAnew(why)
      .catch((failure: unknown) => this.#fail(failure))
      .finally(() => {
        this.#fencing = false;
        this.#catchUp.need(this.#catchUp.target);
        this.#whenCaughtUp();
      });
  }

  /**
   * Asks the others for a snapshot, which takes the place of what is here; then the log has its turn. Why what
   * is here stays until then: perhaps nobody has it all, and most of it can still be read.
   */
  async #beginAnew(why: Error): Promise<void> {
    const { store } = this.#options;
    do {
      this.#fenceAgain = false;
      await store.fence(why);
      await this.#fencePause();
      await this.#rebuild.idle();
      await this.#replaceAll(why);
    } while (this.#fenceAgain && !this.#stopped);
  }

  /** Why more than once: who has just started has heard of nobody yet. */
  async #replaceAll(why: Error): Promise<void> {
    const { store } = this.#options;
    for (let tries = 0; !this.#stopped && !this.#fenceAgain; tries++) {
      const first = await this.#catchUp.firstIndex();
      const isLogsTurn = tries >= FENCED_TRIES && (first === 1 || !this.#broken);
      if (isLogsTurn) {
        if (this.#broken) await this.#replace(() => store.setAside(why));
        return;
      }
      try {
        if (await this.#rebuild.attempt(this.#sufficient(first))) return;
      } catch (failure) {
        this.failed(failure);
      }
    }
  }

  /**
   * Where a snapshot must stand to take the place of what is here, if the log begins at `first`: what the log
   * has no more may be nowhere else, and is not given up for a snapshot that ends below it.
   */
  #sufficient(first: LogIndex | undefined): LogIndex {
    if (first !== undefined) return logIndex(first - 1);
    return logIndex(this.#broken ? Number.MAX_SAFE_INTEGER : 0);
  }

  async #fencePause(): Promise<void> {
    const { clock, timers } = this.#options;
    const before = this.#fencedAtMs;
    this.#fencedAtMs = clock.monotonicMs();
    if (before === undefined || this.#fencedAtMs - before > FENCE_PAUSE_MS) return;
    await new Promise<void>((resolve) => void timers.after(FENCE_PAUSE_MS, resolve));
  }

  /** Everything in memory that came from the store is made anew. */
  async #replace(step: () => Promise<void>): Promise<void> {
    const { store } = this.#options;
    this.#replacing = true;
    this.#waiters.close();
    this.#sender.close();
    this.#publishBeacon();
    try {
      await step();
    } finally {
      // Also when it failed: the store holds what it held, as far as that was durable, or nothing.
      this.#stateMachine = new StateMachine(store);
      this.#applier = new Applier(store, this.#stateMachine);
      this.#replacing = false;
    }
    this.#broken = false;
    if (store.applied.index > 0) this.#unfence();
    this.#publishBeacon();
    this.#applyHeld();
  }

  #need(from: LogIndex | undefined): void {
    this.#needs = from;
    if (from !== undefined) this.#hasRests = true;
    this.#publishBeacon();
  }

  /** Called when it may have reached what it knows to be committed. */
  #whenCaughtUp(): void {
    const { store } = this.#options;
    const isThere = this.#mark !== undefined && store.applied.index >= this.#mark.commitIndex;
    if (!isThere || !this.#takes || this.#fencing || this.#rebuild.isRunning) return;
    this.#unfence();
    this.#needs = undefined;
    if (!this.#hasRests) return;
    this.#hasRests = false;
    store.dropIncoming().catch((error: unknown) => this.failed(error));
  }

  #unfence(): void {
    if (this.#fenced === undefined || this.#fenceAgain) return;
    this.#fenced = undefined;
    const { store, onNotice } = this.#options;
    store.unfence().catch((error: unknown) => this.failed(error));
    onNotice?.({ kind: 'rebuilt', index: store.applied.index });
    this.#publishBeacon();
  }

  // --- serving ----------------------------------------------------------------------------------

  #createReadServer(): ReadServer {
    const replica = {
      serves: (): boolean => this.#serves,
      stateMachine: (): StateMachine => this.#stateMachine,
      reached: (): Awaited => this.#reached(),
    };
    return new ReadServer(this.#frames, this.#waiters, {
      get serves() {
        return replica.serves();
      },
      get stateMachine() {
        return replica.stateMachine();
      },
      get reached() {
        return replica.reached();
      },
      need: (index) => this.#catchUp.need(index),
      failed: (error) => this.failed(error),
    });
  }

  /** An idle storage tells less often that it is there. */
  #publishNews(): void {
    const { applied, durable } = this.#options.store;
    const news = `${applied.index} ${durable.index} ${this.#canBeAsked} ${this.#needs}`;
    if (news === this.#told && this.#sameBeaconsSkipped < SAME_BEACONS_SKIPPED_MAX) {
      this.#sameBeaconsSkipped += 1;
      return;
    }
    this.#told = news;
    this.#publishBeacon();
  }

  /** Of what it holds in its own cluster; before it knows that it has nothing to tell. */
  #publishBeacon(): void {
    const { store, lanes, clock } = this.#options;
    if (this.#clusterTag === undefined) return;
    let nextDue: LogTimeMs | undefined;
    try {
      // Why not always: a store that is damaged, or replaced, can be asked nothing.
      nextDue = this.#takes ? this.#stateMachine.nextDue : undefined;
    } catch (error) {
      // What follows tells of itself.
      this.failed(error);
      return;
    }
    this.#sameBeaconsSkipped = 0;
    const beacon = {
      clusterTag: this.#clusterTag,
      applied: store.applied.index,
      durable: store.durable.index,
      chain: store.applied.chain,
      nextDue,
      healthy: this.#canBeAsked,
      wallMs: clock.wallMs(),
      needs: this.#needs,
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
    this.#rebuild.stop();
    this.#options.onFatal(error);
  }
}
