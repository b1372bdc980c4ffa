/**
 * Logs that are cut while a real cluster runs: every member cuts its own, and whoever needs what was cut
 * off gets a base and a snapshot in its place.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { logStreamName } from '@kvstore/contract';
import { eventually } from '@kvstore/testing';
import { BigValues } from '../support/big-values.ts';
import { ClusterProcess, killLeftoverClusters } from '../support/cluster-process.ts';
import { Counter } from '../support/counter.ts';
import { becomeAdmin } from '../support/nats-admin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

jest.setTimeout(180_000);

/** Several files of each log. */
const VALUES = 180;

let directory: ReturnType<typeof temporaryDirectory>;
let cluster: ClusterProcess;
let counter: Counter;
let values: BigValues;

beforeAll(async () => {
  directory = temporaryDirectory();
  cluster = await ClusterProcess.start({
    dataDir: directory.path,
    args: ['--no-restart'],
    env: { KVSTORE_MEMTABLE_SIZE: '1MB', KVSTORE_LOG_RESERVE: '1MB' },
  });
  counter = new Counter(cluster);
  await counter.advance(3);
  values = new BigValues(cluster, VALUES);
  await values.write();
});
afterAll(async () => {
  await killLeftoverClusters();
  directory.remove();
});

const firstIndex = (name: string): Promise<number> =>
  cluster.metric(name, 'kvstore_raft_log_first_index');

test('every member cuts its own log', async () => {
  await eventually(
    'all have cut',
    async () => {
      const firsts = await Promise.all(cluster.names('consensus').map(firstIndex));
      return firsts.every((first) => first > 1);
    },
    30_000,
  );
  await cluster.untilEqual();
});

/** Kills a storage, removes what it keeps, starts it again, and waits until it equals the others. */
async function loseDisk(target: string): Promise<void> {
  await cluster.kill(target);
  const { node } = cluster.member(target);
  rmSync(join(directory.path, node as string, 'storage/g0'), { recursive: true });
  await cluster.startAgain(target);
  await cluster.untilEqual(60_000);
}

const snapshots = (name: string): Promise<number> =>
  cluster.metric(name, 'kvstore_storage_snapshots_received_total', 'outcome="installed"');

test('a storage that lost its disk is filled from the archive, where the log does not reach back', async () => {
  const target = cluster.names('storage').at(-1) as string;
  await counter.advanceDuring(loseDisk(target));
  await cluster.untilEqual();
  await values.expectThere();
  expect(await snapshots(target)).toBe(0);
});

test('without that archive it takes a snapshot', async () => {
  const admin = await becomeAdmin(cluster, directory.path);
  const stream = logStreamName('dev', 'g0', 1);
  const answer = await admin.request(`$JS.API.STREAM.DELETE.${stream}`, new Uint8Array(0), 2_000);
  expect(JSON.parse(Buffer.from(answer).toString())).toMatchObject({ success: true });
  await admin.close();
  const target = cluster.names('storage').at(-1) as string;
  await counter.advanceDuring(loseDisk(target));
  await cluster.untilEqual();
  await values.expectThere();
  expect(await snapshots(target)).toBe(1);
});

test('a member that is added gets a base and a snapshot, and votes', async () => {
  const { code, output } = await cluster.command('add');
  expect({ code, output }).toMatchObject({ code: 0 });
  expect(await cluster.metric('consensus-4', 'kvstore_raft_bases_installed_total')).toBe(1);
  expect(await firstIndex('consensus-4')).toBeGreaterThan(1);
  await counter.advance(3);
  await cluster.untilEqual();
});

test('all of them killed at once come back from their bases', async () => {
  const names = cluster.names('consensus', 'storage');
  await cluster.kill(...names);
  await cluster.startAgain(...names);
  await cluster.untilReady();
  await counter.advance(3);
  await cluster.untilEqual();
  await values.expectThere();
  cluster.expectAllRun();
  cluster.expectNothingForbidden();
});
