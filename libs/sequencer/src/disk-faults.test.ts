/** What becomes of a group when the disk of one of its replicas fails, stands still or has lost something. */
import { logIndex } from '@kvstore/std';
import { eventually, MemoryLogStore, realClock } from '@kvstore/testing';
import { Group, n1, n2, n3, nodes } from './sequencer-group.test-support.ts';

let group: Group;

beforeEach(async () => {
  group = new Group();
  await group.startAll();
});
afterEach(async () => {
  await group.stopAll();
});

test('a leader whose disk stands still gives leadership up, and the others go on', async () => {
  await group.commitTo(5);
  const stalled = nodes.find((node) => group.of(node).sequencer === group.leader);
  const { sequencer, log } = group.of(stalled ?? n1);
  log.gate.close();
  sequencer.archive.beginEpoch();
  await eventually('another leader', () => {
    return group.leader !== undefined && group.leader !== sequencer;
  });
  expect(group.notices).toContainEqual({ kind: 'disk-stands-still' });
  log.gate.open();
  await group.commitTo(12);
});

test('a replica whose sync fails says so once and for all, and the others go on', async () => {
  await group.commitTo(5);
  const failed = nodes.find((node) => group.of(node).sequencer !== group.leader) ?? n1;
  group.of(failed).log.failSync();
  group.leader?.archive.beginEpoch();
  await eventually('it is fatal', () => group.failures.length > 0);
  expect(group.failures[0]).toMatchObject({ code: 'FSYNC_FAILED' });
  await group.crash(failed);
  group.failures.length = 0;
  await group.commitTo(12);
});

test('a replica whose log was damaged gets back what it lost, and votes only then', async () => {
  await group.commitTo(20);
  const [log, hardStates] = await group.crash(n3);
  const left = await log.crash().read(logIndex(1), 1e6);
  const { term: before } = hardStates.recovered;
  await hardStates.beginRepair();
  await group.start(n3, new MemoryLogStore(left.slice(0, 8)), hardStates);
  const { sequencer } = group.of(n3);
  expect(sequencer.isUnderRepair).toBe(true);
  await group.commitTo(30);
  expect(sequencer.isUnderRepair).toBe(false);
  expect(group.notices).toContainEqual({ kind: 'log-repaired' });
  expect(sequencer.status().term).toBeGreaterThan(before);

  // It counts again: with it, two are enough.
  await group.crash(n1);
  await eventually('two go on', () => group.leader !== undefined);
  await group.commitTo(40);
});

test('two of three that were damaged elect nobody: what was acknowledged may be gone', async () => {
  await group.commitTo(20);
  const terms: number[] = [];
  for (const node of [n2, n3]) {
    const [log, hardStates] = await group.crash(node);
    const left = await log.crash().read(logIndex(1), 1e6);
    await hardStates.beginRepair();
    terms.push(hardStates.recovered.term);
    await group.start(node, new MemoryLogStore(left.slice(0, 5)), hardStates);
  }
  const beganAtMs = realClock.monotonicMs();
  const passed = (): boolean => realClock.monotonicMs() - beganAtMs > 600;
  await eventually('ten election timeouts have passed', passed);
  expect(group.leader).toBeUndefined();
  expect(group.of(n3).sequencer.isUnderRepair).toBe(true);
  expect(group.of(n3).sequencer.status().term).toBe(Math.max(...terms));
});
