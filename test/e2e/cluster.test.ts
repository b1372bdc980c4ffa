/**
 * The cluster as separate processes over a real nats-server: what a kill of any of them loses (nothing),
 * and that the rest goes on. Writes are numbered, so that a lost or doubled one shows.
 */
import { ClusterProcess, killLeftoverClusters } from '../support/cluster-process.ts';
import { Counter } from '../support/counter.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

jest.setTimeout(180_000);

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  await killLeftoverClusters();
  directory.remove();
});

test('eight processes lose nothing and apply nothing twice, whichever of them is killed', async () => {
  const cluster = await ClusterProcess.start({
    dataDir: directory.path,
    args: ['--no-restart'],
  });
  expect(cluster.file.processes).toHaveLength(8);
  const counter = new Counter(cluster);
  await counter.advance();

  const victims = [
    [await cluster.leader()],
    [cluster.names('consensus').find((name) => name !== 'consensus-1') as string],
    ...cluster.names('storage').map((name) => [name]),
    cluster.names('gateway'),
    cluster.names('nats'),
    cluster.names('consensus', 'storage'),
  ];
  for (const names of victims) {
    await cluster.kill(...names);
    const everything = names.length > 1 || /gateway|nats/.test(names[0] ?? '');
    if (!everything) await counter.advance();
    await cluster.startAgain(...names);
    await cluster.untilReady();
    await counter.advance();
  }
  await cluster.untilEqual();
  expect(await cluster.stop()).toBe(0);
});
