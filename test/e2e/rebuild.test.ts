/**
 * Storages that lose or damage what they keep, in a real cluster: they are rebuilt from the others while
 * writes go on, whoever is killed meanwhile.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@kvstore/testing';
import { BigValues } from '../support/big-values.ts';
import { ClusterProcess, killLeftoverClusters } from '../support/cluster-process.ts';
import { Counter } from '../support/counter.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

jest.setTimeout(180_000);

const VALUES = 60;

let directory: ReturnType<typeof temporaryDirectory>;
let cluster: ClusterProcess;
let counter: Counter;
let values: BigValues;
let sources: readonly string[];
let target: string;

beforeAll(async () => {
  directory = temporaryDirectory();
  cluster = await ClusterProcess.start({
    dataDir: directory.path,
    args: ['--no-restart'],
    env: { KVSTORE_MEMTABLE_SIZE: '1MB' },
  });
  counter = new Counter(cluster);
  [target = '', ...sources] = cluster.names('storage').toReversed();
  values = new BigValues(cluster, VALUES);
  await values.write();
  await cluster.untilEqual();
  await eventually('all have flushed', async () => {
    const segments = await Promise.all(
      cluster.names('storage').map((name) => metric(name, 'segments')),
    );
    return segments.every((count) => count > VALUES / 6);
  });
});
afterAll(async () => {
  await killLeftoverClusters();
  directory.remove();
});

const metric = (process: string, name: string, label?: string): Promise<number> =>
  cluster.metric(process, `kvstore_storage_${name}`, label);

const folder = (): string => join(directory.path, cluster.member(target).node as string, 'storage');
const asides = (): string[] => readdirSync(folder()).filter((name) => name.includes('.aside-'));

/** In the middle of the oldest segment, which a storage that starts does not read. */
function flipByte(): void {
  const segments = join(folder(), 'g0/segments');
  const path = join(segments, readdirSync(segments).sort()[0] as string);
  const bytes = readFileSync(path);
  bytes[bytes.length >>> 1]! ^= 0x10;
  writeFileSync(path, bytes);
}

/** Damages the target's files and starts it; resolves when it is sent a snapshot. */
async function damage(): Promise<void> {
  await cluster.kill(target);
  flipByte();
  await cluster.startAgain(target);
  await eventually(
    'it is sent a snapshot',
    async () => {
      try {
        return (await metric(target, 'snapshot_bytes_received_total')) > 0;
      } catch {
        return false;
      }
    },
    30_000,
  );
}

async function untilRebuilt(): Promise<void> {
  await cluster.untilEqual(60_000);
  await eventually('it serves', async () => (await metric(target, 'fenced')) === 0);
  const [group] = (await cluster.status()).groups;
  for (const member of group?.members ?? []) expect(member.storage?.healthy).toBe(true);
  await values.expectThere();
}

test('a storage whose disk is lost is filled again by the log, while writes go on', async () => {
  await cluster.kill(target);
  rmSync(join(folder(), 'g0'), { recursive: true });
  await counter.advanceDuring(
    (async () => {
      await cluster.startAgain(target);
      await untilRebuilt();
    })(),
  );
  await cluster.untilEqual();
  expect(await metric(target, 'fences_total')).toBe(0);
  expect(asides()).toEqual([]);
});

test('a flipped byte in a segment sets the data aside, and a snapshot takes its place', async () => {
  await counter.advanceDuring(
    (async () => {
      await damage();
      await untilRebuilt();
    })(),
  );
  await cluster.untilEqual();
  expect(await metric(target, 'fences_total')).toBe(1);
  expect(await metric(target, 'snapshots_received_total', 'outcome="installed"')).toBe(1);
  expect(await metric(target, 'snapshot_bytes_received_total')).toBeGreaterThan(values.bytes * 0.9);
  await eventually('what an earlier fence kept is gone', () => asides().length === 1);
  expect(cluster.log(target)).toContain('is damaged or not the leader');
  expect(cluster.log(target)).toContain('holds a snapshot of');
});

test('the source killed during the transfer: another one takes over, or the log', async () => {
  await damage();
  const sent = await Promise.all(
    sources.map(async (name) => [await metric(name, 'snapshots_held'), name] as const),
  );
  const source = sent.toSorted(([a], [b]) => b - a)[0]?.[1] as string;
  await cluster.kill(source);
  await counter.advance(3);
  await eventually(
    'it is rebuilt by the others',
    async () => {
      const applied = await metric(target, 'applied_index');
      const others = sources.filter((name) => name !== source);
      const [other] = await Promise.all(others.map((name) => metric(name, 'applied_index')));
      return (await metric(target, 'fenced')) === 0 && applied === other;
    },
    60_000,
  );
  await cluster.startAgain(source);
  await untilRebuilt();
  await eventually('what an earlier fence kept is gone', () => asides().length === 1);
});

test('the receiver killed during the transfer: it goes on when it is started again', async () => {
  await damage();
  await cluster.kill(target);
  await counter.advance(3);
  await cluster.startAgain(target);
  await untilRebuilt();
  await counter.advance(3);
  await cluster.untilEqual();
  await eventually('what an earlier fence kept is gone', () => asides().length === 1);
  cluster.expectAllRun();
  cluster.expectNothingForbidden();
});
