/**
 * Three sequencers over the memory bus, with beacons in the place of storages: where their logs are
 * cut, what holds them, and how one that was left behind takes the base of the leader's.
 */
import { logIndex, type NodeId } from '@kvstore/std';
import { eventually, type MemoryHardState, type MemoryLogStore } from '@kvstore/testing';
import { ENTRY_BYTES, Group, n1, n2, n3, nodes } from './sequencer-group.test-support.ts';
import type { SequencerConfig } from './sequencer-options.ts';

let group: Group;

async function started(config: Partial<SequencerConfig> = {}): Promise<void> {
  group = new Group(config);
  await group.startAll();
}

async function expectFirstIndex(first: number): Promise<void> {
  await eventually(`all logs begin at ${first}`, () =>
    group.firstIndexes().every((index) => index === first),
  );
}

afterEach(async () => {
  await group.stopAll();
});

test('every replica cuts its log where no storage needs it, and keeps the reserve', async () => {
  await started();
  await group.commitTo(40);
  for (const node of nodes) group.tell(node, 40);
  await group.commitTo(41);
  await expectFirstIndex(36 + 1);
  expect(await group.of(n2).log.read(logIndex(36), 0)).toEqual([]);
  // Nothing more is cut while nothing more is durable in the storages.
  await group.commitTo(60);
  await expectFirstIndex(41);
});

test('what the storage of a minority lacks stays, until too much is kept for it', async () => {
  await started({ logLagBytesMax: 30 * ENTRY_BYTES });
  await group.commitTo(20);
  group.tell(n1, 20);
  group.tell(n2, 20);
  group.tell(n3, 7);
  await expectFirstIndex(8);
  expect(group.notices).toEqual([]);
  await group.commitTo(50);
  await expectFirstIndex(21);
  const overtaken = group.notices.filter(({ kind }) => kind === 'overtaken');
  expect(overtaken).toContainEqual({
    kind: 'overtaken',
    reader: 'storage',
    node: n3,
    needs: 8,
    beginsAt: expect.any(Number),
  });
  expect(overtaken.length).toBeLessThanOrEqual(nodes.length);
});

test('nothing is cut that a majority of storages lacks, however large the log is', async () => {
  await started({ logLagBytesMax: 0, logReserveBytes: 0 });
  await group.commitTo(30);
  group.tell(n1, 30);
  group.tell(n2, 4);
  group.tell(n3, 2);
  await expectFirstIndex(5);
  // Each of these takes a turn of the cutters.
  await group.commitTo(60);
  expect(group.firstIndexes()).toEqual([5, 5, 5]);
});

test('the log is held for a storage that receives a snapshot', async () => {
  await started({ logReserveBytes: 0 });
  group.tell(n3, 0, { healthy: false, needs: logIndex(9) });
  await group.commitTo(30);
  group.tell(n1, 30);
  group.tell(n2, 30);
  await group.commitTo(31);
  await expectFirstIndex(9);
  expect(group.notices).toEqual([]);
  group.tell(n3, 0, { healthy: false });
  await group.commitTo(32);
  await expectFirstIndex(31);
});

test('not above what is kept for whoever lags: a snapshot that takes too long is overtaken', async () => {
  await started({ logLagBytesMax: 10 * ENTRY_BYTES, logReserveBytes: 0 });
  group.tell(n3, 0, { healthy: false, needs: logIndex(9) });
  await group.commitTo(30);
  group.tell(n1, 30);
  group.tell(n2, 30);
  await group.commitTo(31);
  await eventually('all logs are cut', () => group.firstIndexes().every((index) => index > 20));
  const overtaken = group.notices.filter(({ kind }) => kind === 'overtaken');
  const notice = { kind: 'overtaken', reader: 'snapshot', node: n3, needs: 9 };
  expect(overtaken).toContainEqual({ ...notice, beginsAt: expect.any(Number) });
});

test('what is not archived yet stays on every replica, and the archive can be overtaken', async () => {
  await started({ logLagBytesMax: 40 * ENTRY_BYTES, logReserveBytes: 0 });
  await group.commitTo(20);
  group.leader?.archive.archived(logIndex(6));
  await group.commitTo(22);
  for (const node of nodes) group.tell(node, 20);
  await group.commitTo(30);
  await expectFirstIndex(6);
  for (const node of nodes) group.tell(node, 60);
  await group.commitTo(60);
  await eventually('the archive is overtaken', () =>
    group.notices.some((notice) => notice.kind === 'overtaken' && notice.reader === 'archive'),
  );
  expect(group.leader?.archive.state?.firstIndex).toBeGreaterThan(6);
});

test('a pull below the log is told where it begins', async () => {
  await started();
  await group.commitTo(40);
  for (const node of nodes) group.tell(node, 40);
  await group.commitTo(41);
  await expectFirstIndex(37);
  expect(await group.pull(n2, 10)).toMatchObject({ firstIndex: 37, entries: [] });
  const { firstIndex, entries } = await group.pull(n2, 37);
  expect(firstIndex).toBe(37);
  expect(entries.map(({ index }) => index)).toEqual([37, 38, 39, 40, 41]);
});

test('a replica whose log was cut starts again from its base, with its stamps and its epoch', async () => {
  await started();
  await group.commitTo(40);
  for (const node of nodes) group.tell(node, 40);
  await group.commitTo(41);
  await expectFirstIndex(37);
  const epoch = group.leader?.archive.state?.epoch ?? 0;
  expect(epoch).toBeGreaterThan(30);
  const left = new Map<NodeId, [MemoryLogStore, MemoryHardState]>();
  for (const node of nodes) left.set(node, await group.crash(node));
  for (const [node, [log, hardStates]] of left) await group.start(node, log, hardStates);
  await eventually('somebody leads', () => group.leader !== undefined);
  expect(group.leader?.archive.state?.epoch).toBe(epoch);
  await group.commitTo(50);
  expect(group.leader?.archive.state?.epoch).toBeGreaterThan(epoch);
});

test('a follower behind the base takes it in the place of its log and goes on from there', async () => {
  await started({ logLagBytesMax: 12 * ENTRY_BYTES });
  await group.commitTo(10);
  const [log, hardStates] = await group.crash(n3);
  await eventually('somebody leads', () => group.leader !== undefined);
  await group.commitTo(40);
  // Its storage is ahead of its log: it was served by the others.
  for (const node of nodes) group.tell(node, 40);
  await group.commitTo(45);
  await eventually('the others have cut', () => group.firstIndexes().every((at) => at > 30));
  expect(group.notices).toContainEqual(
    expect.objectContaining({ kind: 'overtaken', reader: 'consensus', node: n3 }),
  );
  await group.start(n3, log, hardStates);
  await group.commitTo(50);
  const { sequencer } = group.of(n3);
  expect(sequencer.counters.basesInstalled).toBe(1);
  expect(group.notices).toContainEqual({ kind: 'base-installed', index: expect.any(Number) });
  expect(sequencer.status().logFirstIndex).toBeGreaterThan(30);

  // What was put in place is durable, and good enough to lead with.
  const image = await group.crash(n3);
  expect(image[0].recovered.base?.position.index).toBeGreaterThanOrEqual(30);
  await group.start(n3, ...image);
  await eventually('somebody leads', () => group.leader !== undefined);
  await group.commitTo(60);
});
