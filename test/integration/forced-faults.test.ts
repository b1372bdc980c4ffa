/**
 * Faults forced at an exact place over a real nats-server: what was committed is applied by everybody
 * once, whoever dies or is cut off between two steps.
 */
import { decodePullReply, encodePull, FrameCodec, FrameKind } from '@kvstore/contract';
import { StreamArchive, Archiver } from '@kvstore/event-log';
import type { ClusterClient } from '@kvstore/cluster-client';
import type { LogStore } from '@kvstore/sequencer';
import { logIndex, type LogIndex, type NodeId, SeededRandom, term } from '@kvstore/std';
import {
  eventually,
  type MemoryLogStore,
  NatsServer,
  realClock,
  realTimers,
  TcpProxy,
} from '@kvstore/testing';
import { NatsCluster, type NatsClusterOptions } from '../support/nats-cluster.ts';
import { RawGateway } from '../support/raw-gateway.ts';
import { get, put } from '../support/requests.ts';

/** Several election timeouts. */
const ALONE_MS = 2_500;

let cluster: NatsCluster;

async function start(options: NatsClusterOptions = {}): Promise<NatsCluster> {
  cluster = await NatsCluster.create(options);
  return cluster;
}

let archiver: Archiver | undefined;
afterEach(async () => {
  await archiver?.stop();
  archiver = undefined;
  await cluster.end();
  expect(cluster.failures).toEqual([]);
});
afterAll(async () => {
  await TcpProxy.closeAll();
  await NatsServer.endAll();
});

async function rawGateway(leader: NodeId): Promise<RawGateway> {
  const { data } = await cluster.lanes('gateway', 'raw');
  const gateway = new RawGateway({ bus: data, identity: cluster.identity, nodes: cluster.nodes });
  gateway.leader = leader;
  return gateway;
}

function others(node: NodeId): readonly [NodeId, NodeId] {
  return cluster.nodes.filter((other) => other !== node) as [NodeId, NodeId];
}

describe('the last live message is lost and nothing is written any more', () => {
  test('a linearizable read still sees the write, and every storage gets it from the marks', async () => {
    await start();
    await cluster.startAll();
    const leader = await cluster.untilLed();
    const client = await cluster.client('gateway-1');
    const gateway = await rawGateway(leader);
    const session = await gateway.register();
    await cluster.untilEqual();
    const before = cluster.storages.map(({ replica }) => replica.pulls);
    let dropped = 0;
    cluster.consensus(leader).lanes.data.leaves = (subject) => {
      if (subject !== cluster.subjects.live) return true;
      dropped += 1;
      return false;
    };

    await gateway.propose(session, 1, [put('a', 'one')]);
    expect(dropped).toBe(1);
    expect(await client.get(get('a'), 2_000)).toMatchObject({
      kind: 'found',
      entry: { version: 1 },
    });
    await cluster.untilEqual();
    const after = cluster.storages.map(({ replica }) => replica.pulls);
    for (const [i, pulls] of after.entries()) expect(pulls).toBeGreaterThan(before[i] as number);
    expect(dropped).toBe(1);
  });
});

describe('the leader is killed between commit and publish', () => {
  test('every storage applies what it had committed, and retries of the client apply nothing twice', async () => {
    await start();
    await cluster.startAll();
    const leader = await cluster.untilLed();
    const client = await cluster.client('gateway-1');
    const second = await cluster.client('gateway-2', cluster.nodes[1]);
    expect(await client.write(put('a', 'one'), 2_000)).toMatchObject({ kind: 'decided' });
    await cluster.untilEqual();

    const { lanes, sequencer } = cluster.consensus(leader);
    let committed: number | undefined;
    lanes.data.leaves = (subject) => {
      if (subject !== cluster.subjects.live || committed !== undefined) return true;
      committed = sequencer.status().commitIndex;
      lanes.data.die();
      lanes.control.die();
      return false;
    };
    const request = put('a', 'two', { idempotencyKey: 'the second' });
    const write = client.write(request, 15_000);
    await eventually('it died at the publish', () => committed !== undefined);
    cluster.killConsensus(leader);

    expect(await write).toMatchObject({ kind: 'decided', outcome: { kind: 'put', version: 2 } });
    expect(await second.write(request, 5_000)).toMatchObject({
      kind: 'decided',
      outcome: { kind: 'put', version: 2, revision: 2 },
    });
    await cluster.startConsensus(leader);
    await cluster.untilEqual();
    for (const { replica } of cluster.storages) expect(replica.status().revision).toBe(2);
    expect(await second.get(get('a'), 2_000)).toMatchObject({ entry: { version: 2 } });
    for (const node of cluster.nodes) {
      expect(cluster.consensus(node).sequencer.status().lastIndex).toBeGreaterThan(committed ?? 0);
    }
  });
});

describe('the storages of a majority are not there yet when a cluster is founded', () => {
  test('log time is right all the same, and their coming ends no session', async () => {
    await start();
    await Promise.all(cluster.nodes.map((node) => cluster.startConsensus(node)));
    const leader = await cluster.untilLed();
    await cluster.startStorage(leader);
    const client = await cluster.client('gateway-1', leader);
    const write = async (key: string): Promise<void> => {
      const request = put(key, 'v', { ttlMs: 60_000 });
      expect(await client.write(request, 5_000)).toMatchObject({ kind: 'decided' });
    };
    await write('a');
    await Promise.all(others(leader).map((node) => cluster.startStorage(node)));
    await cluster.untilEqual();
    await write('b');
    expect(await client.get(get('a'), 2_000)).toMatchObject({ kind: 'found' });
    await cluster.untilEqual();
  });
});

describe('a consensus that was started again', () => {
  test('serves nothing uncommitted, alone, while others lead, and once it follows', async () => {
    await start();
    await cluster.startAll();
    const old = await cluster.untilLed();
    const gateway = await rawGateway(old);
    const session = await gateway.register();
    await gateway.propose(session, 1, [put('a', 'kept')]);
    for (const node of cluster.nodes) cluster.killStorage(node);
    const { lastIndex: kept } = cluster.consensus(old).sequencer.status();

    cluster.consensus(old).lanes.data.leaves = (subject) => !subject.endsWith('.raft');
    const answers: unknown[] = [];
    gateway.propose(session, 2, [put('a', 'uncommitted')]).then(
      (index) => answers.push(index),
      () => undefined,
    );
    const durable = (): number => cluster.consensus(old).sequencer.status().durableIndex;
    await eventually('durable at the leader alone', () => durable() > kept);
    for (const node of cluster.nodes) cluster.killConsensus(node);

    const puller = await storagePuller();
    await cluster.startConsensus(old);
    const alone = await puller.pull(old, logIndex(1));
    expect(cluster.consensus(old).sequencer.status().lastIndex).toBeGreaterThan(kept);
    expect(alone).toMatchObject({ commitIndex: 0, firstIndex: 1, entries: [] });

    // Its longer log must not win: the others elect one of them before they hear it.
    const { lanes } = cluster.consensus(old);
    lanes.control.arrives = () => false;
    lanes.data.arrives = (subject) => subject.endsWith('.pull');
    const [one, two] = others(old);
    await Promise.all([cluster.startConsensus(one), cluster.startConsensus(two)]);
    await cluster.untilLed();
    expect(await puller.pull(old, logIndex(1))).toMatchObject({ commitIndex: 0, entries: [] });
    lanes.control.arrives = () => true;
    lanes.data.arrives = () => true;
    let replaced = false;
    await eventually('its own entry replaced by the new leader’s', async () => {
      const { commitIndex, entries } = await puller.pull(old, logIndex(1));
      for (const entry of entries) {
        expect(entry.index).toBeLessThanOrEqual(commitIndex);
        expect(Buffer.from(entry.body).includes('uncommitted')).toBe(false);
      }
      replaced = commitIndex > kept;
      return replaced;
    });
    expect(answers).toEqual([]);
    await Promise.all(cluster.nodes.map((node) => cluster.startStorage(node)));
    await cluster.untilEqual();
  });
});

/** Pulls as a storage does. */
async function storagePuller() {
  const { data } = await cluster.lanes('storage', 'puller');
  const sender = { role: 'storage', name: 'puller', incarnation: 1 } as const;
  const frames = new FrameCodec({ ...cluster.identity, sender });
  return {
    pull: async (node: NodeId, from: LogIndex) => {
      const body = encodePull({ from, maxBytes: 100_000 });
      const answer = await data.request(
        cluster.subjects.consensus(node, 'pull'),
        frames.seal(FrameKind.pull, term(0), body),
        2_000,
      );
      return frames.receive(answer, FrameKind.pullReply, decodePullReply)!.body;
    },
  };
}

describe('a data connection is dead while the one for votes and heartbeats lives', () => {
  /** Written one after the other; returns the longest that one took. */
  const longestWriteMs = async (client: ClusterClient, count: number): Promise<number> => {
    let longest = 0;
    for (let i = 0; i < count; i++) {
      const startMs = performance.now();
      const result = await client.write(put(`k${i}`, 'v'), 20_000);
      expect(result).toMatchObject({ kind: 'decided' });
      longest = Math.max(longest, performance.now() - startMs);
    }
    return longest;
  };

  const proxied = async (role: 'consensus' | 'storage') => {
    const proxies = new Map<string, TcpProxy>();
    await start({
      urlOf: (of, name, lane) =>
        of === role && lane === 'data' ? proxies.get(name)?.url : undefined,
    });
    for (const name of cluster.nodes) {
      proxies.set(name, await TcpProxy.start(cluster.server.port));
    }
    await cluster.startAll();
    return { proxyOf: (node: NodeId) => proxies.get(node) as TcpProxy };
  };

  test.each(['both', 'to-server', 'to-client'] as const)(
    'of the leader (%s), with nothing under way: another one leads within four seconds',
    async (direction) => {
      const { proxyOf } = await proxied('consensus');
      const leader = await cluster.untilLed();
      const client = await cluster.client('gateway-1');
      await longestWriteMs(client, 3);
      await cluster.untilEqual();
      proxyOf(leader).blackHole(direction);
      expect(await longestWriteMs(client, 20)).toBeLessThan(4_000);
      expect(await cluster.untilLed()).not.toBe(leader);
      await cluster.client('gateway-2');
      proxyOf(leader).heal();
      await cluster.untilEqual();
    },
  );

  test('of a storage that is the home: another one answers, and new gateways find it', async () => {
    const { proxyOf } = await proxied('storage');
    const home = cluster.nodes[1] as NodeId;
    await cluster.untilLed();
    const client = await cluster.client('gateway-1', home);
    await longestWriteMs(client, 3);
    await cluster.untilEqual();
    proxyOf(home).blackHole();
    expect(await longestWriteMs(client, 20)).toBeLessThan(1_000);
    await cluster.client('gateway-2', home);
    proxyOf(home).heal();
    await cluster.untilEqual();
  });
});

describe('a follower is cut off from NATS and comes back', () => {
  test.each(['both', 'to-server', 'to-client'] as const)(
    '(%s): nobody is elected, and writes are not held up',
    async (direction) => {
      const proxies = new Map<string, TcpProxy>();
      await start({
        urlOf: (of, name) => (of === 'consensus' ? proxies.get(name)?.url : undefined),
      });
      for (const name of cluster.nodes) {
        proxies.set(name, await TcpProxy.start(cluster.server.port));
      }
      await cluster.startAll();
      const leader = await cluster.untilLed();
      const [follower] = others(leader);
      const client = await cluster.client('gateway-1');
      const { term: before } = cluster.consensus(leader).sequencer.status();
      const { sequencer } = cluster.consensus(follower);

      proxies.get(follower)?.blackHole(direction);
      const until = performance.now() + ALONE_MS;
      for (let i = 0; performance.now() < until; i += 1) {
        expect(await client.write(put(`k${i}`, 'v'), 2_000)).toMatchObject({ kind: 'decided' });
      }
      const missed = cluster.consensus(leader).sequencer.status().commitIndex;
      expect(sequencer.status().commitIndex).toBeLessThan(missed);
      proxies.get(follower)?.heal();

      await eventually('it follows again', () => sequencer.status().commitIndex >= missed);
      expect(await client.write(put('last', 'v'), 2_000)).toMatchObject({ kind: 'decided' });
      expect(await cluster.untilLed()).toBe(leader);
      for (const node of cluster.nodes) {
        expect(cluster.consensus(node).sequencer.status().term).toBe(before);
      }
      await cluster.untilEqual();
    },
  );
});

describe('a storage that missed everything', () => {
  test('catches up from consensus, and from the archive once consensus has cut its log', async () => {
    let cutBelow = logIndex(1);
    await start({
      jetstream: true,
      // What is in memory is served from there, whatever the log holds.
      config: { tailBytesMax: 0 },
      logOf: (log) => cuttable(log, () => cutBelow),
      archiveOf: (node, { dataBus }) => {
        const sender = { role: 'storage', name: node, incarnation: 1 } as const;
        const frames = new FrameCodec({ ...cluster.identity, sender });
        return new StreamArchive({ ...cluster.identity, connection: dataBus.connection, frames });
      },
    });
    const [first, second, third] = cluster.nodes as [NodeId, NodeId, NodeId];
    await Promise.all(cluster.nodes.map((node) => cluster.startConsensus(node)));
    await Promise.all([first, second].map((node) => cluster.startStorage(node)));
    const leader = await cluster.untilLed();
    const client = await cluster.client('gateway-1');
    const write = async (key: string): Promise<void> => {
      const result = await client.write(put(key, 'v'.repeat(30_000)), 5_000);
      expect(result).toMatchObject({ kind: 'decided' });
    };
    for (let i = 0; i < 30; i++) await write(`k${i}`);

    await cluster.startStorage(third);
    await cluster.untilEqual();
    const fromConsensus = cluster.storage(third).replica;
    expect(fromConsensus.pulls).toBeGreaterThan(1);
    expect(fromConsensus.archiveReads).toBe(0);

    const running = archiverOf(leader);
    archiver = running;
    running.start();
    await eventually('all archived', () => running.status().lagEntries === 0);
    cluster.loseStorage(third);
    cutBelow = logIndex(cluster.consensus(leader).sequencer.status().commitIndex);
    await cluster.startStorage(third);
    await write('last');
    await cluster.untilEqual();
    const fromArchive = cluster.storage(third).replica;
    expect(fromArchive.archiveReads).toBeGreaterThan(0);
    expect(fromArchive.status().keys).toBe(31);
  });

  function archiverOf(leader: NodeId): Archiver {
    const { sequencer, lanes } = cluster.consensus(leader);
    const sender = { role: 'consensus', name: leader, incarnation: 1 } as const;
    return new Archiver({
      ...cluster.identity,
      source: sequencer.archive,
      connection: lanes.dataBus.connection,
      frames: new FrameCodec({ ...cluster.identity, sender }),
      clock: realClock,
      timers: realTimers,
      random: new SeededRandom(1),
      onFatal: (error) => cluster.failures.push(error),
    });
  }
});

/** Holds nothing below an index, as a log that was cut there. */
function cuttable(log: MemoryLogStore, cutBelow: () => LogIndex): LogStore {
  return {
    get recovered() {
      return log.recovered;
    },
    get roomBytes() {
      return log.roomBytes;
    },
    get sizeBytes() {
      return log.sizeBytes;
    },
    get spaceError() {
      return log.spaceError;
    },
    append: (entries, acknowledged) => log.append(entries, acknowledged),
    read: async (from, maxBytes) => (from < cutBelow() ? [] : log.read(from, maxBytes)),
    position: (index) => log.position(index),
    cutPlace: (limit, keptBytes) => log.cutPlace(limit, keptBytes),
    cut: (base) => log.cut(base),
    install: (base) => log.install(base),
    close: () => log.close(),
  };
}
