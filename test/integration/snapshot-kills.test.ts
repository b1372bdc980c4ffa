/** A snapshot over a real nats-server, with either end killed in the middle, beside logs that were cut. */
import { decodeSnapshotRequest, FrameCodec, FrameKind } from '@kvstore/contract';
import type { ClusterClient } from '@kvstore/cluster-client';
import type { NodeId } from '@kvstore/std';
import { eventually, NatsServer } from '@kvstore/testing';
import { NatsCluster } from '../support/nats-cluster.ts';
import { put } from '../support/requests.ts';

const VALUE_BYTES = 60_000;
const VALUES = 40;

let cluster: NatsCluster;
let client: ClusterClient;
let first: NodeId;
let second: NodeId;
let third: NodeId;

beforeEach(async () => {
  cluster = await NatsCluster.create({
    config: { cutPeriodMs: 20, logReserveBytes: 0, logLagBytesMax: 0, tailBytesMax: 0 },
  });
  [first, second, third] = cluster.nodes as [NodeId, NodeId, NodeId];
  await cluster.startAll();
  await cluster.untilLed();
  client = await cluster.client('gateway-1', first);
  cluster.loseStorage(third);
  for (let i = 0; i < VALUES; i++) await write(`k${i}`);
  for (const node of [first, second]) {
    await eventually('applied', () => cluster.storage(node).replica.status().keys === VALUES);
    await cluster.storage(node).store.flush();
  }
  await eventually('the logs are cut', async () => {
    await write('more');
    return cluster.nodes.every(
      (node) => cluster.consensus(node).sequencer.status().logFirstIndex > VALUES / 2,
    );
  });
});
afterEach(async () => {
  await cluster.end();
  expect(cluster.failures).toEqual([]);
});
afterAll(() => NatsServer.endAll());

async function write(key: string): Promise<void> {
  const result = await client.write(put(key, 'v'.repeat(VALUE_BYTES)), 10_000);
  expect(result).toMatchObject({ kind: 'decided' });
}

/** Calls `then` at the n-th piece of a file that the third storage asks for, with whom it asks. */
function atPiece(n: number, then: (source: NodeId) => void): void {
  const sender = { role: 'storage', name: 'node-1', incarnation: 1 } as const;
  const frames = new FrameCodec({ ...cluster.identity, sender });
  let pieces = 0;
  cluster.storage(third).lanes.data.leaves = (subject, payload) => {
    if (!subject.endsWith('.snapshot')) return true;
    const { body } = frames.receive(payload, FrameKind.snapshotRequest, decodeSnapshotRequest)!;
    if (body.kind !== 'read' || body.file === 0 || ++pieces !== n) return true;
    then(subject.split('.').at(-2) as NodeId);
    return true;
  };
}

async function expectWhole(): Promise<void> {
  await write('last');
  await cluster.untilEqual();
  for (const { replica } of cluster.storages) {
    const { keys, healthy } = replica.status();
    expect({ keys, healthy }).toEqual({ keys: VALUES + 2, healthy: true });
  }
  expect(cluster.storage(third).replica.received.outcomes.get('installed')).toBe(1);
}

test('the source is killed: the other one gives it, and writes go on', async () => {
  await cluster.startStorage(third);
  let killed: NodeId | undefined;
  atPiece(3, (source) => {
    killed = source;
    cluster.killStorage(source);
  });
  await eventually('the source is dead', () => killed !== undefined);
  await write('meanwhile');
  const { outcomes } = cluster.storage(third).replica.received;
  await eventually('installed', () => outcomes.get('installed') === 1, 20_000);
  expect(outcomes.get('lost')).toBe(1);
  await cluster.startStorage(killed as NodeId);
  await write('last');
  await cluster.untilEqual();
  for (const { replica } of cluster.storages) expect(replica.status().keys).toBe(VALUES + 3);
}, 40_000);

test('the receiver is killed: it goes on where it stood', async () => {
  await cluster.startStorage(third);
  let killed = false;
  atPiece(4, () => {
    killed = true;
    cluster.killStorage(third);
  });
  await eventually('the receiver is dead', () => killed);
  await cluster.startStorage(third);
  await expectWhole();
  const { received } = cluster.storage(third).replica;
  expect(received.bytes).toBeLessThan(VALUES * VALUE_BYTES - 2 * 256 * 1024);
}, 40_000);

test('the consensus of a majority is killed: it is installed when they are back', async () => {
  await cluster.startStorage(third);
  let killed = false;
  atPiece(2, () => {
    killed = true;
    for (const node of [first, second]) cluster.killConsensus(node);
  });
  await eventually('they are dead', () => killed);
  await Promise.all([first, second].map((node) => cluster.startConsensus(node)));
  await expectWhole();
}, 40_000);
