/** A sequencer alone, as the only voter, over the memory bus: what it makes of the beacons of storages. */
import { MemoryBus } from '@kvstore/bus';
import {
  type Beacon,
  clusterTagOf,
  decodeMark,
  encodeBeacon,
  FrameCodec,
  FrameKind,
  FrameRefusal,
  type Mark,
  SenderRole,
  Subjects,
} from '@kvstore/contract';
import { chain, logIndex, nodeId, SeededRandom, term } from '@kvstore/std';
import {
  eventually,
  MemoryHardState,
  MemoryLogStore,
  realClock,
  realTimers,
} from '@kvstore/testing';
import { Sequencer } from './sequencer.ts';

const node = nodeId('node-1');
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(7) };
const subjects = new Subjects(identity.cluster, identity.group);

const CLUSTER = '7e57c1a5-0000-4000-8000-000000000000';

describe('the cut point of marks', () => {
  const bus = new MemoryBus();
  const storage = new FrameCodec({
    ...identity,
    sender: { role: SenderRole.storage, name: node, incarnation: 1 },
  });
  const marks: Mark[] = [];
  const failures: unknown[] = [];
  const sequencer = new Sequencer({
    ...identity,
    node,
    incarnation: 1,
    voters: [node],
    lanes: { data: bus, control: bus },
    log: new MemoryLogStore(),
    hardStates: new MemoryHardState(),
    clock: realClock,
    timers: realTimers,
    random: new SeededRandom(1),
    config: { tickMs: 5 },
    onFatal: (error) => failures.push(error),
  });

  beforeAll(async () => {
    bus.subscribe(subjects.mark, ({ payload }) => {
      const mark = storage.receive(payload, FrameKind.mark, decodeMark)?.body;
      if (mark !== undefined) marks.push(mark);
    });
    await sequencer.start(CLUSTER);
    await eventually('the first mark', () => marks.length > 0);
  });

  afterAll(async () => {
    await sequencer.stop();
    await bus.close();
    expect(failures).toEqual([]);
  });

  function tell(beacon: Pick<Beacon, 'durable' | 'healthy'>, cluster = CLUSTER): void {
    const body = encodeBeacon({
      ...beacon,
      clusterTag: clusterTagOf(cluster),
      applied: beacon.durable,
      chain: chain(0),
      nextDue: undefined,
      wallMs: realClock.wallMs(),
    });
    bus.publish(subjects.beacon, storage.seal(FrameKind.beacon, term(0), body));
  }

  /** Of the first mark of an entry that is committed after everything told so far. */
  async function nextCutPoint(): Promise<number> {
    const { lastIndex } = sequencer.status();
    sequencer.archive.beginEpoch();
    const isLater = ({ commitIndex }: Mark): boolean => commitIndex > lastIndex;
    await eventually('a mark of what came later', () => marks.some(isLater));
    return marks.find(isLater)?.cutPoint ?? Number.NaN;
  }

  test('is not moved by a storage that does not serve', async () => {
    tell({ durable: logIndex(1), healthy: false });
    expect(await nextCutPoint()).toBe(0);
    tell({ durable: logIndex(0), healthy: true });
    await nextCutPoint();
    const request = { kind: 'priority', node, priority: 1 } as const;
    expect(await sequencer.answerAboutMembers({ request, waitMs: 1_000 })).toMatchObject({
      kind: 'members',
      members: [{ node, role: 'voter', priority: 1, healthy: true }],
    });
  });

  test('is not moved by a storage with the data of another cluster, which is counted', async () => {
    tell({ durable: logIndex(1), healthy: true }, '7e57c1a6-0000-4000-8000-000000000000');
    expect(await nextCutPoint()).toBe(0);
    expect(sequencer.frames.refused.get(FrameRefusal.foreign)).toBe(1);
  });

  test('is what the storages of a majority hold, and never above what is committed', async () => {
    tell({ durable: logIndex(1), healthy: true });
    expect(await nextCutPoint()).toBe(1);
    tell({ durable: logIndex(1_000_000), healthy: true });
    await nextCutPoint();
    const { cutPoint, commitIndex } = marks.at(-1) as Mark;
    expect(cutPoint).toBeLessThanOrEqual(commitIndex);
    tell({ durable: logIndex(0), healthy: true });
    expect(await nextCutPoint()).toBeGreaterThanOrEqual(cutPoint);
  });
});
