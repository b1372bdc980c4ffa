/** What a newcomer does: start, write, read, kill, start again. Real process, real files. */
import { createHash, randomBytes } from 'node:crypto';
import { killLeftovers, NodeProcess } from '../support/node-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Problem {
  readonly code: string;
  readonly status: number;
  readonly request_id: string;
}

interface Status {
  readonly cluster_id: string;
  readonly revision: number;
  readonly groups: readonly {
    readonly leader: string;
    readonly commit_index: number;
    readonly members: readonly {
      readonly log: { readonly bytes: number; readonly last_index: number };
      readonly storage: {
        readonly applied_index: number;
        readonly durable_index: number;
        readonly keys: number;
      };
    }[];
  }[];
}

describe('one durable node', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let node: NodeProcess;

  beforeEach(async () => {
    directory = temporaryDirectory();
    node = await NodeProcess.start({ dataDir: directory.path });
  });
  afterEach(() => {
    killLeftovers();
    directory.remove();
  });

  const status = async (): Promise<Status> =>
    (await (await fetch(`${node.rest}/api/v1/admin/status`)).json()) as Status;

  test('keeps a 300 KB binary value byte for byte with its content type, across kill -9', async () => {
    const value = randomBytes(300_000);
    const key = 'pictures/ä/1.bin';
    const put = await fetch(node.url(key), {
      method: 'PUT',
      headers: { 'content-type': 'application/x-picture' },
      body: value,
    });
    expect(put.status).toBe(201);
    expect(put.headers.get('etag')).toBe('"1"');

    for (let start = 0; start < 2; start++) {
      const got = await fetch(node.url(key));
      expect(got.headers.get('content-type')).toBe('application/x-picture');
      const bytes = Buffer.from(await got.arrayBuffer());
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(
        createHash('sha256').update(value).digest('hex'),
      );
      const head = await fetch(node.url(key), { method: 'HEAD' });
      expect([head.status, head.headers.get('content-length')]).toEqual([200, '300000']);
      await node.kill();
      node = await NodeProcess.start({ dataDir: directory.path });
    }

    expect((await fetch(node.url(key), { method: 'DELETE' })).status).toBe(204);
    const gone = await fetch(node.url(key));
    expect(gone.headers.get('content-type')).toContain('application/problem+json');
    expect((await gone.json()) as Problem).toMatchObject({ code: 'KEY_NOT_FOUND', status: 404 });
  });

  test('stops in good order on SIGTERM, with everything flushed, and is the same cluster afterwards', async () => {
    await fetch(node.url('a'), { method: 'PUT', body: 'one' });
    const before = await status();
    expect(before.groups[0]?.leader).toBe('node-1');
    expect(await node.stop()).toBe(0);
    node = await NodeProcess.start({ dataDir: directory.path });
    const after = await status();
    const member = after.groups[0]!.members[0]!;
    expect(after.cluster_id).toBe(before.cluster_id);
    expect(member.storage.durable_index).toBeGreaterThanOrEqual(before.groups[0]!.commit_index);
    expect(member.storage.keys).toBe(1);
    expect(member.log.bytes).toBeGreaterThan(0);
    expect(await (await fetch(node.url('a'))).text()).toBe('one');
  });

  test('a deleted and re-created key is never overwritten under its old ETag, also after a kill', async () => {
    const first = await fetch(node.url('a'), { method: 'PUT', body: 'one' });
    const old = first.headers.get('etag') as string;
    await fetch(node.url('a'), { method: 'DELETE' });
    const again = await fetch(node.url('a'), { method: 'PUT', body: 'two' });
    expect((await again.json()) as object).toMatchObject({ version: 1 });
    await node.kill();
    node = await NodeProcess.start({ dataDir: directory.path });
    const stale = await fetch(node.url('a'), {
      method: 'PUT',
      headers: { 'if-match': old },
      body: 'three',
    });
    expect(stale.status).toBe(412);
    expect(await (await fetch(node.url('a'))).text()).toBe('two');
    const fresh = await fetch(node.url('a'), {
      method: 'PUT',
      headers: { 'if-match': again.headers.get('etag') as string },
      body: 'three',
    });
    expect(fresh.status).toBe(200);
  });

  test('a retry with an idempotency key applies once, also after a kill', async () => {
    const write = () =>
      fetch(node.url('counter'), {
        method: 'PUT',
        headers: { 'idempotency-key': 'once' },
        body: 'x',
      });
    const first = (await (await write()).json()) as { readonly revision: number };
    await node.kill();
    node = await NodeProcess.start({ dataDir: directory.path });
    expect(await (await write()).json()).toEqual(first);
    expect((await fetch(node.url('counter'))).headers.get('kv-version')).toBe('1');
  });

  test('says that it lives, that it is ready, and what it measures', async () => {
    expect((await fetch(`${node.rest}/livez`)).status).toBe(200);
    expect((await fetch(`${node.rest}/readyz?verbose`)).status).toBe(200);
    await fetch(node.url('a'), { method: 'PUT', body: 'one' });
    const text = await (await fetch(node.metrics)).text();
    for (const name of [
      'kvstore_request_duration_seconds_count{',
      'kvstore_leader_elections_total',
      'kvstore_raft_commit_index',
      'kvstore_raft_log_bytes',
      'kvstore_storage_applied_index',
      'kvstore_storage_keys',
    ]) {
      expect(text).toContain(name);
    }
  });

  test('expires a key by its time to live', async () => {
    await fetch(node.url('brief', '?ttl=300ms'), { method: 'PUT', body: 'x' });
    expect((await fetch(node.url('brief'))).status).toBe(200);
    const deadline = Date.now() + 5_000;
    while ((await fetch(node.url('brief'))).status === 200 && Date.now() < deadline);
    expect((await fetch(node.url('brief'))).status).toBe(404);
  });
});
