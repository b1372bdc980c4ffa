/**
 * Members that come and go, by the command line of a user: a node whose disk is gone is replaced, a name never
 * returns, and the next start of the cluster has the members of now. That nothing is lost meanwhile under load
 * is the scenario `membership` of the chaos runs.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@kvstore/testing';
import { ClusterProcess, killLeftoverClusters } from '../support/cluster-process.ts';
import { Counter } from '../support/counter.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

jest.setTimeout(120_000);

let directory: ReturnType<typeof temporaryDirectory>;
let cluster: ClusterProcess;

beforeAll(async () => {
  directory = temporaryDirectory();
  cluster = await ClusterProcess.start({ dataDir: directory.path });
});
afterAll(async () => {
  await killLeftoverClusters();
  directory.remove();
});

async function command(...words: readonly string[]): Promise<string> {
  const { code, output } = await cluster.command(...words);
  expect({ words, code, output }).toEqual({ words, code: 0, output });
  return output;
}

const voters = async (): Promise<readonly string[]> =>
  [...(await command('members')).matchAll(/^(node-\d+) +voter /gm)].map(
    ([, node]) => node as string,
  );

/** The directory of a member is lost while its processes do not run. */
async function wipe(number: number): Promise<void> {
  const names = [`consensus-${number}`, `storage-${number}`];
  for (const name of names) await command('stop', name);
  rmSync(join(directory.path, `node-${number}`), { recursive: true });
  for (const name of names) await command('start', name);
}

test('a member that lost its disk does not come back under its name, and is replaced', async () => {
  const counter = new Counter(cluster);
  await counter.advance();
  const { cluster_id: founded } = await cluster.status();
  await wipe(2);
  await eventually('it says what to do', () =>
    cluster.log('consensus-2').includes('under a name that was never used'),
  );
  await counter.advance();
  expect(await voters()).toEqual(['node-1', 'node-2', 'node-3']);
  const status = (await cluster.status()).groups[0]?.members.find(({ node }) => node === 'node-2');
  expect(status).toMatchObject({ healthy: false });

  const output = await counter.advanceDuring(command('replace', 'node-2'));
  expect(output).toContain('node-4 stands in for node-2');
  expect(await voters()).toEqual(['node-1', 'node-3', 'node-4']);
  expect((await cluster.status()).cluster_id).toBe(founded);
  await cluster.untilEqual();
  cluster.expectAllRun();
  cluster.expectNothingForbidden();
  expect(existsSync(join(directory.path, 'node-2'))).toBe(false);
  expect(readdirSync(join(directory.path, 'removed'))).toHaveLength(1);
  const { code, output: refusal } = await cluster.command('add', 'node-2');
  expect({ code, refusal }).toEqual({
    code: 1,
    refusal: expect.stringContaining('names never return') as string,
  });
});

test('a disk that is lost before its node has begun never begins under that name', async () => {
  await command('add', 'node-5');
  await wipe(5);
  await eventually('it says what to do', () =>
    cluster.log('consensus-5').includes('under a name that was never used'),
  );
  await new Counter(cluster, 'without node-5').advance();
  await command('remove', 'node-5');
  expect(await voters()).toEqual(['node-1', 'node-3', 'node-4']);
});

test('leadership is given away, and the leader can be removed', async () => {
  await command('transfer', 'node-4');
  expect(cluster.member(await cluster.leader()).node).toBe('node-4');
  await command('add');
  const counter = new Counter(cluster, 'the leader goes');
  await counter.advanceDuring(command('remove', 'node-4'));
  expect(await voters()).toEqual(['node-1', 'node-3', 'node-6']);
  await cluster.untilEqual();
});

test('the next start has the members of now', async () => {
  const counter = new Counter(cluster, 'after the next start');
  await cluster.stop();
  cluster = await ClusterProcess.start({ dataDir: directory.path });
  expect(cluster.names('consensus')).toEqual(['consensus-1', 'consensus-3', 'consensus-6']);
  await counter.advance();
  expect(await voters()).toEqual(['node-1', 'node-3', 'node-6']);
  await cluster.untilEqual();
});
