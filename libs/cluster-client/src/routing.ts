/**
 * Where to send: the leader, learned from marks and refusals, and the home storage, chosen by
 * beacons. A term never goes back: what an older leader still says is ignored.
 */
import {
  type Bus,
  type BusSubscription,
  decodeBeacon,
  decodeMark,
  type FrameCodec,
  FrameKind,
  type Subjects,
} from '@kvstore/contract';
import { type Clock, isNodeId, type NodeId, term, type Term } from '@kvstore/std';

export interface RoutingOptions {
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly clock: Clock;
  /** Preferred home, while it is healthy. */
  readonly home: NodeId;
  /** A mark of a newer term arrived: what was sent to the old leader may be sent again at once. */
  readonly onNewTerm: () => void;
}

/** Without a mark for this long the leader counts as unknown. */
const LEADER_SILENT_MS = 1_000;
const STORAGE_SILENT_MS = 1_000;

export class Routing {
  readonly #options: RoutingOptions;
  readonly #subscriptions: BusSubscription[] = [];
  readonly #storages = new Map<NodeId, { readonly healthy: boolean; readonly heardAtMs: number }>();
  #leader: NodeId | undefined;
  #term: Term = term(0);
  #markedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: RoutingOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, subjects } = this.#options;
    this.#subscriptions.push(
      bus.subscribe(subjects.mark, (message) => this.#onMark(message.payload)),
      bus.subscribe(subjects.beacon, (message) => this.#onBeacon(message.payload)),
    );
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  get term(): Term {
    return this.#term;
  }

  get leader(): NodeId | undefined {
    const silentMs = this.#options.clock.monotonicMs() - this.#markedAtMs;
    return silentMs > LEADER_SILENT_MS ? undefined : this.#leader;
  }

  /** A replica refused because another one leads: believed until the next mark says otherwise. */
  hint(refusedBy: NodeId, leader: NodeId | undefined): void {
    if (this.#leader === refusedBy) this.#leader = leader;
  }

  /** The home storage: the preferred one while it is healthy, else any healthy one, else none. */
  get home(): NodeId | undefined {
    return this.storages()[0];
  }

  /** Healthy storages, the home first. */
  storages(): readonly NodeId[] {
    const oldest = this.#options.clock.monotonicMs() - STORAGE_SILENT_MS;
    const healthy: NodeId[] = [];
    for (const [node, { healthy: isHealthy, heardAtMs }] of this.#storages) {
      if (!isHealthy || heardAtMs < oldest) continue;
      if (node === this.#options.home) healthy.unshift(node);
      else healthy.push(node);
    }
    return healthy;
  }

  #onMark(payload: Uint8Array): void {
    const frame = this.#options.frames.receive(payload, FrameKind.mark, decodeMark)?.frame;
    if (frame === undefined || frame.term < this.#term) return;
    const { name } = frame.sender;
    if (!isNodeId(name)) return;
    const newer = frame.term > this.#term;
    this.#term = frame.term;
    this.#leader = name;
    this.#markedAtMs = this.#options.clock.monotonicMs();
    if (newer) this.#options.onNewTerm();
  }

  #onBeacon(payload: Uint8Array): void {
    const received = this.#options.frames.receive(payload, FrameKind.beacon, decodeBeacon);
    const name = received?.frame.sender.name;
    if (received === undefined || name === undefined || !isNodeId(name)) return;
    const heardAtMs = this.#options.clock.monotonicMs();
    this.#storages.set(name, { healthy: received.body.healthy, heardAtMs });
  }
}
