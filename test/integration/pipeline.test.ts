/** The whole path in one process: client, sequencer, replica over a bus that may lose and double. */
import { type ClusterClient, type WriteRequest } from '@kvstore/cluster-client';
import { type NodeId, revision, SeededRandom } from '@kvstore/std';
import type { Outcome } from '@kvstore/state-machine';
import {
  eventually,
  LocalCluster,
  MemoryHardState,
  MemoryLogStore,
  MemoryReplicaStore,
  type MemberStores,
} from '@kvstore/testing';
import { RawGateway } from '../support/raw-gateway.ts';
import { get, put } from '../support/requests.ts';

/** Stores that keep what they hold when their member is started again. */
function lastingStores(): (node: NodeId) => MemberStores {
  const kept = new Map<
    NodeId,
    { log: MemoryLogStore; hardStates: MemoryHardState; store: MemoryReplicaStore }
  >();
  return (node) => {
    const before = kept.get(node);
    const now = {
      log: before?.log.crash() ?? new MemoryLogStore(),
      hardStates: before?.hardStates.crash() ?? new MemoryHardState(),
      store: before?.store.reopen() ?? new MemoryReplicaStore(),
    };
    kept.set(node, now);
    return now;
  };
}

/** Lasting stores whose present replica store a test can reach. */
function storesToLookInto() {
  const open = lastingStores();
  const latest = new Map<NodeId, MemoryReplicaStore>();
  return {
    open: (node: NodeId): MemberStores => {
      const stores = open(node);
      latest.set(node, stores.store as MemoryReplicaStore);
      return stores;
    },
    of: (node: NodeId): MemoryReplicaStore => latest.get(node)!,
  };
}

async function decided(
  client: ClusterClient,
  request: WriteRequest,
  timeoutMs = 5_000,
): Promise<Outcome> {
  const result = await client.write(request, timeoutMs);
  if (result.kind === 'failure') throw new Error(`${result.code}: ${result.detail}`);
  return result.outcome;
}

describe('one member', () => {
  let cluster: LocalCluster;
  let client: ClusterClient;

  let stores: ReturnType<typeof storesToLookInto>;

  beforeEach(async () => {
    stores = storesToLookInto();
    cluster = new LocalCluster({ members: 1, openStores: stores.open });
    await cluster.startAll();
    client = cluster.client();
    await eventually('ready', () => client.notReady === undefined);
  });
  afterEach(async () => {
    await cluster.stopAll();
    expect(cluster.failures).toEqual([]);
  });

  test('a write is read back, overwritten, and deleted, with versions and revisions', async () => {
    expect(await decided(client, put('a', 'one'))).toMatchObject({
      kind: 'put',
      version: 1,
      revision: 1,
    });
    expect(await decided(client, put('a', 'two'))).toMatchObject({
      version: 2,
      revision: 2,
      createRevision: 1,
    });
    const found = await client.get(get('a'), 1_000);
    expect(found).toMatchObject({
      kind: 'found',
      revision: 2,
      entry: { version: 2, contentType: 'text/plain' },
    });
    const past = await client.get(get('a', { atRevision: revision(1) }), 1_000);
    expect(past.kind === 'found' && Buffer.from(past.entry.value).toString()).toBe('one');
    const {
      kind: _put,
      value: _value,
      contentType: _type,
      tags: _tags,
      ttlMs: _ttl,
      ...key
    } = put('a', '');
    expect(await decided(client, { kind: 'delete', ...key })).toMatchObject({
      kind: 'deleted',
      existed: true,
    });
    expect(await client.get(get('a'), 1_000)).toEqual({ kind: 'not-found', revision: 3 });
  });

  test('a thousand concurrent writes share few batches and entries', async () => {
    const before = cluster.member(cluster.nodes[0]!).sequencer.status().commitIndex;
    await Promise.all(Array.from({ length: 1000 }, (_, i) => decided(client, put(`k${i}`, 'v'))));
    const after = cluster.member(cluster.nodes[0]!).sequencer.status().commitIndex;
    expect(after - before).toBeLessThan(20);
  });

  test('a read of a future revision is refused at once when linearizable, and waits when asked to', async () => {
    await decided(client, put('a', 'one'));
    expect(await client.get(get('a', { atRevision: revision(99) }), 1_000)).toMatchObject({
      kind: 'failure',
      code: 'INVALID_ARGUMENT',
    });
    const waiting = client.get(
      get('a', { consistency: { kind: 'session', minRevision: revision(2) } }),
      5_000,
    );
    await decided(client, put('a', 'two'));
    expect(await waiting).toMatchObject({ kind: 'found', entry: { modRevision: 2 } });
    const late = client.get(get('a', { minRevision: revision(99) }), 50);
    expect(await late).toMatchObject({ kind: 'failure', code: 'DEADLINE_EXCEEDED' });
  });

  test('without a leader a write is refused as certainly not applied, and works again afterwards', async () => {
    const node = cluster.nodes[0]!;
    await cluster.stop(node);
    await eventually('leader unheard', () => client.notReady !== undefined);
    expect(await client.write(put('a', 'lost'), 100)).toMatchObject({
      kind: 'failure',
      code: 'NO_LEADER',
    });
    await cluster.start(node);
    await eventually('ready', () => client.notReady === undefined);
    expect(await client.get(get('a'), 1_000)).toMatchObject({ kind: 'not-found' });
    expect(await decided(client, put('a', 'kept'))).toMatchObject({ version: 1 });
  });

  test('a log without room refuses writes as unavailable, keeps reads, and resumes', async () => {
    await decided(client, put('a', 'before'));
    const log = cluster.member(cluster.nodes[0]!).sequencer.log as MemoryLogStore;
    log.setCapacity(0);
    const refused = await client.write(put('a', 'refused'), 1_000);
    expect(refused).toMatchObject({ kind: 'failure', code: 'UNAVAILABLE' });
    expect(await client.get(get('a'), 1_000)).toMatchObject({
      kind: 'found',
      entry: { version: 1 },
    });
    log.setCapacity(Number.POSITIVE_INFINITY);
    expect(await decided(client, put('a', 'after'))).toMatchObject({ version: 2 });
  });

  test('writes of one turn that do not all fit a full log are refused one by one, none half written', async () => {
    const log = cluster.member(cluster.nodes[0]!).sequencer.log as MemoryLogStore;
    log.setCapacity(log.sizeBytes + 1_000_000);
    const big = 'x'.repeat(300_000);
    const results = await Promise.all(
      [1, 2, 3, 4].map((i) => client.write(put(`k${i}`, big), 2_000)),
    );
    const kinds = results.map((result) => (result.kind === 'failure' ? result.code : 'decided'));
    expect(kinds.filter((kind) => kind === 'decided')).toHaveLength(3);
    expect(['OVERLOADED', 'UNAVAILABLE']).toEqual(
      expect.arrayContaining(kinds.filter((kind) => kind !== 'decided')),
    );
    log.setCapacity(Number.POSITIVE_INFINITY);
  });

  test('a store that stalls under load delays writes and goes on where it stood', async () => {
    const store = stores.of(cluster.nodes[0]!);
    for (let round = 0; round < 5; round++) {
      store.setStalled(true);
      const writes = Array.from({ length: 20 }, (_, i) =>
        decided(client, put(`s${i}`, `${round}`)),
      );
      await new Promise((resolve) => setTimeout(resolve, 40));
      const more = Array.from({ length: 20 }, (_, i) => decided(client, put(`t${i}`, `${round}`)));
      await new Promise((resolve) => setTimeout(resolve, 20));
      store.setStalled(false);
      await Promise.all([...writes, ...more]);
    }
    expect(await client.get(get('s0'), 1_000)).toMatchObject({ entry: { version: 5 } });
  });

  test('time to live ends by log time, with a revision of its own', async () => {
    await decided(client, put('brief', 'x', { ttlMs: 150 }));
    expect((await client.get(get('brief'), 1_000)).kind).toBe('found');
    await eventually(
      'expired',
      async () => (await client.get(get('brief'), 1_000)).kind === 'not-found',
    );
    expect(await client.get(get('brief'), 1_000)).toMatchObject({ kind: 'not-found', revision: 2 });
  });

  test('an idempotency key applies once and conflicts on another request', async () => {
    const once = put('a', 'one', { idempotencyKey: 'k1' });
    const first = await decided(client, once);
    expect(await decided(client, once)).toEqual(first);
    expect(await decided(client, put('a', 'two', { idempotencyKey: 'k1' }))).toMatchObject({
      kind: 'rejected',
    });
    expect(await client.get(get('a'), 1_000)).toMatchObject({ entry: { version: 1 } });
  });
});

describe('a lossy bus', () => {
  test('loses no acknowledged write and applies none twice', async () => {
    const random = new SeededRandom(11);
    const lossy = (subject: string, deliver: () => void): void => {
      if (random.below(100) < 15) return;
      deliver();
      if (random.below(100) < 10) setTimeout(deliver, random.below(30));
      void subject;
    };
    const cluster = new LocalCluster({ members: 1, openStores: lastingStores(), delivery: lossy });
    await cluster.startAll();
    const client = cluster.client();
    await eventually('ready', () => client.notReady === undefined);
    const writes = Array.from({ length: 300 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, random.below(500)));
      return client.write(put(`k${i % 10}`, `v${i}`), 20_000);
    });
    const results = await Promise.all(writes);
    const versions = new Map<number, number>();
    for (const [i, result] of results.entries()) {
      expect(result.kind).toBe('decided');
      if (result.kind === 'decided' && result.outcome.kind === 'put') {
        versions.set(i % 10, Math.max(versions.get(i % 10) ?? 0, result.outcome.version));
      }
    }
    expect([...versions.values()]).toEqual(Array.from({ length: 10 }, () => 30));
    expect(cluster.member(cluster.nodes[0]!).replica.pulls).toBeGreaterThan(0);
    await cluster.stopAll();
    expect(cluster.failures).toEqual([]);
  }, 60_000);
});

test('a gateway becomes ready also when every outcome takes longer than its retries', async () => {
  const slow = (subject: string, deliver: () => void): void => {
    if (subject.endsWith('.outcomes')) setTimeout(deliver, 400);
    else deliver();
  };
  const cluster = new LocalCluster({ members: 1, openStores: lastingStores(), delivery: slow });
  await cluster.startAll();
  const client = cluster.client();
  await eventually('ready', () => client.notReady === undefined, 3_000);
  await cluster.stopAll();
  expect(cluster.failures).toEqual([]);
});

test('the same batch of the same session applies nothing twice, also after a restart', async () => {
  const cluster = new LocalCluster({ members: 1, openStores: lastingStores() });
  await cluster.startAll();
  const node = cluster.nodes[0]!;
  const gateway = new RawGateway(cluster);
  await eventually('leader', () => cluster.leader !== undefined);
  const session = await gateway.register();

  const first = await gateway.decide(session, 1, put('a', 'one'));
  expect(first).toMatchObject({ kind: 'put', version: 1 });
  expect(await gateway.decide(session, 1, put('a', 'one'))).toEqual(first);

  await cluster.stop(node);
  await cluster.start(node);
  await eventually('leader', () => cluster.leader !== undefined);
  expect(await gateway.decide(session, 1, put('a', 'one'))).toEqual(first);
  const second = await gateway.decide(session, 2, put('a', 'two'));
  expect(second).toMatchObject({ kind: 'put', version: 2 });
  await cluster.stopAll();
  expect(cluster.failures).toEqual([]);
});

describe('three members', () => {
  test('commit by a majority, survive the loss of the leader, and agree', async () => {
    const cluster = new LocalCluster({ members: 3, openStores: lastingStores() });
    await cluster.startAll();
    const client = cluster.client();
    await eventually('ready', () => client.notReady === undefined);
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => decided(client, put(`k${i}`, 'before'))),
    );
    const leader = cluster.leader!;
    await cluster.stop(leader);
    const after = await Promise.all(
      Array.from({ length: 50 }, (_, i) => client.write(put(`k${i}`, 'after'), 20_000)),
    );
    for (const result of after) {
      expect(result).toMatchObject({ kind: 'decided', outcome: { kind: 'put', version: 2 } });
    }
    await cluster.start(leader);
    await eventually('all have applied the same', () => {
      const applied = cluster.nodes.map((node) => cluster.member(node).replica.status());
      return applied.every(
        (each) => each.appliedIndex === applied[0]!.appliedIndex && each.revision === 100,
      );
    });
    await cluster.stopAll();
    expect(cluster.failures).toEqual([]);
  }, 60_000);

  test('one that starts late gets the log from the first entry of a leader that has restarted', async () => {
    const cluster = new LocalCluster({ members: 3, openStores: lastingStores() });
    const [first, second, late] = cluster.nodes as [NodeId, NodeId, NodeId];
    await cluster.start(first);
    await cluster.start(second);
    const client = cluster.client();
    await eventually('ready', () => client.notReady === undefined);
    for (let i = 0; i < 10; i++) await decided(client, put(`k${i}`, 'v'));
    for (const node of [first, second]) await cluster.stop(node);
    for (const node of [first, second]) await cluster.start(node);
    await eventually('leader', () => cluster.leader !== undefined);
    await cluster.start(late);
    const lastIndex = (node: NodeId): number => cluster.member(node).sequencer.status().lastIndex;
    await eventually(
      'caught up',
      () => lastIndex(late) > 10 && lastIndex(late) === lastIndex(first),
    );
    await cluster.stopAll();
    expect(cluster.failures).toEqual([]);
  });
});
