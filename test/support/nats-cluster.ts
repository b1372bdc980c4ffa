/**
 * A cluster in one process over a real nats-server: sequencers, replicas and clients as the processes
 * have them, each with two connections of its own, on stores in memory that survive a kill as a disk
 * would. For faults that have to be forced at an exact place; whole processes: `ClusterProcess`.
 */
import { NatsBus } from '@kvstore/bus';
import { ClusterClient } from '@kvstore/cluster-client';
import { type Bus, clusterTagOf, type Lanes, type SenderRole, Subjects } from '@kvstore/contract';
import { type EntryArchive, Replica } from '@kvstore/replica';
import { type LogStore, Sequencer, type SequencerConfig } from '@kvstore/sequencer';
import { type NodeId, nodeId, SeededRandom } from '@kvstore/std';
import {
  eventually,
  MemoryHardState,
  MemoryLogStore,
  MemoryReplicaStore,
  NatsServer,
  realClock,
  realTimers,
} from '@kvstore/testing';
import { FaultyBus } from './faulty-bus.ts';

export interface NatsClusterOptions {
  readonly jetstream?: boolean;
  /** Where a lane of a process connects; default: to the server. */
  readonly urlOf?: (role: SenderRole, name: string, lane: keyof Lanes) => string | undefined;
  /** Of the sequencers. */
  readonly config?: Partial<SequencerConfig>;
  /** What a sequencer uses in place of its log. */
  readonly logOf?: (log: MemoryLogStore) => LogStore;
  readonly archiveOf?: (node: NodeId, lanes: FaultyLanes) => EntryArchive;
}

export interface FaultyLanes extends Lanes {
  readonly data: FaultyBus;
  readonly control: FaultyBus;
  /** The connection below `data`. */
  readonly dataBus: NatsBus;
}

interface Consensus {
  readonly sequencer: Sequencer;
  readonly lanes: FaultyLanes;
  readonly log: MemoryLogStore;
  readonly hardStates: MemoryHardState;
}

interface Storage {
  readonly replica: Replica;
  readonly lanes: FaultyLanes;
  readonly store: MemoryReplicaStore;
}

const CLUSTER_ID = '7e57c1a5-0000-4000-8000-000000000000';

export class NatsCluster {
  readonly identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(7) };
  readonly nodes: readonly NodeId[] = [1, 2, 3].map((i) => nodeId(`node-${i}`));
  readonly subjects = new Subjects(this.identity.cluster, this.identity.group);
  readonly failures: unknown[] = [];
  readonly server: NatsServer;
  readonly #options: NatsClusterOptions;
  readonly #consensus = new Map<NodeId, Consensus>();
  readonly #storages = new Map<NodeId, Storage>();
  readonly #disks = new Map<NodeId, Pick<Consensus, 'log' | 'hardStates'>>();
  readonly #stores = new Map<NodeId, MemoryReplicaStore>();
  readonly #clients: ClusterClient[] = [];
  readonly #buses: Bus[] = [];
  readonly #ending: Promise<void>[] = [];
  #incarnation = 0;

  private constructor(server: NatsServer, options: NatsClusterOptions) {
    this.server = server;
    this.#options = options;
  }

  /** A server and, so far, nobody at it. */
  static async create(options: NatsClusterOptions = {}): Promise<NatsCluster> {
    const server = await NatsServer.start({ jetstream: options.jetstream ?? false });
    return new NatsCluster(server, options);
  }

  async startAll(): Promise<void> {
    await Promise.all(
      this.nodes.flatMap((node) => [this.startConsensus(node), this.startStorage(node)]),
    );
  }

  async startConsensus(node: NodeId): Promise<void> {
    const before = this.#disks.get(node);
    const disk = {
      log: before?.log.crash() ?? new MemoryLogStore(),
      hardStates: before?.hardStates.crash() ?? new MemoryHardState(),
    };
    this.#disks.set(node, disk);
    const lanes = await this.lanes('consensus', node);
    const sequencer = new Sequencer({
      ...this.#shared(node, lanes),
      voters: this.nodes,
      log: this.#options.logOf?.(disk.log) ?? disk.log,
      hardStates: disk.hardStates,
      random: new SeededRandom(this.#incarnation),
      config: this.#options.config ?? {},
    });
    this.#consensus.set(node, { sequencer, lanes, ...disk });
    await sequencer.start(CLUSTER_ID);
    // Why: it is subscribed once the server has answered.
    await lanes.dataBus.connection.flush();
  }

  async startStorage(node: NodeId): Promise<void> {
    const store = this.#stores.get(node)?.reopen() ?? new MemoryReplicaStore();
    this.#stores.set(node, store);
    const lanes = await this.lanes('storage', node);
    const archive = this.#options.archiveOf?.(node, lanes);
    const others = this.nodes.filter((other) => other !== node);
    const replica = new Replica({
      ...this.#shared(node, lanes),
      clusterTag: clusterTagOf(CLUSTER_ID),
      consensusNodes: [node, ...others],
      store,
      ...(archive && { archive }),
    });
    this.#storages.set(node, { replica, lanes, store });
    replica.start();
  }

  consensus(node: NodeId): Consensus {
    return found(this.#consensus, node);
  }

  storage(node: NodeId): Storage {
    return found(this.#storages, node);
  }

  get storages(): readonly Storage[] {
    return [...this.#storages.values()];
  }

  /** As by SIGKILL: nothing more leaves or arrives, and its disk holds what was durable by now. */
  killConsensus(node: NodeId): void {
    const { sequencer, lanes, log, hardStates } = this.consensus(node);
    this.#consensus.delete(node);
    die(lanes);
    this.#disks.set(node, { log: log.crash(), hardStates: hardStates.crash() });
    this.#ending.push(sequencer.stop());
  }

  killStorage(node: NodeId): void {
    const { replica, lanes, store } = this.storage(node);
    this.#storages.delete(node);
    die(lanes);
    this.#stores.set(node, store.reopen());
    this.#ending.push(replica.stop());
  }

  /** Killed, and its disk with it. */
  loseStorage(node: NodeId): void {
    this.killStorage(node);
    this.#stores.delete(node);
  }

  get leader(): NodeId | undefined {
    return [...this.#consensus].find(
      ([, { sequencer }]) => sequencer.status().role === 'leader',
    )?.[0];
  }

  /** That has committed an entry of its own term: elections are over. */
  async untilLed(): Promise<NodeId> {
    const leads = (): NodeId | undefined => {
      const { leader } = this;
      if (leader === undefined) return undefined;
      return this.consensus(leader).sequencer.archive.state === undefined ? undefined : leader;
    };
    await eventually('a leader', () => leads() !== undefined);
    return leads() as NodeId;
  }

  async client(name: string, home: NodeId = this.nodes[0] as NodeId): Promise<ClusterClient> {
    const lanes = await this.lanes('gateway', name);
    const client = new ClusterClient({
      ...this.#shared(home, lanes),
      gateway: name,
      nodes: this.nodes,
      home,
      random: new SeededRandom(this.#incarnation),
    });
    this.#clients.push(client);
    client.start();
    await eventually('the client is ready', () => client.notReady === undefined);
    return client;
  }

  /** All storages have applied what the leader has committed, to one chain. */
  async untilEqual(): Promise<void> {
    await eventually('all storages equal', () => {
      const { leader } = this;
      if (leader === undefined || this.#storages.size !== this.nodes.length) return false;
      const { commitIndex } = this.consensus(leader).sequencer.status();
      const statuses = this.storages.map(({ replica }) => replica.status());
      return statuses.every(
        ({ appliedIndex, chain }) => appliedIndex === commitIndex && chain === statuses[0]?.chain,
      );
    });
  }

  async lanes(role: SenderRole, name: string): Promise<FaultyLanes> {
    const [data, control] = await Promise.all([
      this.#connect(role, name, 'data'),
      this.#connect(role, name, 'control'),
    ]);
    this.#buses.push(data, control);
    return { data: new FaultyBus(data), control: new FaultyBus(control), dataBus: data };
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.stop();
    await Promise.all([...this.#consensus.values()].map(({ sequencer }) => sequencer.stop()));
    await Promise.all([...this.#storages.values()].map(({ replica }) => replica.stop()));
    await Promise.all(this.#ending);
    await Promise.all(this.#buses.map((bus) => bus.close()));
    await this.server.end();
  }

  #connect(role: SenderRole, name: string, lane: keyof Lanes): Promise<NatsBus> {
    return NatsBus.connect({
      servers: [this.#options.urlOf?.(role, name, lane) ?? this.server.url],
      name: `${role}-${name}-${lane}`,
      inboxPrefix: this.subjects.inbox(role, name),
    });
  }

  #shared(node: NodeId, lanes: FaultyLanes) {
    return {
      ...this.identity,
      node,
      incarnation: ++this.#incarnation,
      lanes,
      clock: realClock,
      timers: realTimers,
      onFatal: (error: unknown): void => {
        this.failures.push(error);
      },
    };
  }
}

function die({ data, control }: FaultyLanes): void {
  data.die();
  control.die();
}

function found<Value>(values: ReadonlyMap<NodeId, Value>, node: NodeId): Value {
  const value = values.get(node);
  if (value === undefined) throw new Error(`${node} is not running`);
  return value;
}
