/**
 * Three sequencers over the memory bus, with beacons in the place of storages: where their logs are
 * cut, what holds them, and how one that was left behind takes the base of the leader's, or one that was
 * damaged gets back what it lost.
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
  Subjects,
} from '@kvstore/contract';
import { chain, logIndex, type NodeId, nodeId, SeededRandom, term } from '@kvstore/std';
import {
  eventually,
  MemoryHardState,
  MemoryLogStore,
  realClock,
  realTimers,
} from '@kvstore/testing';
import { Sequencer } from './sequencer.ts';
import type { SequencerConfig } from './sequencer-options.ts';
import type { SequencerNotice } from './sequencer-report.ts';

const CLUSTER = '7e57c1a5-0000-4000-8000-000000000000';
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(7) };
const subjects = new Subjects(identity.cluster, identity.group);
const nodes = [nodeId('node-1'), nodeId('node-2'), nodeId('node-3')] as const;
const [n1, n2, n3] = nodes;
/** What one entry without batches takes in a memory log. */
const ENTRY_BYTES = 79;
const KEPT = 5;

interface Running {
  readonly sequencer: Sequencer;
  readonly log: MemoryLogStore;
  readonly hardStates: MemoryHardState;
}

class Group {
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
    const sequencer = new Sequencer({
      ...identity,
      node,
      incarnation: ++this.#starts,
      voters: nodes,
      lanes: { data: this.bus, control: this.bus },
      log,
      hardStates,
      clock: realClock,
      timers: realTimers,
      random: new SeededRandom(this.#starts),
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

let group: Group;

async function started(config: Partial<SequencerConfig> = {}): Promise<void> {
  group = new Group(config);
  await group.startAll();
}

async function expectFirstIndex(first: number): Promise<void> {
  await eventually(`all logs begin at ${first}`, () =>
    group.firstIndexes().every((index) => index === first),
  );
}

afterEach(async () => {
  await group.stopAll();
});

test('every replica cuts its log where no storage needs it, and keeps the reserve', async () => {
  await started();
  await group.commitTo(40);
  for (const node of nodes) group.tell(node, 40);
  await group.commitTo(41);
  await expectFirstIndex(36 + 1);
  expect(await group.of(n2).log.read(logIndex(36), 0)).toEqual([]);
  // Nothing more is cut while nothing more is durable in the storages.
  await group.commitTo(60);
  await expectFirstIndex(41);
});

test('what the storage of a minority lacks stays, until too much is kept for it', async () => {
  await started({ logLagBytesMax: 30 * ENTRY_BYTES });
  await group.commitTo(20);
  group.tell(n1, 20);
  group.tell(n2, 20);
  group.tell(n3, 7);
  await expectFirstIndex(8);
  expect(group.notices).toEqual([]);
  await group.commitTo(50);
  await expectFirstIndex(21);
  const overtaken = group.notices.filter(({ kind }) => kind === 'overtaken');
  expect(overtaken).toContainEqual({
    kind: 'overtaken',
    reader: 'storage',
    node: n3,
    needs: 8,
    beginsAt: expect.any(Number),
  });
  expect(overtaken.length).toBeLessThanOrEqual(nodes.length);
});

test('nothing is cut that a majority of storages lacks, however large the log is', async () => {
  await started({ logLagBytesMax: 0, logReserveBytes: 0 });
  await group.commitTo(30);
  group.tell(n1, 30);
  group.tell(n2, 4);
  group.tell(n3, 2);
  await expectFirstIndex(5);
  // Each of these takes a turn of the cutters.
  await group.commitTo(60);
  expect(group.firstIndexes()).toEqual([5, 5, 5]);
});

test('the log is held for a storage that receives a snapshot', async () => {
  await started({ logLagBytesMax: 0, logReserveBytes: 0 });
  group.tell(n3, 0, { healthy: false, needs: logIndex(9) });
  await group.commitTo(30);
  group.tell(n1, 30);
  group.tell(n2, 30);
  await group.commitTo(31);
  await expectFirstIndex(9);
  group.tell(n3, 0, { healthy: false });
  await group.commitTo(32);
  await expectFirstIndex(31);
});

test('what is not archived yet stays on every replica, and the archive can be overtaken', async () => {
  await started({ logLagBytesMax: 40 * ENTRY_BYTES, logReserveBytes: 0 });
  await group.commitTo(20);
  group.leader?.archive.archived(logIndex(6));
  await group.commitTo(22);
  for (const node of nodes) group.tell(node, 20);
  await group.commitTo(30);
  await expectFirstIndex(6);
  for (const node of nodes) group.tell(node, 60);
  await group.commitTo(60);
  await eventually('the archive is overtaken', () =>
    group.notices.some((notice) => notice.kind === 'overtaken' && notice.reader === 'archive'),
  );
  expect(group.leader?.archive.state?.firstIndex).toBeGreaterThan(6);
});

test('a pull below the log is told where it begins', async () => {
  await started();
  await group.commitTo(40);
  for (const node of nodes) group.tell(node, 40);
  await group.commitTo(41);
  await expectFirstIndex(37);
  expect(await group.pull(n2, 10)).toMatchObject({ firstIndex: 37, entries: [] });
  const { firstIndex, entries } = await group.pull(n2, 37);
  expect(firstIndex).toBe(37);
  expect(entries.map(({ index }) => index)).toEqual([37, 38, 39, 40, 41]);
});

test('a replica whose log was cut starts again from its base, with its stamps and its epoch', async () => {
  await started();
  await group.commitTo(40);
  for (const node of nodes) group.tell(node, 40);
  await group.commitTo(41);
  await expectFirstIndex(37);
  const epoch = group.leader?.archive.state?.epoch ?? 0;
  expect(epoch).toBeGreaterThan(30);
  const left = new Map<NodeId, [MemoryLogStore, MemoryHardState]>();
  for (const node of nodes) left.set(node, await group.crash(node));
  for (const [node, [log, hardStates]] of left) await group.start(node, log, hardStates);
  await eventually('somebody leads', () => group.leader !== undefined);
  expect(group.leader?.archive.state?.epoch).toBe(epoch);
  await group.commitTo(50);
  expect(group.leader?.archive.state?.epoch).toBeGreaterThan(epoch);
});

test('a follower behind the base takes it in the place of its log and goes on from there', async () => {
  await started({ logLagBytesMax: 12 * ENTRY_BYTES });
  await group.commitTo(10);
  const [log, hardStates] = await group.crash(n3);
  await eventually('somebody leads', () => group.leader !== undefined);
  await group.commitTo(40);
  // Its storage is ahead of its log: it was served by the others.
  for (const node of nodes) group.tell(node, 40);
  await group.commitTo(45);
  await eventually('the others have cut', () => group.firstIndexes().every((at) => at > 30));
  expect(group.notices).toContainEqual(
    expect.objectContaining({ kind: 'overtaken', reader: 'consensus', node: n3 }),
  );
  await group.start(n3, log, hardStates);
  await group.commitTo(50);
  const { sequencer } = group.of(n3);
  expect(sequencer.counters.basesInstalled).toBe(1);
  expect(group.notices).toContainEqual({ kind: 'base-installed', index: expect.any(Number) });
  expect(sequencer.status().logFirstIndex).toBeGreaterThan(30);

  // What was put in place is durable, and good enough to lead with.
  const image = await group.crash(n3);
  expect(image[0].recovered.base?.position.index).toBeGreaterThanOrEqual(30);
  await group.start(n3, ...image);
  await eventually('somebody leads', () => group.leader !== undefined);
  await group.commitTo(60);
});

test('a replica whose log was damaged gets back what it lost, and votes only then', async () => {
  await started();
  await group.commitTo(20);
  const [log, hardStates] = await group.crash(n3);
  const left = await log.crash().read(logIndex(1), 1e6);
  const { term: before } = hardStates.recovered;
  await hardStates.beginRepair();
  await group.start(n3, new MemoryLogStore(left.slice(0, 8)), hardStates);
  const { sequencer } = group.of(n3);
  expect(sequencer.isUnderRepair).toBe(true);
  await group.commitTo(30);
  expect(sequencer.isUnderRepair).toBe(false);
  expect(group.notices).toContainEqual({ kind: 'log-repaired' });
  expect(sequencer.status().term).toBeGreaterThan(before);

  // It counts again: with it, two are enough.
  await group.crash(n1);
  await eventually('two go on', () => group.leader !== undefined);
  await group.commitTo(40);
});

test('two of three that were damaged elect nobody: what was acknowledged may be gone', async () => {
  await started();
  await group.commitTo(20);
  const terms: number[] = [];
  for (const node of [n2, n3]) {
    const [log, hardStates] = await group.crash(node);
    const left = await log.crash().read(logIndex(1), 1e6);
    await hardStates.beginRepair();
    terms.push(hardStates.recovered.term);
    await group.start(node, new MemoryLogStore(left.slice(0, 5)), hardStates);
  }
  const beganAtMs = realClock.monotonicMs();
  const passed = (): boolean => realClock.monotonicMs() - beganAtMs > 600;
  await eventually('ten election timeouts have passed', passed);
  expect(group.leader).toBeUndefined();
  expect(group.of(n3).sequencer.isUnderRepair).toBe(true);
  expect(group.of(n3).sequencer.status().term).toBe(Math.max(...terms));
});
