/**
 * Storages that cannot be mended by the log: overtaken by its cutting, with another history, with damaged
 * files. They are rebuilt from the others, over the memory bus, on stores in memory and on real files.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Delivery } from '@kvstore/bus';
import type { ClusterClient } from '@kvstore/cluster-client';
import { NodeDisk } from '@kvstore/disk';
import type { ReplicaStore } from '@kvstore/replica';
import { openLsmStore } from '@kvstore/sqlite';
import { filterPrefixLength } from '@kvstore/state-machine';
import { chain, type NodeId, nodeId } from '@kvstore/std';
import {
  eventually,
  LocalCluster,
  MemoryHardState,
  MemoryLogStore,
  MemoryOrderedStore,
  MemoryReplicaStore,
  realClock,
  realTimers,
} from '@kvstore/testing';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { get, put } from '../support/requests.ts';

const [n1, n2, n3] = ['node-1', 'node-2', 'node-3'].map(nodeId) as [NodeId, NodeId, NodeId];
const VALUE_BYTES = 20_000;
/** Cut as soon as may be, whoever lags. */
const CUT_AT_ONCE = { cutPeriodMs: 20, logReserveBytes: 0, logLagBytesMax: 0, tailBytesMax: 0 };

let cluster: LocalCluster;
let client: ClusterClient;
let logs: Map<NodeId, MemoryLogStore>;
let states: Map<NodeId, MemoryHardState>;
let delivery: Delivery;
let written: number;

beforeEach(() => {
  logs = new Map();
  states = new Map();
  delivery = (_, deliver) => deliver();
  written = 0;
});
afterEach(async () => {
  await cluster.stopAll();
  expect(cluster.failures).toEqual([]);
});

type OpenStore = (
  node: NodeId,
  failed: (error: unknown) => void,
) => ReplicaStore | Promise<ReplicaStore>;

async function start(openStore: OpenStore, config = {}): Promise<void> {
  cluster = new LocalCluster({
    members: 3,
    config: { ...CUT_AT_ONCE, ...config },
    delivery: (subject, deliver) => delivery(subject, deliver),
    openStores: async (node, failed) => {
      const log = logs.get(node)?.crash() ?? new MemoryLogStore();
      const hardStates = states.get(node)?.crash() ?? new MemoryHardState();
      logs.set(node, log);
      states.set(node, hardStates);
      return { log, hardStates, store: await openStore(node, failed) };
    },
  });
  await cluster.startAll();
  client = cluster.client(n1);
  await eventually('the cluster serves', () => client.notReady === undefined);
}

async function write(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const request = put(`k${written++}`, 'v'.repeat(VALUE_BYTES));
    expect(await client.write(request, 10_000)).toMatchObject({ kind: 'decided' });
  }
}

const status = (node: NodeId) => cluster.member(node).replica.status();

async function untilEqual(nodes = cluster.nodes): Promise<void> {
  await eventually(
    'all storages equal',
    () => {
      const { leader } = cluster;
      if (leader === undefined) return false;
      const { commitIndex } = cluster.member(leader).sequencer.status();
      const all = nodes.map(status);
      return all.every(
        (each) => each.healthy && each.appliedIndex === commitIndex && each.chain === all[0]?.chain,
      );
    },
    20_000,
  );
}

/** Flushes the storages, and waits until every consensus of them has cut what they hold. */
async function cutLogs(stores: ReadonlyMap<NodeId, ReplicaStore>, nodes: readonly NodeId[]) {
  await eventually('all applied', () =>
    nodes.every((node) => status(node).appliedIndex > written && status(node).keys === written),
  );
  for (const node of nodes) await stores.get(node)!.flush();
  await eventually('the logs are cut', async () => {
    await write(1);
    return nodes.every((node) => cluster.member(node).sequencer.status().logFirstIndex > 2);
  });
}

function outcomes(node: NodeId): Record<string, number> {
  const { outcomes: all } = cluster.member(node).replica.received;
  return Object.fromEntries([...all].filter(([, times]) => times > 0));
}

async function expectAllReadable(node: NodeId): Promise<void> {
  expect(status(node).keys).toBe(written);
  const reader = cluster.client(node);
  await eventually('the reader is ready', () => reader.notReady === undefined);
  for (const i of [0, written - 1]) {
    expect(await reader.get(get(`k${i}`), 5_000)).toMatchObject({ kind: 'found' });
  }
}

describe('on stores in memory', () => {
  let stores: Map<NodeId, MemoryReplicaStore>;

  beforeEach(() => {
    stores = new Map();
  });

  const open: OpenStore = (node) => {
    const store = stores.get(node)?.reopen() ?? new MemoryReplicaStore();
    stores.set(node, store);
    return store;
  };

  /** The third member is away while the others write, flush and cut. */
  async function overtake(): Promise<void> {
    await start(open);
    await write(3);
    await untilEqual();
    await cluster.stop(n3);
    await write(20);
    await cutLogs(stores, [n1, n2]);
  }

  test('a storage that the log has overtaken takes a snapshot, and the rest from the log', async () => {
    await overtake();
    await cluster.start(n3);
    await write(5);
    await untilEqual();
    expect(outcomes(n3)).toMatchObject({ installed: 1 });
    expect(cluster.member(n3).replica.counters.fences).toBe(0);
    await expectAllReadable(n3);
    await write(5);
    await untilEqual();
  });

  test('an empty storage beside logs that were cut does so, too, and batches stay exactly once', async () => {
    await overtake();
    stores.delete(n3);
    await cluster.start(n3);
    const request = put('once', 'v', { idempotencyKey: 'the same' });
    const first = await client.write(request, 5_000);
    await untilEqual();
    written += 1;
    expect(outcomes(n3)).toMatchObject({ installed: 1 });
    expect(await cluster.client(n3).write(request, 5_000)).toEqual(first);
    await untilEqual();
    expect(status(n3).revision).toBe(status(n1).revision);
    expect(status(n3).revision).toBe(written);
  });

  test('an empty storage takes the log as long as it is whole', async () => {
    await start(open, { cutPeriodMs: 3_600_000 });
    await write(5);
    await cluster.stop(n3);
    stores.delete(n3);
    await write(5);
    await cluster.start(n3);
    await untilEqual();
    expect(outcomes(n3)).toEqual({});
  });

  test('while it receives, the log is held for it; a source that goes silent is replaced by another', async () => {
    await overtake();
    await stores.get(n1)!.flush();
    await eventually('one is ahead', () => status(n1).durableIndex > status(n2).durableIndex);
    let pieces = 0;
    delivery = (subject, deliver) => {
      if (subject.endsWith('storage.node-1.snapshot') && ++pieces > 2) return;
      deliver();
    };
    await cluster.start(n3);
    await eventually('it is being sent', () => pieces > 2);
    await write(3);
    for (const node of [n1, n2]) await stores.get(node)!.flush();
    await write(3);
    await untilEqual();
    expect(outcomes(n3)).toMatchObject({ lost: 1, installed: 1 });
    await expectAllReadable(n3);
  }, 30_000);

  test('without anybody who has what it needs it waits, and says so', async () => {
    await overtake();
    delivery = (subject, deliver) => {
      if (!subject.endsWith('beacon')) deliver();
    };
    await cluster.start(n3);
    await eventually('it waits', () => cluster.member(n3).replica.received.waits > 1);
    expect(outcomes(n3)).toEqual({});
    delivery = (_, deliver) => deliver();
    await untilEqual();
    expect(outcomes(n3)).toMatchObject({ installed: 1 });
  });

  test('a storage with another history is fenced, and rebuilt from one with the leader’s', async () => {
    await start(open);
    await write(5);
    await untilEqual();
    await stores.get(n1)!.flush();
    await cluster.stop(n3);
    const { index, term: at } = stores.get(n3)!.durable;
    stores.set(
      n3,
      new MemoryReplicaStore(new MemoryOrderedStore(), { index, term: at, chain: chain(1) }),
    );
    await cluster.start(n3);
    await write(1);
    await untilEqual();
    const { replica } = cluster.member(n3);
    expect(replica.counters.fences).toBe(1);
    expect(replica.fenced).toBeUndefined();
    expect(stores.get(n3)!.damage).toBeUndefined();
    await expectAllReadable(n3);
  });

  test('damage that is found while it serves fences the storage, and the home moves away', async () => {
    await start(open);
    await write(5);
    await untilEqual();
    const damage = new Error('a block has a wrong checksum');
    const store = stores.get(n1)!;
    store.damagedBy = damage;
    store.newest = () => {
      delete (store as Partial<MemoryReplicaStore>).newest;
      throw damage;
    };
    const { replica } = cluster.member(n1);
    // In the middle of applying it.
    await write(1);
    await eventually('it is fenced', () => replica.counters.fences > 0);
    await write(3);
    await untilEqual();
    expect(replica.fenced).toBeUndefined();
    expect(replica.counters.fences).toBe(1);
    expect(outcomes(n1)).toEqual({ installed: 1 });
    await expectAllReadable(n1);
  });

  test('a failure that is no damage stops the process', async () => {
    await start(open);
    await write(1);
    await untilEqual();
    const failure = new Error('the disk cannot sync');
    cluster.member(n1).replica.failed(failure);
    await eventually('it stopped', () => cluster.failures.length > 0);
    expect(cluster.failures.splice(0)).toEqual([failure]);
  });
});

describe('on real files', () => {
  const directories: ReturnType<typeof temporaryDirectory>[] = [];
  let stores: Map<NodeId, ReplicaStore>;

  beforeEach(() => {
    directories.push(temporaryDirectory());
    stores = new Map();
  });
  // Why not after each: the cluster is stopped later.
  afterAll(() => {
    for (const directory of directories) directory.remove();
  });

  const rootOf = (node: NodeId): string => join(directories.at(-1)!.path, node);
  const open: OpenStore = async (node, failed) => {
    const root = rootOf(node);
    mkdirSync(root, { recursive: true });
    const store = await openLsmStore({
      disk: new NodeDisk(root),
      root,
      directory: 'storage/g0',
      label: `test/g0/${node}`,
      timers: realTimers,
      clock: realClock,
      setsAside: true,
      filterPrefixLength,
      config: { memtableBytes: 128 * 1024 },
      onFatal: failed,
    });
    stores.set(node, store);
    return store;
  };
  const asides = (node: NodeId): string[] =>
    readdirSync(join(rootOf(node), 'storage')).filter((name) => name.includes('aside'));

  test('a storage that the log has overtaken takes a snapshot, under writes', async () => {
    await start(open);
    await write(3);
    await cluster.stop(n3);
    await write(40);
    await cutLogs(stores, [n1, n2]);
    let writing = true;
    const load = (async () => {
      while (writing) await write(1);
    })();
    await cluster.start(n3);
    await eventually('installed', () => outcomes(n3)['installed'] === 1, 20_000);
    writing = false;
    await load;
    await untilEqual();
    await expectAllReadable(n3);
    const { received } = cluster.member(n3).replica;
    expect(received.bytes).toBeGreaterThan(40 * VALUE_BYTES);
    await cluster.stop(n3);
    await cluster.start(n3);
    await untilEqual();
    expect(outcomes(n3)).toEqual({});
    await expectAllReadable(n3);
    expect(asides(n3)).toEqual([]);
  }, 60_000);

  test('a flipped byte in a segment sets the data aside, once, and the storage is rebuilt', async () => {
    await start(open);
    await write(20);
    await untilEqual();
    for (const store of stores.values()) await store.flush();
    for (let damaged = 1; damaged <= 2; damaged++) {
      await cluster.stop(n3);
      const segments = join(rootOf(n3), 'storage/g0/segments');
      const path = join(segments, readdirSync(segments).sort()[0] as string);
      const bytes = readFileSync(path);
      bytes[bytes.length >>> 1]! ^= 0x10;
      writeFileSync(path, bytes);
      await cluster.start(n3);
      const { replica } = cluster.member(n3);
      await eventually('it is fenced', () => replica.counters.fences >= 1);
      await write(2);
      await untilEqual();
      expect(replica.fenced).toBeUndefined();
      await eventually('what an earlier fence kept is gone', () => asides(n3).length === 1);
      await expectAllReadable(n3);
      for (const store of stores.values()) await store.flush();
    }
  }, 60_000);
});
