import type { GetRequest, PutRequest } from '@kvstore/cluster-client';
import { InvariantError } from '@kvstore/std';
import { MemoryKvClient } from '../../test-support/memory-kv-client.ts';
import { KvApi } from './kv-api.ts';

const put: PutRequest = {
  kind: 'put',
  namespace: 'default',
  key: Buffer.from('a'),
  conditions: [],
  principal: 'anonymous',
  idempotencyKey: undefined,
  value: Buffer.from('v'),
  contentType: 'text/plain',
  tags: [],
  ttlMs: undefined,
};
const get: GetRequest = {
  namespace: 'default',
  key: put.key,
  consistency: { kind: 'linearizable' },
  minRevision: undefined,
  atRevision: undefined,
};

test('what is refused never reaches the cluster', async () => {
  const client = new MemoryKvClient();
  const api = new KvApi(client);
  const refused: Partial<PutRequest>[] = [
    { key: new Uint8Array(0) },
    { key: Uint8Array.of(0xff) },
    { namespace: '-x' },
    { ttlMs: 0 },
    { ttlMs: 0.5 },
    { tags: [{ name: 'x', value: '\ud800' }] },
    { contentType: '' },
    { idempotencyKey: 'é' },
    { conditions: [{ kind: 'mod-revision-in', revisions: new Array(65).fill(1) as never }] },
  ];
  for (const change of refused) {
    expect(await api.put({ ...put, ...change }, 1_000)).toMatchObject({
      kind: 'failure',
      code: 'INVALID_ARGUMENT',
    });
  }
  for (const timeoutMs of [0, -1, 1.5, NaN, Infinity, 60_001]) {
    expect(await api.put(put, timeoutMs)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await api.get(get, timeoutMs)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await api.status(timeoutMs)).toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
  expect(client.lastWrite).toBeUndefined();
  expect(client.lastGet).toBeUndefined();
});

test('the limits themselves are accepted', async () => {
  const api = new KvApi(new MemoryKvClient());
  const largest: PutRequest = {
    ...put,
    namespace: 'n'.repeat(63),
    key: Buffer.alloc(1_024, 'k'),
    value: Buffer.alloc(320 * 1_024),
    contentType: 't'.repeat(255),
    tags: Array.from({ length: 16 }, (_, i) => ({
      name: `${i}`.padEnd(64, 'x'),
      value: 'v'.repeat(256),
    })),
    ttlMs: 36_500 * 86_400_000,
    idempotencyKey: 'i'.repeat(255),
  };
  expect(await api.put(largest, 60_000)).toMatchObject({ kind: 'put', version: 1 });
});

test('an outcome that a key command cannot have is a bug', async () => {
  const client = new MemoryKvClient();
  client.write = () => Promise.resolve({ kind: 'decided', outcome: { kind: 'kept-alive' } });
  await expect(new KvApi(client).put(put, 1_000)).rejects.toBeInstanceOf(InvariantError);
});
