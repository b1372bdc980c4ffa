/**
 * A cluster in one process over the memory bus: real sequencers, replicas and clients on stores
 * that survive a member's crash. For tests of the whole path that need neither files nor processes.
 */
import { MemoryBus, type Delivery } from '@kvstore/bus';
import { ClusterClient } from '@kvstore/cluster-client';
import {
  type BusSubscription,
  clusterTagOf,
  type ControlOperation,
  decodeControl,
  encodeControl,
  FrameCodec,
  FrameKind,
  type Hello,
  type Lanes,
  type MemberQuestion,
  SenderRole,
  Subjects,
} from '@kvstore/contract';
import {
  type Clock,
  type NodeId,
  nodeId,
  SeededRandom,
  term,
  type Timer,
  type Timers,
} from '@kvstore/std';
import { Replica, type ReplicaStore } from '@kvstore/replica';
import {
  type HardStateStore,
  type LogStore,
  Sequencer,
  type SequencerConfig,
} from '@kvstore/sequencer';

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};

export const realTimers: Timers = {
  after(delayMs, callback): Timer {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs, callback): Timer {
    const timer = setInterval(callback, periodMs);
    return { cancel: () => clearInterval(timer) };
  },
  endOfTurn(callback): void {
    setImmediate(callback);
  },
};

/** What a member finds when it starts: called again for every start. */
export interface MemberStores {
  readonly log: LogStore;
  readonly hardStates: HardStateStore;
  readonly store: ReplicaStore;
}

export interface LocalClusterOptions {
  readonly members: number;
  /** `storeFailed`: what a store tells of itself besides the calls that fail. */
  readonly openStores: (
    node: NodeId,
    storeFailed: (error: unknown) => void,
  ) => MemberStores | Promise<MemberStores>;
  readonly config?: Partial<SequencerConfig>;
  readonly delivery?: Delivery;
}

interface Member {
  readonly sequencer: Sequencer;
  readonly replica: Replica;
  readonly control: readonly BusSubscription[];
}

const CLUSTER = 'test';
const CLUSTER_ID = '7e57c1a5-0000-4000-8000-000000000000';
const GROUP = 'g0';
const SECRET = new Uint8Array(32).fill(7);

export class LocalCluster {
  readonly bus: MemoryBus;
  /** Those that found it; more may be started, and admitted. */
  readonly nodes: readonly NodeId[];
  readonly failures: unknown[] = [];
  readonly #options: LocalClusterOptions;
  readonly #members = new Map<NodeId, Member>();
  readonly #clients: ClusterClient[] = [];
  #incarnation = 0;

  constructor(options: LocalClusterOptions) {
    this.#options = options;
    this.bus = new MemoryBus(options.delivery);
    this.nodes = Array.from({ length: options.members }, (_, i) => nodeId(`node-${i + 1}`));
  }

  get #lanes(): Lanes {
    return { data: this.bus, control: this.bus };
  }

  get identity() {
    return { cluster: CLUSTER, group: GROUP, secret: SECRET };
  }

  async startAll(): Promise<void> {
    for (const node of this.nodes) await this.start(node);
  }

  /** Resolves when it takes part, or waits to be admitted when it is none of the founders. */
  async start(node: NodeId): Promise<void> {
    const { log, hardStates, store } = await this.#options.openStores(node, (error) => {
      this.member(node).replica.failed(error);
    });
    const shared = {
      ...this.identity,
      node,
      incarnation: ++this.#incarnation,
      lanes: this.#lanes,
      clock: realClock,
      timers: realTimers,
      onFatal: (error: unknown): void => {
        this.failures.push(error);
      },
    };
    const random = new SeededRandom(this.#incarnation);
    const sequencer = new Sequencer({
      ...shared,
      voters: this.nodes.includes(node) ? this.nodes : [],
      log,
      hardStates,
      random,
      config: this.#options.config ?? {},
    });
    const others = this.nodes.filter((other) => other !== node);
    const replica = new Replica({
      ...shared,
      clusterTag: clusterTagOf(CLUSTER_ID),
      consensusNodes: [node, ...others],
      store,
    });
    this.#members.set(node, { sequencer, replica, control: this.#serveControl(node, sequencer) });
    replica.start();
    await sequencer.start(CLUSTER_ID);
  }

  /** Stops a member in good order. */
  async stop(node: NodeId): Promise<void> {
    const member = this.member(node);
    this.#members.delete(node);
    for (const each of member.control) each.unsubscribe();
    await member.sequencer.stop();
    await member.replica.stop();
  }

  /** What Nest serves in a process: who it is, and who takes part. */
  #serveControl(node: NodeId, sequencer: Sequencer): readonly BusSubscription[] {
    return [
      this.answerHello(node),
      this.#serve(node, 'members', (question) =>
        sequencer.answerAboutMembers(question as MemberQuestion),
      ),
    ];
  }

  /** Of a node whose disk is empty; that may be all there is of it. */
  answerHello(node: NodeId): BusSubscription {
    const member = { disk: `disk of ${node}`, clusterId: undefined, founders: undefined };
    const role = SenderRole.consensus;
    const hello: Hello = { role, name: node, process: node, running: true, member };
    return this.#serve(node, 'hello', () => hello);
  }

  #serve(
    node: NodeId,
    operation: ControlOperation,
    answer: (request: unknown) => unknown,
  ): BusSubscription {
    const role = SenderRole.consensus;
    const sender = { role, name: node, incarnation: this.#incarnation };
    const frames = new FrameCodec({ ...this.identity, sender });
    const subject = new Subjects(CLUSTER, GROUP).control(role, node, operation);
    return this.bus.subscribe(subject, async (message) => {
      const request = frames.receive(message.payload, FrameKind.controlRequest, decodeControl);
      if (request === undefined) return;
      const body = encodeControl(await answer(request.body));
      message.respond(frames.seal(FrameKind.controlReply, term(0), body));
    });
  }

  member(node: NodeId): Member {
    const member = this.#members.get(node);
    if (member === undefined) throw new Error(`${node} is not running`);
    return member;
  }

  get leader(): NodeId | undefined {
    return [...this.#members].find(
      ([, { sequencer }]) => sequencer.status().role === 'leader',
    )?.[0];
  }

  client(home: NodeId = this.nodes[0] as NodeId): ClusterClient {
    const client = new ClusterClient({
      ...this.identity,
      gateway: `gateway-${this.#clients.length + 1}`,
      incarnation: ++this.#incarnation,
      nodes: this.nodes,
      home,
      lanes: this.#lanes,
      clock: realClock,
      timers: realTimers,
      random: new SeededRandom(this.#incarnation),
      onFatal: (error) => this.failures.push(error),
    });
    this.#clients.push(client);
    client.start();
    return client;
  }

  async stopAll(): Promise<void> {
    for (const client of this.#clients) client.stop();
    for (const node of [...this.#members.keys()]) await this.stop(node);
    await this.bus.close();
  }
}

/** Polls until `condition` holds; fails with `what` after `timeoutMs`. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
