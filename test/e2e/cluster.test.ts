/**
 * The cluster as separate processes over a real nats-server: what a kill of any of them loses (nothing),
 * and that the rest goes on. Writes are numbered, so that a lost or doubled one shows.
 */
import { ClusterProcess, killLeftoverClusters } from '../support/cluster-process.ts';
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

/** Writes `key` once under `If-Match`, again with the same idempotency key until it is decided. */
async function writeOnce(cluster: ClusterProcess, key: string, value: string): Promise<number> {
  const headers = { 'idempotency-key': `${key}=${value}` };
  for (const until = performance.now() + 30_000; ;) {
    try {
      const url = `${cluster.http[0]}/api/v1/keys/${key}?timeout=2s`;
      const response = await fetch(url, { method: 'PUT', body: value, headers });
      const body = (await response.json()) as { version: number };
      if (response.ok) return body.version;
      if (response.status < 500 && response.status !== 429) {
        throw new Error(`${response.status} ${JSON.stringify(body)}`);
      }
    } catch (error) {
      if ((error as Error).name !== 'TypeError') throw error;
    }
    if (performance.now() > until) throw new Error(`${key}=${value} is not decided in 30 s`);
  }
}

async function readValue(cluster: ClusterProcess, key: string): Promise<string> {
  const response = await fetch(`${cluster.http[0]}/api/v1/keys/${key}`);
  expect(response.status).toBe(200);
  return response.text();
}

test('eight processes lose nothing and apply nothing twice, whichever of them is killed', async () => {
  const cluster = await ClusterProcess.start({
    dataDir: directory.path,
    args: ['--no-restart'],
  });
  expect(cluster.file.processes).toHaveLength(8);
  let version = 0;
  const writeSome = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      version += 1;
      expect(await writeOnce(cluster, 'counter', String(version))).toBe(version);
    }
    expect(await readValue(cluster, 'counter')).toBe(String(version));
  };
  await writeSome();

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
    if (!everything) await writeSome();
    await cluster.startAgain(...names);
    await cluster.untilReady();
    await writeSome();
  }
  await cluster.untilEqual();
  expect(await cluster.stop()).toBe(0);
});

test('without a quorum writes are refused honestly, eventual reads answer, and it recovers', async () => {
  const cluster = await ClusterProcess.start({
    dataDir: directory.path,
    args: ['--no-restart'],
  });
  expect(await writeOnce(cluster, 'a', 'kept')).toBe(1);
  const leader = await cluster.leader();
  const names = [leader, cluster.names('consensus').find((name) => name !== leader) as string];
  await cluster.kill(...names);
  const put = await fetch(`${cluster.http[0]}/api/v1/keys/a?timeout=2s`, {
    method: 'PUT',
    body: 'x',
  });
  const { code } = (await put.json()) as { code: string };
  expect(['NO_LEADER', 'COMMIT_UNKNOWN', 'DEADLINE_EXCEEDED']).toContain(code);
  const read = await fetch(`${cluster.http[0]}/api/v1/keys/a?consistency=eventual`);
  expect(await read.text()).toBe('kept');
  await cluster.startAgain(...names);
  await cluster.untilReady();
  expect(await writeOnce(cluster, 'b', 'after')).toBe(1);
  await cluster.untilEqual();
});
