/** A sequencer alone, as the only voter, over the memory bus: what it makes of the beacons of storages. */
import { MemoryBus } from '@kvstore/bus';
import {
  type Beacon,
  clusterTagOf,
  decodeMark,
  encodeBeacon,
  encodeMark,
  FrameCodec,
  FrameKind,
  FrameRefusal,
  type Mark,
  SenderRole,
} from '@kvstore/contract';
import { chain, logIndex, nodeId, term } from '@kvstore/std';
import { eventually, realClock } from '@kvstore/testing';
import {
  CLUSTER,
  CLUSTER_TAG,
  identity,
  makeSequencer,
  subjects,
} from './sequencer.test-support.ts';

const node = nodeId('node-1');
const FOREIGN_TAG = clusterTagOf('7e57c1a6-0000-4000-8000-000000000000');

describe('the cut point of marks', () => {
  const bus = new MemoryBus();
  const storage = new FrameCodec({
    ...identity,
    sender: { role: SenderRole.storage, name: node, incarnation: 1 },
  });
  const marks: Mark[] = [];
  const failures: unknown[] = [];
  const sequencer = makeSequencer(bus, {
    node,
    voters: [node],
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

  function tell(beacon: Pick<Beacon, 'durable' | 'healthy'>, clusterTag = CLUSTER_TAG): void {
    const body = encodeBeacon({
      ...beacon,
      clusterTag,
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
    tell({ durable: logIndex(1), healthy: true }, FOREIGN_TAG);
    expect(await nextCutPoint()).toBe(0);
    expect(sequencer.frames.refused.get(FrameRefusal.foreign)).toBe(1);
  });

  test('is not moved by a mark of another cluster, which is counted', async () => {
    const sender = { role: SenderRole.consensus, name: nodeId('node-2'), incarnation: 1 };
    const foreign = {
      ...(marks.at(-1) as Mark),
      clusterTag: FOREIGN_TAG,
      archiveFrom: logIndex(9),
    };
    const frames = new FrameCodec({ ...identity, sender });
    bus.publish(subjects.mark, frames.seal(FrameKind.mark, term(1), encodeMark(foreign)));
    await nextCutPoint();
    expect(marks.at(-1)).toMatchObject({ cutPoint: 0, archiveFrom: 0 });
    expect(sequencer.frames.refused.get(FrameRefusal.foreign)).toBe(2);
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

describe('a lease', () => {
  const bus = new MemoryBus();
  const sequencer = makeSequencer(bus, {
    node,
    voters: [node],
    onFatal: (error) => {
      throw error;
    },
  });

  afterAll(async () => {
    await sequencer.stop();
    await bus.close();
  });

  test('is what a leader has, and names what is committed', async () => {
    expect(sequencer.leaseRead()).toBeUndefined();
    await sequencer.start(CLUSTER);
    await eventually('it has one', () => sequencer.leaseRead() !== undefined);
    expect(sequencer.leaseRead()).toBe(sequencer.status().commitIndex);
  });
});
