/** When a replica fences itself, when it stops its process instead, and how often. */
import { MemoryBus } from '@kvstore/bus';
import {
  decodeBeacon,
  decodeReadReply,
  encodeRead,
  FrameCodec,
  FrameKind,
  ReadStatus,
  Subjects,
} from '@kvstore/contract';
import { logIndex, type NodeId, nodeId, revision, term } from '@kvstore/std';
import {
  eventually,
  MemoryReplicaStore,
  positionAt,
  realClock,
  realTimers,
} from '@kvstore/testing';
import { Replica, type ReplicaNotice } from './replica.ts';

const [n1, n2] = [nodeId('node-1'), nodeId('node-2')];
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(1) };
const damage = new Error('a block has a wrong checksum');

let bus: MemoryBus;
let store: MemoryReplicaStore;
let replica: Replica;
let notices: ReplicaNotice[];
let failures: unknown[];
let healthy: boolean[];

function create(consensusNodes: readonly NodeId[]): void {
  bus = new MemoryBus();
  store = new MemoryReplicaStore();
  store.damagedBy = damage;
  [notices, failures, healthy] = [[], [], []];
  const sender = { role: 'gateway', name: 'gateway-1', incarnation: 1 } as const;
  const gateway = new FrameCodec({ ...identity, sender });
  bus.subscribe(new Subjects('test', 'g0').beacon, ({ payload }) => {
    healthy.push(gateway.receive(payload, FrameKind.beacon, decodeBeacon)!.body.healthy);
  });
  replica = new Replica({
    ...identity,
    node: n1,
    incarnation: 1,
    clusterTag: 1,
    consensusNodes,
    lanes: { data: bus, control: bus },
    store,
    clock: realClock,
    // Nobody waits long here.
    timers: { ...realTimers, after: (ms, done) => realTimers.after(Math.min(ms, 20), done) },
    onFatal: (error) => failures.push(error),
    onNotice: (notice) => notices.push(notice),
  });
}
afterEach(async () => {
  await replica.stop();
  await bus.close();
});

const asides = (): boolean => store.damage !== undefined;

test('a damaged store is set aside once, and the beacons say that nothing is served', async () => {
  create([n1, n2]);
  replica.start();
  await eventually('it serves', () => healthy.includes(true));
  replica.failed(damage);
  await eventually('it is aside', asides);
  await eventually('it says so', () => healthy.at(-1) === false);
  expect(replica.fenced).toBe(damage.message);
  expect(replica.status().healthy).toBe(false);
  expect(notices).toEqual([{ kind: 'fenced', reason: damage.message }]);
  expect(replica.counters.fences).toBe(1);
  expect(failures).toEqual([]);
});

test('damage that a read finds is answered with "ask elsewhere", every time', async () => {
  create([n1, n2]);
  replica.start();
  store.newest = () => {
    throw damage;
  };
  const sender = { role: 'gateway', name: 'gateway-1', incarnation: 1 } as const;
  const gateway = new FrameCodec({ ...identity, sender });
  const read = { namespace: 'default', key: new Uint8Array(1), atRevision: undefined };
  const body = encodeRead({
    minIndex: logIndex(0),
    minRevision: revision(0),
    waitMs: 100,
    reads: [read],
  });
  for (let times = 1; times <= 2; times++) {
    const frame = gateway.seal(FrameKind.read, term(0), body);
    const answer = await bus.request(new Subjects('test', 'g0').storage(n1, 'read'), frame, 1_000);
    const reply = gateway.receive(answer, FrameKind.readReply, decodeReadReply)?.body;
    expect(reply).toMatchObject({ status: ReadStatus.behind, answers: [] });
    await eventually('it is aside', asides);
    expect(replica.counters.fences).toBe(1);
  }
});

test('the same damage again sets the store aside again', async () => {
  create([n1, n2]);
  replica.start();
  let times = 0;
  const { setAside: honest } = store;
  store.setAside = (why) => {
    times += 1;
    return honest.call(store, why);
  };
  replica.failed(damage);
  await eventually('it is aside', () => times === 1);
  replica.failed(damage);
  expect(replica.counters.fences).toBe(2);
  await eventually('it is aside again', () => times === 2);
});

test('one that is stopped before it was set aside is so then: nothing of it is flushed', async () => {
  create([n1, n2]);
  replica.start();
  replica.failed(damage);
  await eventually('it is aside', asides);
  store.endEntry(positionAt(1), 0);
  replica.failed(damage);
  await replica.stop();
  expect(store.durable.index).toBe(0);
});

test('what is found before it starts fences it when it does, once', async () => {
  create([n1, n2]);
  replica.failed(damage);
  expect(asides()).toBe(false);
  expect(replica.counters.fences).toBe(0);
  replica.start();
  await eventually('it is aside', asides);
  await eventually('it has asked', () => replica.received.waits > 0);
  expect(replica.counters.fences).toBe(1);
  expect(healthy).not.toContain(true);
});

test('a store that was set aside when it was opened is not set aside again', async () => {
  create([n1, n2]);
  const found = new Error('no manifest');
  store.damage = found;
  replica.start();
  await eventually('it has asked', () => replica.received.waits > 0);
  expect(store.damage).toBe(found);
  expect(replica.fenced).toBe('no manifest');
  expect(replica.counters.fences).toBe(1);
});

test('alone, damage stops the process, and nothing is set aside', () => {
  create([n1]);
  replica.start();
  replica.failed(damage);
  expect(failures).toEqual([damage]);
  expect(asides()).toBe(false);
});

test('what is no damage stops the process, whoever else has the data', () => {
  create([n1, n2]);
  replica.start();
  const failure = new Error('the disk cannot sync');
  replica.failed(failure);
  expect(failures).toEqual([failure]);
  expect(replica.counters.fences).toBe(0);
});
