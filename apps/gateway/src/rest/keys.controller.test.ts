import 'reflect-metadata';
import { failure } from '@kvstore/contract';
import { GatewayHarness, problemOf } from '../../test-support/gateway-harness.ts';

const KEYS = '/api/v1/keys/';
let gateway: GatewayHarness;

beforeEach(async () => {
  gateway = await new GatewayHarness().start();
});

afterEach(() => gateway.close());

describe('put', () => {
  test('creating is 201 and updating is 200, with versions, revisions and times', async () => {
    const created = await gateway.put(`${KEYS}a`);
    expect(created.status).toBe(201);
    expect(created.json()).toEqual({
      key: 'a',
      namespace: 'default',
      version: 1,
      revision: 1,
      created_at: '2026-01-02T03:04:05.678Z',
      updated_at: '2026-01-02T03:04:05.678Z',
    });
    gateway.client.nowMs += 1_000;
    const updated = await gateway.put(`${KEYS}a?namespace=default`);
    expect(updated.status).toBe(200);
    expect(updated.json()).toMatchObject({
      version: 2,
      revision: 2,
      created_at: '2026-01-02T03:04:05.678Z',
      updated_at: '2026-01-02T03:04:06.678Z',
    });
    expect(updated.headers).toMatchObject({
      etag: '"2"',
      'kv-revision': '2',
      'content-type': 'application/json',
    });
    expect(updated.headers['x-request-id']).toBeDefined();
  });

  test('a time to live is answered as the time of expiry', async () => {
    const answer = await gateway.put(`${KEYS}a?ttl=1500ms`);
    expect(answer.json()).toMatchObject({ expires_at: '2026-01-02T03:04:07.178Z' });
  });

  test('tags, conditions, idempotency key and timeout reach the cluster', async () => {
    await gateway.put(`${KEYS}a?tag=team=a%3Db+c&tag=x=%C3%A9&if_version=0&timeout=250ms`, 'v', {
      'idempotency-key': 'once-1',
      'if-none-match': '"7", "8"',
    });
    expect(gateway.client.lastWrite).toMatchObject({
      tags: [
        { name: 'team', value: 'a=b c' },
        { name: 'x', value: 'é' },
      ],
      conditions: [{ kind: 'mod-revision-not-in', revisions: [7, 8] }, { kind: 'absent' }],
      idempotencyKey: 'once-1',
    });
    expect(gateway.client.lastTimeoutMs).toBe(250);
  });

  test('the default timeout is 5 s', async () => {
    await gateway.put(`${KEYS}a`);
    expect(gateway.client.lastTimeoutMs).toBe(5_000);
  });

  test('a repeated request with the same idempotency key applies once', async () => {
    const headers = { 'idempotency-key': 'k' };
    const first = await gateway.put(`${KEYS}a`, 'v', headers);
    const again = await gateway.put(`${KEYS}a`, 'v', headers);
    expect(again.text).toBe(first.text);
    const other = problemOf(await gateway.put(`${KEYS}a`, 'w', headers));
    expect([other.status, other.code]).toEqual([422, 'IDEMPOTENCY_CONFLICT']);
  });

  test.each([
    ['nothing at all', undefined, undefined],
    ['an empty body', '', undefined],
    ['every byte', Uint8Array.from({ length: 256 }, (_, i) => i), 'image/x-odd'],
    ['a value at the limit', new Uint8Array(320 * 1024), undefined],
  ])('%s is stored byte for byte', async (_what, body, type) => {
    const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
    const stored = await gateway.request(`${KEYS}a`, {
      method: 'PUT',
      headers,
      ...(body !== undefined && { body }),
    });
    expect(stored.status).toBe(201);
    const read = await gateway.request(`${KEYS}a`);
    expect(Buffer.compare(read.body, Buffer.from((body ?? '') as string))).toBe(0);
    expect(read.headers['content-type']).toBe(type ?? 'application/octet-stream');
  });

  test('a chunked body with Expect: 100-continue is stored', async () => {
    const answer = await gateway.exchange(
      `PUT ${KEYS}a HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\ntrailer: x\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
    expect((await gateway.request(`${KEYS}a`)).text).toBe('abcde');
  });

  test.each([
    'text/plain; charset=utf-8',
    'not a media type',
    'a'.repeat(255),
    'application/problem+json',
  ])('the content type %p comes back exactly', async (type) => {
    await gateway.put(`${KEYS}a`, 'v', { 'content-type': type });
    expect((await gateway.request(`${KEYS}a`)).headers['content-type']).toBe(type);
  });
});

describe('get', () => {
  test('the value comes with its attributes as headers', async () => {
    await gateway.put(`${KEYS}a?ttl=1h&tag=owner=J%C3%BCrgen%20%2F1`, 'hello', {
      'content-type': 'text/html',
    });
    await gateway.put(`${KEYS}other`);
    const answer = await gateway.request(`${KEYS}a`);
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('hello');
    expect(answer.headers).toMatchObject({
      'content-type': 'text/html',
      'content-length': '5',
      etag: '"1"',
      'last-modified': 'Fri, 02 Jan 2026 03:04:05 GMT',
      'kv-version': '1',
      'kv-create-revision': '1',
      'kv-mod-revision': '1',
      'kv-created-at': '2026-01-02T03:04:05.678Z',
      'kv-expires-at': '2026-01-02T04:04:05.678Z',
      'kv-tag-owner': 'J%C3%BCrgen%20%2F1',
      'kv-revision': '2',
      'x-content-type-options': 'nosniff',
      'content-security-policy': 'sandbox',
      'cache-control': 'no-cache',
    });
  });

  test('HEAD has the headers of GET and no body', async () => {
    await gateway.put(`${KEYS}a`, 'hello');
    const get = await gateway.request(`${KEYS}a`);
    const head = await gateway.request(`${KEYS}a`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.body.length).toBe(0);
    const ignored = { 'x-request-id': '', date: '' };
    expect({ ...head.headers, ...ignored }).toEqual({ ...get.headers, ...ignored });
    const missing = await gateway.request(`${KEYS}b`, { method: 'HEAD' });
    expect([missing.status, missing.body.length]).toEqual([404, 0]);
    expect(missing.headers['content-type']).toBe('application/problem+json');
  });

  test('the entry view has value, attributes and checksum in one document', async () => {
    await gateway.put(`${KEYS}a?ttl=1s&tag=t=1`, '123456789', { 'content-type': 'text/plain' });
    const answer = await gateway.request(`${KEYS}a`, {
      headers: { accept: 'application/vnd.kvstore.entry+json' },
    });
    expect(answer.headers['content-type']).toBe('application/vnd.kvstore.entry+json');
    expect(answer.headers['etag']).toBe('"1"');
    expect(answer.json()).toEqual({
      key: 'a',
      namespace: 'default',
      value: '123456789',
      encoding: 'utf8',
      content_type: 'text/plain',
      version: 1,
      create_revision: 1,
      mod_revision: 1,
      created_at: '2026-01-02T03:04:05.678Z',
      updated_at: '2026-01-02T03:04:05.678Z',
      expires_at: '2026-01-02T03:04:06.678Z',
      tags: { t: '1' },
      checksum: 'crc32c:e3069283',
    });
  });

  test('the entry view is base64 only when the value is not UTF-8', async () => {
    const accept = { accept: 'application/vnd.kvstore.entry+json' };
    await gateway.put(`${KEYS}a`, Uint8Array.of(0xff, 0x00));
    expect((await gateway.request(`${KEYS}a`, { headers: accept })).json()).toMatchObject({
      value: '/wA=',
      encoding: 'base64',
    });
    await gateway.put(`${KEYS}a`, '\ufeffé\u0000');
    expect((await gateway.request(`${KEYS}a`, { headers: accept })).json()).toMatchObject({
      value: '\ufeffé\u0000',
      encoding: 'utf8',
    });
  });

  test('a missing key is KEY_NOT_FOUND with the revision it was missing at', async () => {
    await gateway.put(`${KEYS}other`);
    const problem = problemOf(await gateway.request(`${KEYS}a`));
    expect([problem.status, problem.code, problem['revision']]).toEqual([404, 'KEY_NOT_FOUND', 1]);
  });

  test('consistency, revision and min_revision reach the cluster', async () => {
    await gateway.request(`${KEYS}a?consistency=session&min_revision=7&revision=5`);
    expect(gateway.client.lastGet).toMatchObject({
      consistency: { kind: 'session', minRevision: 7 },
      minRevision: 7,
      atRevision: 5,
    });
    await gateway.request(`${KEYS}a?consistency=eventual`);
    expect(gateway.client.lastGet).toMatchObject({
      consistency: { kind: 'eventual' },
      minRevision: undefined,
    });
    await gateway.request(`${KEYS}a`);
    expect(gateway.client.lastGet).toMatchObject({ consistency: { kind: 'linearizable' } });
  });

  test('the past is read by revision', async () => {
    await gateway.put(`${KEYS}a`, 'old');
    await gateway.put(`${KEYS}a`, 'new');
    expect((await gateway.request(`${KEYS}a?revision=1`)).text).toBe('old');
  });
});

describe('conditions', () => {
  beforeEach(async () => {
    await gateway.put(`${KEYS}a`);
  });

  test.each<[string, string, Record<string, string>, number]>([
    ['PUT', 'a', { 'if-match': '"1"' }, 200],
    ['PUT', 'a', { 'if-match': '"9", "1"' }, 200],
    ['PUT', 'a', { 'if-match': '*' }, 200],
    ['PUT', 'a', { 'if-match': '"2"' }, 412],
    ['PUT', 'missing', { 'if-match': '"1"' }, 412],
    ['PUT', 'missing', { 'if-match': '*' }, 412],
    ['PUT', 'a', { 'if-none-match': '*' }, 412],
    ['PUT', 'missing', { 'if-none-match': '*' }, 201],
    ['PUT', 'a', { 'if-none-match': '"1"' }, 412],
    ['PUT', 'a', { 'if-none-match': '"2"' }, 200],
    ['DELETE', 'a', { 'if-match': '"1"' }, 204],
    ['DELETE', 'a', { 'if-match': '"2"' }, 412],
    ['DELETE', 'missing', { 'if-match': '"1"' }, 412],
    ['DELETE', 'missing', { 'if-match': '*' }, 412],
    ['GET', 'a', { 'if-none-match': '"1"' }, 304],
    ['GET', 'a', { 'if-none-match': '*' }, 304],
    ['GET', 'a', { 'if-none-match': '"2"' }, 200],
    ['GET', 'a', { 'if-match': '"1"' }, 200],
    ['GET', 'a', { 'if-match': '"2"' }, 412],
    ['GET', 'missing', { 'if-match': '"2"' }, 404],
    ['HEAD', 'a', { 'if-none-match': '"1"' }, 304],
  ])('%s %s with %p is %d', async (method, key, headers, status) => {
    const body = method === 'PUT' ? { body: 'w' } : {};
    expect((await gateway.request(KEYS + key, { method, headers, ...body })).status).toBe(status);
  });

  test('a failed condition tells what the key has', async () => {
    const answer = await gateway.put(`${KEYS}a`, 'w', { 'if-match': '"9"' });
    expect(problemOf(answer)).toMatchObject({
      code: 'CONDITION_FAILED',
      mod_revision: 1,
      version: 1,
      revision: 1,
      retryable: false,
    });
    expect(answer.headers['etag']).toBe('"1"');
  });

  test('if_version compares the version, and 0 stands for a missing key', async () => {
    expect((await gateway.put(`${KEYS}a?if_version=2`)).status).toBe(412);
    expect((await gateway.put(`${KEYS}a?if_version=1`)).status).toBe(200);
    expect((await gateway.put(`${KEYS}b?if_version=0`)).status).toBe(201);
    expect((await gateway.request(`${KEYS}a?if_version=1`, { method: 'DELETE' })).status).toBe(412);
  });

  test('a 304 has the tag and no body', async () => {
    const answer = await gateway.request(`${KEYS}a`, { headers: { 'if-none-match': '"1"' } });
    expect(answer.body.length).toBe(0);
    expect(answer.headers).toMatchObject({ etag: '"1"', 'kv-revision': '1' });
  });
});

describe('delete', () => {
  test('is 204 whether or not the key was there', async () => {
    await gateway.put(`${KEYS}a`);
    const first = await gateway.request(`${KEYS}a`, { method: 'DELETE' });
    expect([first.status, first.headers['kv-revision'], first.body.length]).toEqual([204, '2', 0]);
    const again = await gateway.request(`${KEYS}a`, { method: 'DELETE' });
    expect([again.status, again.headers['kv-revision']]).toEqual([204, '2']);
  });

  test('a strict delete of nothing is 404', async () => {
    const problem = problemOf(await gateway.request(`${KEYS}a?strict=true`, { method: 'DELETE' }));
    expect([problem.status, problem.code]).toEqual([404, 'KEY_NOT_FOUND']);
    expect((await gateway.request(`${KEYS}a?strict=false`, { method: 'DELETE' })).status).toBe(204);
  });

  test('a body is ignored, and the connection stays usable', async () => {
    const both = await gateway.exchange(
      `DELETE ${KEYS}a HTTP/1.1\r\nhost: x\r\ncontent-type: ;\r\ncontent-length: 3\r\n\r\nabcGET ${KEYS}a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    );
    expect(both.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 204', 'HTTP/1.1 404']);
  });
});

describe('keys', () => {
  test.each([
    ['a/b', 'a/b'],
    ['a%2Fb', 'a/b'],
    ['a%2fb', 'a/b'],
    ['..', '..'],
    ['../../etc/passwd', '../../etc/passwd'],
    ['..%2f', '../'],
    ['/', '/'],
    ['//x//', '//x//'],
    ['x/', 'x/'],
    ['%00', '\u0000'],
    ['a;b=c', 'a;b=c'],
    ['a+b', 'a+b'],
    ['a%20b', 'a b'],
    ['%25', '%'],
    ['%2525', '%25'],
    ['%3F%23%26', '?#&'],
    ['A', 'A'],
    ['%C3%A9', 'é'],
    ['%F0%9F%98%80', '😀'],
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
    ['*', '*'],
    [':x', ':x'],
    [`%EF%BB%BFbom`, '\ufeffbom'],
    ['k'.repeat(1024), 'k'.repeat(1024)],
    ['%C3%A9'.repeat(512), 'é'.repeat(512)],
  ])('%s is the key %p', async (path, key) => {
    const answer = await gateway.put(KEYS + path);
    expect(answer.status).toBe(201);
    expect(answer.json()['key']).toBe(key);
    expect((await gateway.request(KEYS + path)).status).toBe(200);
    expect((await gateway.request(`${KEYS}${path}-`)).status).not.toBe(200);
  });

  test('an absolute target and encoded letters before the key reach the same key', async () => {
    await gateway.put(`${KEYS}a/b`);
    expect((await gateway.request(`http://host:80${KEYS}a%2Fb?timeout=1s`)).status).toBe(200);
    expect((await gateway.request('/api/v1/ke%79s/a/b')).status).toBe(200);
  });

  test('namespaces do not share keys', async () => {
    await gateway.put(`${KEYS}a?namespace=one`);
    expect((await gateway.request(`${KEYS}a?namespace=one`)).status).toBe(200);
    expect((await gateway.request(`${KEYS}a?namespace=two`)).status).toBe(404);
  });
});

describe('failures of the cluster', () => {
  test.each([
    ['NO_LEADER', 503, '1'],
    ['OVERLOADED', 429, '1'],
    ['DEADLINE_EXCEEDED', 504, undefined],
    ['COMMIT_UNKNOWN', 504, undefined],
    ['QUOTA_EXCEEDED', 507, undefined],
    ['REVISION_COMPACTED', 410, undefined],
  ] as const)('%s is %d', async (code, status, retryAfter) => {
    gateway.client.failing = failure(code, 'As the cluster says.');
    for (const answer of [
      await gateway.put(`${KEYS}a`),
      await gateway.request(`${KEYS}a`),
      await gateway.request(`${KEYS}a`, { method: 'DELETE' }),
    ]) {
      expect(problemOf(answer)).toMatchObject({ status, code, detail: 'As the cluster says.' });
      expect(answer.headers['retry-after']).toBe(retryAfter);
    }
  });

  test.each([
    ['a content type', { contentType: 'a\r\nset-cookie: b' }],
    ['a tag', { tags: [{ name: 'a: b\r\nset-cookie', value: 'c' }] }],
  ])('%s from below that would end its header line is INTERNAL', async (_what, broken) => {
    await gateway.put(`${KEYS}a`);
    const get = gateway.client.get.bind(gateway.client);
    gateway.client.get = async (request, timeoutMs) => {
      const result = await get(request, timeoutMs);
      return result.kind === 'found'
        ? { ...result, entry: { ...result.entry, ...broken } }
        : result;
    };
    const answer = await gateway.request(`${KEYS}a`);
    expect(problemOf(answer).code).toBe('INTERNAL');
    expect(answer.headers['set-cookie']).toBeUndefined();
  });

  test('a bug below is INTERNAL, logged with its request id, and tells nothing', async () => {
    gateway.client.get = () => Promise.reject(new TypeError('secret'));
    const problem = problemOf(await gateway.request(`${KEYS}a`));
    expect([problem.status, problem.code]).toEqual([500, 'INTERNAL']);
    expect(problem.detail).not.toContain('secret');
    expect(gateway.logged.join('')).toContain(problem.request_id);
  });
});

test('requests are counted by operation and code', async () => {
  await gateway.put(`${KEYS}a`);
  await gateway.request(`${KEYS}a`);
  await gateway.request(`${KEYS}b`);
  await gateway.request(`${KEYS}b?nonsense=1`);
  const family = gateway.metrics
    .families()
    .find(({ name }) => name === 'kvstore_request_duration_seconds');
  const counts = family?.series.map(({ labels, ...series }) => [
    labels['op'],
    labels['code'],
    'histogram' in series ? series.histogram.counts.reduce((a, b) => a + b, 0) : 0,
  ]);
  expect(counts).toEqual([
    ['put', 'OK', 1],
    ['get', 'OK', 1],
    ['get', 'KEY_NOT_FOUND', 1],
    ['get', 'INVALID_ARGUMENT', 1],
  ]);
});
