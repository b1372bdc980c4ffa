/** When a replica fences itself, when it stops its process instead, and how often. */
import { MemoryBus } from '@kvstore/bus';
import {
  decodeBeacon,
  decodeReadReply,
  encodeBeacon,
  encodePullReply,
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
import { Replica } from './replica.ts';
import type { ReplicaNotice } from './replica-options.ts';

const [n1, n2] = [nodeId('node-1'), nodeId('node-2')];
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(1) };
const damage = new Error('a block has a wrong checksum');

let bus: MemoryBus;
let store: MemoryReplicaStore;
let replica: Replica;
let notices: ReplicaNotice[];
let failures: unknown[];
let healthy: boolean[];
let setAsides: number;

function create(consensusNodes: readonly NodeId[], opened = new MemoryReplicaStore()): void {
  bus = new MemoryBus();
  store = opened;
  store.damagedBy = damage;
  setAsides = 0;
  const { setAside } = store;
  store.setAside = (why) => {
    setAsides += 1;
    return setAside.call(store, why);
  };
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

/** What each consensus still has of a log of 2,000 entries. */
function serveLog(firstIndex: number): void {
  for (const node of [n1, n2]) {
    const sender = { role: 'consensus', name: node, incarnation: 1 } as const;
    const consensus = new FrameCodec({ ...identity, sender });
    const entry = { ...positionAt(1), kind: 1, body: new Uint8Array(3) } as const;
    const body = encodePullReply({
      clusterTag: 1,
      commitIndex: logIndex(2_000),
      firstIndex: logIndex(firstIndex),
      entries: firstIndex === 1 ? [entry] : [],
    });
    bus.subscribe(new Subjects('test', 'g0').consensus(node, 'pull'), (message) => {
      message.respond(consensus.seal(FrameKind.pullReply, term(1), body));
    });
  }
}

function beaconOf(node: NodeId, applied: number): void {
  const { index, chain } = positionAt(applied);
  const body = encodeBeacon({
    clusterTag: 1,
    applied: index,
    durable: index,
    chain,
    nextDue: undefined,
    healthy: true,
    wallMs: 0,
  });
  const sender = { role: 'storage', name: node, incarnation: 1 } as const;
  const frame = new FrameCodec({ ...identity, sender }).seal(FrameKind.beacon, term(0), body);
  bus.publish(new Subjects('test', 'g0').beacon, frame);
}

async function write(entries: number): Promise<void> {
  for (let index = 1; index <= entries; index++) store.endEntry(positionAt(index), 0);
  await store.flush();
}

const isFenced = (): boolean => store.damage !== undefined;

test('a damaged store is set aside once, and the beacons say that nothing is served', async () => {
  create([n1, n2]);
  serveLog(1);
  replica.start();
  await eventually('it serves', () => healthy.includes(true));
  replica.failed(damage);
  await eventually('it is aside', () => setAsides === 1);
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
    await eventually('it is fenced', isFenced);
    expect(replica.counters.fences).toBe(1);
  }
});

test('damage that a beacon finds fences it, also at the start', async () => {
  create([n1, n2]);
  store.scan = () => {
    throw damage;
  };
  replica.start();
  await eventually('it is fenced', isFenced);
  expect(replica.counters.fences).toBe(1);
  expect(healthy).not.toContain(true);
  expect(failures).toEqual([]);
});

test('the same damage again sets the store aside again', async () => {
  create([n1, n2]);
  serveLog(1);
  replica.start();
  replica.failed(damage);
  await eventually('it is aside', () => setAsides === 1);
  replica.failed(damage);
  expect(replica.counters.fences).toBe(2);
  await eventually('it is aside again', () => setAsides === 2);
});

test('what is here stays while nobody has what the log has no more', async () => {
  create([n1, n2]);
  serveLog(1_000);
  await write(3);
  replica.start();
  beaconOf(n2, 900);
  replica.failed(damage);
  await eventually('it asks again and again', () => {
    beaconOf(n2, 900);
    return replica.received.waits > 4;
  });
  expect(setAsides).toBe(0);
  expect(store.applied.index).toBe(3);
  expect(replica.received.outcomes.get('lost')).toBe(0);
  expect(replica.fenced).toBe(damage.message);
});

test('what is here stays while no consensus says where the log begins', async () => {
  create([n1, n2]);
  await write(3);
  replica.start();
  replica.failed(damage);
  await eventually('it asks again and again', () => replica.received.waits > 3);
  expect(setAsides).toBe(0);
  expect(store.applied.index).toBe(3);
});

test('a fence outlasts the process: nothing is flushed at its end, nothing served after it', async () => {
  create([n1, n2]);
  await write(3);
  replica.start();
  store.endEntry(positionAt(4), 0);
  replica.failed(damage);
  await replica.stop();
  await bus.close();
  expect(store.durable.index).toBe(3);

  create([n1, n2], store.reopen());
  replica.start();
  await eventually('it has asked', () => replica.received.waits > 0);
  expect(replica.fenced).toBe(damage.message);
  expect(healthy).not.toContain(true);
  expect(store.applied.index).toBe(3);
});

test('what is found before it starts fences it when it does, once', async () => {
  create([n1, n2]);
  replica.failed(damage);
  expect(isFenced()).toBe(false);
  expect(replica.counters.fences).toBe(0);
  replica.start();
  await eventually('it is fenced', isFenced);
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
  expect(setAsides).toBe(0);
  expect(replica.fenced).toBe('no manifest');
  expect(replica.counters.fences).toBe(1);
});

test('alone, damage stops the process, and nothing is set aside', () => {
  create([n1]);
  replica.start();
  replica.failed(damage);
  expect(failures).toEqual([damage]);
  expect(isFenced()).toBe(false);
});

test('what is no damage stops the process, whoever else has the data', () => {
  create([n1, n2]);
  replica.start();
  const failure = new Error('the disk cannot sync');
  replica.failed(failure);
  expect(failures).toEqual([failure]);
  expect(replica.counters.fences).toBe(0);
});
