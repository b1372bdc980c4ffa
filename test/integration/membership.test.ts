/** Membership of a running cluster, over the memory bus: the real sequencers, replicas and clients. */
import type { ClusterClient } from '@kvstore/cluster-client';
import {
  decodeMark,
  type Failure,
  FrameCodec,
  FrameKind,
  type MemberList,
  type MemberRequest,
  Subjects,
} from '@kvstore/contract';
import { type NodeId, nodeId } from '@kvstore/std';
import {
  eventually,
  LocalCluster,
  MemoryHardState,
  MemoryLogStore,
  MemoryReplicaStore,
} from '@kvstore/testing';
import { get, put } from '../support/requests.ts';

const [n1, n2, n3, n4, n5] = [1, 2, 3, 4, 5].map((i) => nodeId(`node-${i}`)) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];
const WAIT_MS = 5_000;
/** Small, so that a few writes are enough for the log to be cut. */
const RESERVE_BYTES = 4 * 1024;

let cluster: LocalCluster;
let client: ClusterClient;
let stores: Map<NodeId, MemoryReplicaStore>;

beforeEach(async () => {
  stores = new Map();
  cluster = new LocalCluster({
    members: 3,
    config: { logReserveBytes: RESERVE_BYTES },
    openStores: (node) => {
      const store = new MemoryReplicaStore();
      stores.set(node, store);
      return { log: new MemoryLogStore(), hardStates: new MemoryHardState(), store };
    },
  });
  await cluster.startAll();
  client = cluster.client();
  await eventually('the cluster serves', () => client.notReady === undefined);
});
afterEach(async () => {
  await cluster.stopAll();
  expect(cluster.failures).toEqual([]);
});

const ask = (request: MemberRequest, timeoutMs = WAIT_MS): Promise<MemberList | Failure> =>
  client.members(request, timeoutMs);

async function members(request: MemberRequest): Promise<MemberList> {
  const answer = await ask(request);
  if (answer.kind === 'failure') throw new Error(`${answer.code}: ${answer.detail}`);
  return answer;
}

const rolesOf = (list: MemberList): readonly string[] =>
  list.members.map(({ node, role }) => `${node} ${role}`).toSorted();

async function untilVoter(node: NodeId): Promise<void> {
  await eventually(`${node} votes`, async () =>
    rolesOf(await members({ kind: 'list' })).includes(`${node} voter`),
  );
}

/** As marks tell it from now on. */
function watchCutPoint(): () => number {
  const { identity } = cluster;
  const frames = new FrameCodec({
    ...identity,
    sender: { role: 'storage', name: 'observer', incarnation: 1 },
  });
  let told = 0;
  cluster.bus.subscribe(new Subjects(identity.cluster, identity.group).mark, ({ payload }) => {
    told = frames.receive(payload, FrameKind.mark, decodeMark)?.body.cutPoint ?? told;
  });
  return () => told;
}

function follower(leader: NodeId | undefined): NodeId {
  return cluster.nodes.find((node) => node !== leader) as NodeId;
}

test('a member that is added learns, then votes; one that is removed is gone for good', async () => {
  expect(rolesOf(await members({ kind: 'list' }))).toEqual([
    'node-1 voter',
    'node-2 voter',
    'node-3 voter',
  ]);
  await cluster.start(n4);
  const added = await members({ kind: 'add', node: n4 });
  expect(added.members.find(({ node }) => node === n4)).toMatchObject({ node: n4 });
  expect(await members({ kind: 'add', node: n4 })).toMatchObject({ kind: 'members' });
  await untilVoter(n4);
  const victim = follower(added.leader);
  expect(rolesOf(await members({ kind: 'remove', node: victim }))).not.toContain(`${victim} voter`);
  expect(await members({ kind: 'remove', node: victim })).toMatchObject({ kind: 'members' });
  expect(await ask({ kind: 'add', node: victim })).toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(await client.write(put('a', 'b'), WAIT_MS)).toMatchObject({ kind: 'decided' });
  await eventually('marks tell that it is gone', async () =>
    (await client.status(500)).every(({ node }) => node !== victim),
  );
});

test('a new member has everything that was written before and while it came', async () => {
  let written = 0;
  let stop = false;
  const writing = (async () => {
    while (!stop) {
      expect(await client.write(put(`k${written}`, 'v'), WAIT_MS)).toMatchObject({
        kind: 'decided',
      });
      written += 1;
    }
  })();
  await cluster.start(n4);
  await cluster.start(n5);
  await members({ kind: 'add', node: n4 });
  await members({ kind: 'add', node: n5 });
  await untilVoter(n4);
  await untilVoter(n5);
  for (const node of [n1, n2, n3].filter((each) => each !== cluster.leader)) {
    await members({ kind: 'remove', node });
    await cluster.stop(node);
  }
  stop = true;
  await writing;
  expect(written).toBeGreaterThan(0);
  for (let i = 0; i < written; i += 7) {
    expect(await client.get(get(`k${i}`), WAIT_MS)).toMatchObject({ kind: 'found' });
  }
});

test('storages flush for who comes and goes, and do not wait until a memtable is full', async () => {
  expect(await client.write(put('a', 'b'), WAIT_MS)).toMatchObject({ kind: 'decided' });
  const { leader } = await members({ kind: 'list' });
  const [ahead, behind] = cluster.nodes.filter((node) => node !== leader) as [NodeId, NodeId];
  const storeOf = (node: NodeId): MemoryReplicaStore => stores.get(node) as MemoryReplicaStore;
  await eventually('all have applied it', () =>
    cluster.nodes.every((node) => storeOf(node).applied.index >= 3),
  );
  await storeOf(leader as NodeId).flush();
  await storeOf(ahead).flush();
  const toldCutPoint = watchCutPoint();
  await eventually('the cut point is what the majority holds', () => toldCutPoint() > 0);
  expect(storeOf(behind).durable.index).toBe(0);
  await cluster.start(n4);
  await members({ kind: 'add', node: n4 });
  await untilVoter(n4);
  await members({ kind: 'remove', node: ahead });
  expect(storeOf(n4).durable.index).toBeGreaterThan(0);
  expect(storeOf(behind).durable.index).toBeGreaterThan(0);
});

test('a member that comes when the log was cut gets its base from the leader and its data from a storage', async () => {
  for (let i = 0; i < 40; i += 1) {
    expect(await client.write(put(`k${i}`, 'v'.repeat(1_024)), WAIT_MS)).toMatchObject({
      kind: 'decided',
    });
  }
  for (const store of stores.values()) await store.flush();
  const firstIndex = (): number => {
    const leader = cluster.leader ?? n1;
    return cluster.member(leader).sequencer.status().logFirstIndex;
  };
  await eventually('the log is cut', async () => {
    expect(await client.write(put('more', 'v'), WAIT_MS)).toMatchObject({ kind: 'decided' });
    return firstIndex() > 10;
  });
  await cluster.start(n4);
  await members({ kind: 'add', node: n4 });
  await untilVoter(n4);
  expect(cluster.member(n4).sequencer.status().logFirstIndex).toBeGreaterThan(10);
  const keys = cluster.member(n1).replica.status();
  await eventually('it has all of it', () => {
    const { appliedIndex, chain, keys: count } = cluster.member(n4).replica.status();
    const other = cluster.member(n1).replica.status();
    return appliedIndex === other.appliedIndex && chain === other.chain && count === keys.keys;
  });
});

test('the leader can be removed: somebody else leads, and says so', async () => {
  const { leader } = await members({ kind: 'list' });
  await cluster.start(n4);
  await members({ kind: 'add', node: n4 });
  await untilVoter(n4);
  const after = await members({ kind: 'remove', node: leader as NodeId });
  expect(after.leader).not.toBe(leader);
  expect(after.members.map(({ node }) => node)).not.toContain(leader);
  expect(await client.write(put('a', 'b'), WAIT_MS)).toMatchObject({ kind: 'decided' });
});

test('leadership moves to whom it is given, and asking twice is harmless', async () => {
  for (let i = 0; i < 5; i += 1) {
    const to = follower((await members({ kind: 'list' })).leader);
    expect((await members({ kind: 'transfer', node: to })).leader).toBe(to);
    expect((await members({ kind: 'transfer', node: to })).leader).toBe(to);
  }
});

test('what cannot be is refused with the reason, and changes nothing', async () => {
  const before = await members({ kind: 'list' });
  const refused = async (request: MemberRequest, code: string, detail: RegExp): Promise<void> => {
    const answer = await ask(request);
    expect(answer).toMatchObject({ kind: 'failure', code });
    expect((answer as Failure).detail).toMatch(detail);
  };
  await refused({ kind: 'add', node: n4 }, 'UNAVAILABLE', /No consensus process answers as node-4/);
  await refused({ kind: 'remove', node: n4 }, 'INVALID_ARGUMENT', /no member/);
  await refused({ kind: 'promote', node: n4 }, 'INVALID_ARGUMENT', /no member/);
  await refused({ kind: 'transfer', node: n4 }, 'INVALID_ARGUMENT', /no member/);
  await refused({ kind: 'priority', node: n4, priority: 1 }, 'INVALID_ARGUMENT', /no member/);
  await refused({ kind: 'add', node: 'X Y' as NodeId }, 'INVALID_ARGUMENT', /name of a node/);
  expect(rolesOf(await members({ kind: 'list' }))).toEqual(rolesOf(before));
});

test('a change that would leave a majority to a dead voter is refused', async () => {
  const { leader } = await members({ kind: 'list' });
  const [dead, alive] = cluster.nodes.filter((node) => node !== leader) as [NodeId, NodeId];
  await cluster.stop(dead);
  await eventually('it is known to be dead', async () =>
    (await members({ kind: 'list' })).members.some(
      ({ node, healthy }) => node === dead && !healthy,
    ),
  );
  expect(await ask({ kind: 'remove', node: alive })).toMatchObject({
    code: 'CONDITION_FAILED',
    detail: expect.stringContaining('1 of 2 voters') as string,
  });
  expect(await ask({ kind: 'transfer', node: dead })).toMatchObject({ code: 'CONDITION_FAILED' });
  expect(rolesOf(await members({ kind: 'remove', node: dead }))).toHaveLength(2);
});

test('a learner that is not there is not promoted, and says what is missing', async () => {
  cluster.answerHello(n4);
  await members({ kind: 'add', node: n4 });
  expect(await ask({ kind: 'promote', node: n4 })).toMatchObject({
    code: 'CONDITION_FAILED',
    detail: expect.stringContaining('has not caught up') as string,
  });
  await members({ kind: 'remove', node: n4 });
});

test('without a majority nothing is changed, and it is not called done', async () => {
  const { leader } = await members({ kind: 'list' });
  const others = cluster.nodes.filter((node) => node !== leader);
  for (const node of others) await cluster.stop(node);
  const answer = await ask({ kind: 'priority', node: leader as NodeId, priority: 3 }, 1_500);
  expect(answer).toMatchObject({
    kind: 'failure',
    code: expect.stringMatching(/NO_LEADER|COMMIT_UNKNOWN/) as string,
  });
});
