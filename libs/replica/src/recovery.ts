/**
 * What a replica does that cannot go on with what its store holds: it was overtaken by the log, or it is fenced
 * (`Fence` says in which state it may do what).
 *
 * Fenced, the store is marked first, so that a crash does not bring it back. Then the others are asked for a
 * snapshot, which takes the place of what is here; then the log has its turn, if somebody has all of it.
 * Why what is here stays until then: perhaps nobody has it all, and most of it can still be read.
 */
import type { Beacon, Bus, FrameCodec, Mark, Subjects } from '@kvstore/contract';
import { type Clock, logIndex, type LogIndex, type NodeId, type Timers } from '@kvstore/std';
import type { ConsensusPulls } from './consensus-pulls.ts';
import { Fence } from './fence.ts';
import { Rebuild } from './rebuild.ts';
import type { ReplicaNotice } from './replica-options.ts';
import type { ReplicaStore } from './replica-store.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { StoragePeers } from './storage-peers.ts';

export interface RecoveryOptions {
  readonly node: NodeId;
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly pulls: ConsensusPulls;
  readonly store: ReplicaStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly clusterTag: () => number | undefined;
  readonly marked: () => Mark | undefined;
  /** The first entry that anybody still has of the log; undefined when nobody says so. */
  readonly firstIndex: () => Promise<LogIndex | undefined>;
  /** Who waits for this storage, or reads a snapshot of it, is told to ask elsewhere. */
  readonly withdraw: () => void;
  /** The store holds something else, or what it held as far as that was durable. */
  readonly renew: () => void;
  /** What the beacon says has changed. */
  readonly changed: () => void;
  /** What is missing may be pulled and applied again. */
  readonly resume: () => void;
  readonly onNotice: ((notice: ReplicaNotice) => void) | undefined;
  /** A failure that may call for a fence. */
  readonly failed: (error: unknown) => void;
  /** One that this process cannot go on with. */
  readonly onFatal: (error: unknown) => void;
}

/** Between two fences: what damages everything that is stored here will not stop at once. */
const FENCE_PAUSE_MS = 10_000;
/** Rounds in which a fenced storage asks for a snapshot before it pulls the log. */
const FENCED_TRIES = 2;

export class Recovery {
  readonly fence = new Fence();
  readonly #options: RecoveryOptions;
  readonly #peers: StoragePeers;
  readonly #receiver: SnapshotReceiver;
  readonly #rebuild: Rebuild;
  #needs: LogIndex | undefined;
  /** There may be files of a transfer that came to nothing, or of one of an earlier process. */
  #hasRests = true;
  #isRunning = false;
  #attendedAtMs: number | undefined;
  #stopped = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#peers = new StoragePeers(options.node);
    const { store } = options;
    const applied = (): LogIndex => (this.fence.keeps ? logIndex(0) : store.applied.index);
    this.#receiver = new SnapshotReceiver({
      ...options,
      applied,
      needs: (from) => this.#need(from),
      replace: (install) => this.#replace('snapshot', install),
    });
    this.#rebuild = new Rebuild({
      ...options,
      applied,
      peers: this.#peers,
      receiver: this.#receiver,
      onInstalled: (source) => {
        const { index } = store.applied;
        options.onNotice?.({ kind: 'snapshot-installed', source, index });
      },
    });
  }

  /** Snapshots that this storage asked others for. */
  get received(): Pick<Rebuild, 'outcomes' | 'waits'> & { readonly bytes: number } {
    const { outcomes, waits } = this.#rebuild;
    return { outcomes, waits, bytes: this.#receiver.bytes };
  }

  /** From which entry on the log is needed for the snapshot that is being received, or was. */
  get needs(): LogIndex | undefined {
    return this.#needs;
  }

  heard(node: NodeId, beacon: Beacon): void {
    this.#peers.hear(node, beacon, this.#options.clock.monotonicMs());
  }

  stop(): void {
    this.#stopped = true;
    this.#rebuild.stop();
  }

  /** The log begins at `firstIndex`, above what is needed. Resolves after one attempt to get a snapshot. */
  async overtaken(firstIndex: LogIndex): Promise<void> {
    await this.#rebuild.attempt(logIndex(firstIndex - 1));
  }

  /** What the store holds is damaged or not the leader's; `keeps`: it holds something. */
  fenceOff(why: Error, keeps: boolean): void {
    const { onNotice, onFatal, withdraw, changed } = this.#options;
    this.fence.fence(why, keeps);
    onNotice?.({ kind: 'fenced', reason: why.message });
    withdraw();
    changed();
    this.#rebuild.giveUp();
    if (!this.#isRunning) this.#run().catch(onFatal);
  }

  /** The replica has reached what it knows to be committed, and may go on. */
  caughtUp(): void {
    if (!this.fence.pulls || this.#rebuild.isRunning) return;
    if (this.fence.caughtUp()) this.#becameSound();
    this.#needs = undefined;
    if (!this.#hasRests) return;
    this.#hasRests = false;
    const { store, failed } = this.#options;
    store.dropIncoming().catch(failed);
  }

  async #run(): Promise<void> {
    const { store, resume } = this.#options;
    this.#isRunning = true;
    try {
      while (this.fence.state.kind === 'found' && !this.#stopped) {
        const why = this.fence.attend();
        await store.fence(why);
        await this.#pause();
        await this.#rebuild.idle();
        await this.#replaceAll(why);
      }
    } finally {
      this.#isRunning = false;
    }
    resume();
  }

  /** Why more than once: who has just started has heard of nobody yet. */
  async #replaceAll(why: Error): Promise<void> {
    const { store, firstIndex, failed } = this.#options;
    for (let tries = 0; this.#isAsking; tries++) {
      const first = await firstIndex();
      // Why again: it may have been fenced meanwhile, or an earlier attempt may have ended well.
      if (!this.#isAsking) return;
      const isLogsTurn = tries >= FENCED_TRIES && (first === 1 || !this.fence.keeps);
      if (isLogsTurn) {
        if (this.fence.keeps) await this.#replace('nothing', () => store.setAside(why));
        this.fence.letPull();
        return;
      }
      await this.#rebuild.attempt(this.#sufficient(first)).catch(failed);
    }
  }

  get #isAsking(): boolean {
    return this.fence.state.kind === 'asking' && !this.#stopped;
  }

  /**
   * Where a snapshot must stand to take the place of what is here, if the log begins at `first`: what the log
   * has no more may be nowhere else, and is not given up for a snapshot that ends below it.
   */
  #sufficient(first: LogIndex | undefined): LogIndex {
    if (first !== undefined) return logIndex(first - 1);
    return logIndex(this.fence.keeps ? Number.MAX_SAFE_INTEGER : 0);
  }

  async #pause(): Promise<void> {
    const { clock, timers } = this.#options;
    const before = this.#attendedAtMs;
    this.#attendedAtMs = clock.monotonicMs();
    if (before === undefined || this.#attendedAtMs - before > FENCE_PAUSE_MS) return;
    await new Promise<void>((resolve) => void timers.after(FENCE_PAUSE_MS, resolve));
  }

  async #replace(by: 'snapshot' | 'nothing', step: () => Promise<void>): Promise<void> {
    const { withdraw, renew, changed, resume } = this.#options;
    this.fence.beginReplacing();
    withdraw();
    changed();
    try {
      await step();
    } finally {
      renew();
      this.fence.endReplacing();
    }
    if (this.fence.replaced(by)) this.#becameSound();
    changed();
    resume();
  }

  #becameSound(): void {
    const { store, changed, failed, onNotice } = this.#options;
    store.unfence().catch(failed);
    onNotice?.({ kind: 'rebuilt', index: store.applied.index });
    changed();
  }

  #need(from: LogIndex | undefined): void {
    this.#needs = from;
    if (from !== undefined) this.#hasRests = true;
    this.#options.changed();
  }
}
