/** A storage and the founded cluster that its data belongs to, over the real bus. */
import { MemoryBus } from '@kvstore/bus';
import {
  decodeBeacon,
  decodeOutcomesFrame,
  decodeReadReply,
  encodeMark,
  encodeOutcomesQuery,
  encodeRead,
  FrameCodec,
  FrameKind,
  FrameRefusal,
  OutcomeStatus,
  ReadStatus,
  type SenderRole,
  Subjects,
} from '@kvstore/contract';
import { LOG_START, logIndex, nodeId, revision, term } from '@kvstore/std';
import { eventually, MemoryReplicaStore, realClock, realTimers } from '@kvstore/testing';
import { Replica } from './replica.ts';
import type { ReplicaNotice } from './replica-options.ts';

const node = nodeId('node-1');
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(1) };
const subjects = new Subjects('test', 'g0');
const codec = (role: SenderRole): FrameCodec =>
  new FrameCodec({ ...identity, sender: { role, name: 'node-1', incarnation: 1 } });
const gateway = codec('gateway');
const [OURS, THEIRS] = [1, 2];

describe('a storage', () => {
  let bus: MemoryBus;
  let replica: Replica;
  let notices: ReplicaNotice[];
  let healthy: boolean | undefined;
  let tags: Set<number | undefined>;

  function start(clusterTag: number | undefined): void {
    bus = new MemoryBus();
    notices = [];
    healthy = undefined;
    tags = new Set();
    bus.subscribe(subjects.beacon, ({ payload }) => {
      const beacon = gateway.receive(payload, FrameKind.beacon, decodeBeacon)?.body;
      healthy = beacon?.healthy;
      tags.add(beacon?.clusterTag);
    });
    replica = new Replica({
      ...identity,
      node,
      incarnation: 1,
      clusterTag,
      consensusNodes: [node],
      lanes: { data: bus, control: bus },
      store: new MemoryReplicaStore(),
      clock: realClock,
      timers: realTimers,
      onFatal: (error) => {
        throw error;
      },
      onNotice: (notice) => notices.push(notice),
    });
    replica.start();
  }

  afterEach(async () => {
    await replica.stop();
    await bus.close();
  });

  function mark(clusterTag: number): void {
    const { index, chain } = LOG_START;
    const body = encodeMark({
      clusterTag,
      commitIndex: index,
      chain,
      cutPoint: index,
      flushTo: index,
      epoch: 0,
      archiveFrom: index,
      members: [],
    });
    bus.publish(subjects.mark, codec('consensus').seal(FrameKind.mark, term(1), body));
  }

  async function read(): Promise<ReadStatus> {
    const nothing = { minIndex: logIndex(0), minRevision: revision(0), waitMs: 10, reads: [] };
    const frame = gateway.seal(FrameKind.read, term(0), encodeRead(nothing));
    const answer = await bus.request(subjects.storage(node, 'read'), frame, 1_000);
    return gateway.receive(answer, FrameKind.readReply, decodeReadReply)!.body.status;
  }

  async function outcome(): Promise<OutcomeStatus> {
    const body = encodeOutcomesQuery({ session: 1024, minIndex: logIndex(0), batches: [1] });
    const frame = gateway.seal(FrameKind.outcomesQuery, term(0), body);
    const answer = await bus.request(subjects.storage(node, 'outcomes'), frame, 1_000);
    const decoded = gateway.receive(answer, FrameKind.outcomes, decodeOutcomesFrame)!.body;
    return decoded.batches[0]!.status;
  }

  test('serves nothing before it knows its cluster, which the first mark tells', async () => {
    start(undefined);
    expect(await read()).toBe(ReadStatus.behind);
    mark(OURS);
    await eventually('it serves', () => healthy === true);
    expect(notices).toEqual([{ kind: 'cluster-learned', clusterTag: OURS }]);
    expect(tags).toEqual(new Set([OURS]));
    expect(await read()).toBe(ReadStatus.served);
  });

  test('under the marks of another cluster answers no read and no question for an outcome', async () => {
    start(OURS);
    expect(await outcome()).toBe(OutcomeStatus.unknownSession);
    mark(THEIRS);
    mark(THEIRS);
    await eventually('it says so', () => healthy === false);
    expect(notices).toEqual([{ kind: 'foreign-data', leader: 'node-1' }]);
    expect(replica.frames.refused.get(FrameRefusal.foreign)).toBe(2);
    expect(await read()).toBe(ReadStatus.behind);
    expect(await outcome()).toBe(OutcomeStatus.behind);
  });
});
