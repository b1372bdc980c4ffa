/**
 * Three sequencers over the memory bus on memory stores that survive a crash, with beacons that a test
 * tells in the place of storages.
 */
import { MemoryBus } from '@kvstore/bus';
import {
  type Beacon,
  ConsensusOperation,
  decodePullReply,
  encodeBeacon,
  encodePull,
  FrameCodec,
  FrameKind,
  type PullReply,
  SenderRole,
} from '@kvstore/contract';
import { chain, logIndex, type NodeId, nodeId, term } from '@kvstore/std';
import { eventually, MemoryHardState, MemoryLogStore, realClock } from '@kvstore/testing';
import type { Sequencer } from './sequencer.ts';
import type { SequencerConfig } from './sequencer-options.ts';
import type { SequencerNotice } from './sequencer-report.ts';
import {
  CLUSTER,
  CLUSTER_TAG,
  identity,
  makeSequencer,
  subjects,
} from './sequencer.test-support.ts';

export const nodes = [nodeId('node-1'), nodeId('node-2'), nodeId('node-3')] as const;
export const [n1, n2, n3] = nodes;
/** What one entry without batches takes in a memory log. */
export const ENTRY_BYTES = 79;
const KEPT = 5;

interface Running {
  readonly sequencer: Sequencer;
  readonly log: MemoryLogStore;
  readonly hardStates: MemoryHardState;
}

export class Group {
  readonly bus = new MemoryBus();
  readonly notices: SequencerNotice[] = [];
  readonly failures: unknown[] = [];
  readonly #running = new Map<NodeId, Running>();
  readonly #config: Partial<SequencerConfig>;
  #starts = 0;

  constructor(config: Partial<SequencerConfig> = {}) {
    this.#config = {
      tickMs: 10,
      cutPeriodMs: 10,
      logReserveBytes: KEPT * ENTRY_BYTES,
      logLagBytesMax: 1e9,
      tailBytesMax: 100,
      ...config,
    };
  }

  async startAll(): Promise<void> {
    for (const node of nodes) {
      await this.start(node, new MemoryLogStore(), new MemoryHardState());
    }
  }

  async start(node: NodeId, log: MemoryLogStore, hardStates: MemoryHardState): Promise<void> {
    const sequencer = makeSequencer(this.bus, {
      node,
      incarnation: ++this.#starts,
      voters: nodes,
      log,
      hardStates,
      config: this.#config,
      onFatal: (error) => this.failures.push(error),
      onNotice: (notice) => this.notices.push(notice),
    });
    this.#running.set(node, { sequencer, log, hardStates });
    await sequencer.start(CLUSTER);
  }

  /** What a power cut leaves of a node's stores. */
  async crash(node: NodeId): Promise<[MemoryLogStore, MemoryHardState]> {
    const { sequencer, log, hardStates } = this.of(node);
    const left: [MemoryLogStore, MemoryHardState] = [log.crash(), hardStates.crash()];
    this.#running.delete(node);
    await sequencer.stop();
    return left;
  }

  of(node: NodeId): Running {
    return this.#running.get(node) as Running;
  }

  get leader(): Sequencer | undefined {
    const all = [...this.#running.values()].map(({ sequencer }) => sequencer);
    return all.find(({ archive }) => archive.state !== undefined);
  }

  /** Commits entries up to `index` and waits until every running node knows. */
  async commitTo(index: number): Promise<void> {
    await eventually(`entry ${index} is committed`, () => {
      const { leader } = this;
      if (leader !== undefined && leader.status().lastIndex < index) leader.archive.beginEpoch();
      return [...this.#running.values()].every(
        ({ sequencer }) => sequencer.status().commitIndex >= index,
      );
    });
  }

  tell(node: NodeId, durable: number, more: Partial<Beacon> = {}): void {
    const sender = { role: SenderRole.storage, name: node, incarnation: 1 };
    const beacon = {
      clusterTag: CLUSTER_TAG,
      applied: logIndex(durable),
      durable: logIndex(durable),
      chain: chain(0),
      nextDue: undefined,
      healthy: true,
      wallMs: realClock.wallMs(),
      ...more,
    };
    const frame = new FrameCodec({ ...identity, sender });
    const sealed = frame.seal(FrameKind.beacon, term(0), encodeBeacon(beacon));
    this.bus.publish(subjects.beacon, sealed);
  }

  firstIndexes(): number[] {
    return [...this.#running.values()].map(({ sequencer }) => sequencer.status().logFirstIndex);
  }

  async pull(node: NodeId, from: number): Promise<PullReply> {
    const sender = { role: SenderRole.storage, name: node, incarnation: 1 };
    const frames = new FrameCodec({ ...identity, sender });
    const pull = encodePull({ from: logIndex(from), maxBytes: 100_000 });
    const answer = await this.bus.request(
      subjects.consensus(node, ConsensusOperation.pull),
      frames.seal(FrameKind.pull, term(0), pull),
      1_000,
    );
    return frames.receive(answer, FrameKind.pullReply, decodePullReply)?.body as PullReply;
  }

  async stopAll(): Promise<void> {
    for (const { sequencer } of this.#running.values()) await sequencer.stop();
    await this.bus.close();
    expect(this.failures).toEqual([]);
  }
}
