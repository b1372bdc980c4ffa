/**
 * Where to send: the leader and the members, learned from marks and refusals, and the storages, learned from
 * beacons.
 *
 * The home storage sends the outcomes of this gateway's batches and is asked first. It stays the home
 * while it is heard, healthy, keeps up and answers; then another one takes over.
 *
 * Invariants
 *   1. a term never goes back: what an older leader still says is ignored
 *   2. a storage whose breaker is open is asked only when there is no other
 *   3. a storage of a node that is no member, or with the data of another cluster than the newest mark's, is
 *      never asked
 */
import {
  type Beacon,
  type BusSubscription,
  decodeBeacon,
  decodeMark,
  type FrameCodec,
  FrameKind,
  FrameRefusal,
  type Lanes,
  type Subjects,
} from '@kvstore/contract';
import { type Clock, isNodeId, type NodeId, term, type Term } from '@kvstore/std';
import { CircuitBreaker } from './circuit-breaker.ts';

export interface RoutingOptions {
  readonly lanes: Lanes;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly clock: Clock;
  /** First home, when it is there; gateways spread over the storages by different ones. */
  readonly home: NodeId;
  /** Members as far as they are known before the first mark. */
  readonly nodes: readonly NodeId[];
  /** A mark of a newer term arrived: what was sent to the old leader may be sent again at once. */
  readonly onNewTerm: () => void;
}

/** Without a mark for this long the leader counts as unknown. */
const LEADER_SILENT_MS = 1_000;
/** Above two beacons of an idle storage. */
const STORAGE_SILENT_MS = 2_000;
/** A home that is further behind the best storage than this many entries is given up. */
const LAG_ENTRIES_MAX = 2_000;

interface KnownStorage {
  readonly breaker: CircuitBreaker;
  beacon: Beacon;
  heardAtMs: number;
}

export class Routing {
  readonly #options: RoutingOptions;
  readonly #subscriptions: BusSubscription[] = [];
  readonly #storages = new Map<NodeId, KnownStorage>();
  #home: NodeId;
  #members: readonly NodeId[];
  /** By the newest mark. */
  #clusterTag: number | undefined;
  #leader: NodeId | undefined;
  #term: Term = term(0);
  #markedAtMs = Number.NEGATIVE_INFINITY;
  homeChanges = 0;

  constructor(options: RoutingOptions) {
    this.#options = options;
    this.#home = options.home;
    this.#members = options.nodes;
  }

  start(): void {
    const { lanes, subjects } = this.#options;
    this.#subscriptions.push(
      lanes.control.subscribe(subjects.mark, (message) => this.#onMark(message.payload)),
      lanes.control.subscribe(subjects.beacon, (message) => this.#onBeacon(message.payload)),
    );
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** By the newest mark. */
  get members(): readonly NodeId[] {
    return this.#members;
  }

  get term(): Term {
    return this.#term;
  }

  get leader(): NodeId | undefined {
    const silentMs = this.#options.clock.monotonicMs() - this.#markedAtMs;
    return silentMs > LEADER_SILENT_MS ? undefined : this.#leader;
  }

  get breakerTrips(): number {
    let trips = 0;
    for (const { breaker } of this.#storages.values()) trips += breaker.trips;
    return trips;
  }

  /** A replica refused because another one leads: believed until the next mark says otherwise. */
  hint(refusedBy: NodeId, leader: NodeId | undefined): void {
    if (this.#leader === refusedBy) this.#leader = leader;
  }

  /** The home storage; none while no storage is heard. */
  get home(): NodeId | undefined {
    return this.storages()[0];
  }

  /** Storages worth asking, the home first, those that do not answer last. */
  storages(): readonly NodeId[] {
    const heard = this.#healthy();
    const best = heard.reduce((most, { beacon }) => Math.max(most, beacon.applied), 0);
    const isGood = ({ breaker, beacon }: KnownStorage): boolean =>
      breaker.allows && best - beacon.applied <= LAG_ENTRIES_MAX;
    const good = heard.filter(isGood).map(({ node }) => node);
    const others = heard.filter((each) => !isGood(each)).map(({ node }) => node);
    const first = good[0] ?? others[0];
    if (first !== undefined && !good.includes(this.#home)) this.#moveHome(first);
    return [
      ...good.filter((node) => node === this.#home),
      ...good.filter((node) => node !== this.#home),
      ...others,
    ];
  }

  answered(storage: NodeId): void {
    this.#storages.get(storage)?.breaker.succeeded();
  }

  /** It did not answer in time, nobody listens there, or it did not send what it should have. */
  failed(storage: NodeId): void {
    this.#storages.get(storage)?.breaker.failed();
  }

  #moveHome(to: NodeId): void {
    if (to === this.#home) return;
    this.#home = to;
    this.homeChanges += 1;
  }

  #healthy(): (KnownStorage & { readonly node: NodeId })[] {
    const oldest = this.#options.clock.monotonicMs() - STORAGE_SILENT_MS;
    const healthy: (KnownStorage & { readonly node: NodeId })[] = [];
    for (const [node, storage] of this.#storages) {
      if (!storage.beacon.healthy || storage.heardAtMs < oldest) continue;
      if (!this.#members.includes(node) || !this.#isOurs(storage.beacon)) continue;
      healthy.push({ ...storage, node });
    }
    return healthy;
  }

  #onMark(payload: Uint8Array): void {
    const received = this.#options.frames.receive(payload, FrameKind.mark, decodeMark);
    if (received === undefined || received.frame.term < this.#term) return;
    const { frame } = received;
    const { name } = frame.sender;
    if (!isNodeId(name)) return;
    this.#members = received.body.members;
    this.#clusterTag = received.body.clusterTag;
    const newer = frame.term > this.#term;
    this.#term = frame.term;
    this.#leader = name;
    this.#markedAtMs = this.#options.clock.monotonicMs();
    if (newer) this.#options.onNewTerm();
  }

  #onBeacon(payload: Uint8Array): void {
    const { frames, clock } = this.#options;
    const received = frames.receive(payload, FrameKind.beacon, decodeBeacon);
    const name = received?.frame.sender.name;
    if (received === undefined || name === undefined || !isNodeId(name)) return;
    if (!this.#isOurs(received.body)) {
      frames.refuse(FrameRefusal.foreign);
      return;
    }
    const heardAtMs = clock.monotonicMs();
    const known = this.#storages.get(name);
    if (known === undefined) {
      this.#forgetStrangers();
      const breaker = new CircuitBreaker(clock);
      this.#storages.set(name, { breaker, beacon: received.body, heardAtMs });
    } else {
      known.beacon = received.body;
      known.heardAtMs = heardAtMs;
    }
  }

  /** Before the first mark anybody may be. */
  #isOurs({ clusterTag }: Beacon): boolean {
    return this.#clusterTag === undefined || clusterTag === this.#clusterTag;
  }

  /** So that who came and went does not add up. */
  #forgetStrangers(): void {
    for (const node of this.#storages.keys()) {
      if (!this.#members.includes(node)) this.#storages.delete(node);
    }
  }
}
