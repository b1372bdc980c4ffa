import 'reflect-metadata';
import { connect as connectHttp2 } from 'node:http2';
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { failure } from '@kvstore/contract';
import { KvLogger, Self } from '@kvstore/nest-kit';
import { nodeId } from '@kvstore/std';
import { GatewayHarness, testControl } from '../../test-support/gateway-harness.ts';
import { errorDetails, GrpcTestClient } from '../../test-support/grpc-client.ts';
import { Gateway } from '../gateway.ts';

const PUT = '/kvstore.v1.KVStore/Put';
let gateway: GatewayHarness;
let client: GrpcTestClient;

beforeEach(async () => {
  gateway = await new GatewayHarness().start();
  client = new GrpcTestClient(gateway.gateway.grpcPort);
});

afterEach(async () => {
  client.close();
  await gateway.close();
});

async function refusal(call: Promise<unknown>): Promise<ServiceError> {
  try {
    await call;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('expected the call to be refused');
}

test.each([
  ['bytes that are no message', Buffer.from([0xff, 0xff])],
  ['a key that is not UTF-8', Buffer.from([0x12, 2, 0xff, 0xfe])],
  ['overlong UTF-8', Buffer.from([0x12, 2, 0xc0, 0xaf])],
  ['a length that passes the end', Buffer.from([0x12, 200, 1])],
  ['a varint without an end', Buffer.alloc(20, 0xff)],
])('%s is INVALID_ARGUMENT', async (_what, bytes) => {
  const error = await refusal(client.raw(PUT, bytes));
  expect(error.code).toBe(status.INVALID_ARGUMENT);
  expect(errorDetails(error).reason).toBe('INVALID_ARGUMENT');
});

test('a key may hold U+FFFD itself', async () => {
  expect(await client.call('Put', { key: 'a\ufffd' })).toMatchObject({ key: 'a\ufffd' });
});

test('unknown fields are ignored, and an unknown consistency is not', async () => {
  expect(await client.raw(PUT, Buffer.from([0x12, 1, 0x61, 0xf8, 0x07, 1]))).toBeInstanceOf(Buffer);
  const error = await refusal(
    client.raw('/kvstore.v1.KVStore/Get', Buffer.from([0x12, 1, 0x61, 0x18, 99])),
  );
  expect(error.code).toBe(status.INVALID_ARGUMENT);
});

test('a method that does not exist is UNIMPLEMENTED', async () => {
  expect((await refusal(client.raw('/kvstore.v1.KVStore/List', Buffer.alloc(0)))).code).toBe(
    status.UNIMPLEMENTED,
  );
});

test('a message over 24 MB is RESOURCE_EXHAUSTED', async () => {
  const error = await refusal(
    client.call('Put', { key: 'a', value: Buffer.alloc(24 * 1024 * 1024) }),
  );
  expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
});

test('the caller’s deadline becomes the timeout, within the limit, less the way of the answer', async () => {
  await client.call('Get', { key: 'a' }).catch(() => undefined);
  expect(gateway.client.lastTimeoutMs).toBe(5_000);
  await client
    .call('Get', { key: 'a' }, { deadline: new Date(Date.now() + 2_000) })
    .catch(() => undefined);
  expect(gateway.client.lastTimeoutMs).toBeGreaterThan(1_000);
  expect(gateway.client.lastTimeoutMs).toBeLessThanOrEqual(1_951);
  await client
    .call('Get', { key: 'a' }, { deadline: new Date(Date.now() + 600_000) })
    .catch(() => undefined);
  expect(gateway.client.lastTimeoutMs).toBe(60_000);
});

test('a deadline that has passed is DEADLINE_EXCEEDED', async () => {
  const error = await refusal(
    client.call('Put', { key: 'a' }, { deadline: new Date(Date.now() - 1) }),
  );
  expect(error.code).toBe(status.DEADLINE_EXCEEDED);
});

test('a status tells reason, request id, further members and when to retry', async () => {
  gateway.client.failing = failure('OVERLOADED', 'Too much.', {
    retryAfterMs: 1_500,
    extra: { queued: 9 },
  });
  const metadata = new Metadata();
  metadata.set('x-request-id', 'my-1');
  const error = await refusal(client.call('Put', { key: 'a' }, { metadata }));
  expect(error.metadata.get('x-request-id')).toEqual(['my-1']);
  expect(errorDetails(error)).toEqual({
    code: status.RESOURCE_EXHAUSTED,
    reason: 'OVERLOADED',
    domain: 'kvstore',
    metadata: { request_id: 'my-1', queued: '9' },
  });
  const bytes = error.metadata.get('grpc-status-details-bin')[0] as Buffer;
  // RetryInfo { retry_delay { seconds: 1, nanos: 500,000,000 } } as the value of its Any.
  const delay = Buffer.from('120a0a0808011080cab5ee01', 'hex');
  expect(bytes.includes(Buffer.concat([Buffer.from('google.rpc.RetryInfo'), delay]))).toBe(true);
});

test('health follows readiness', async () => {
  const check = (): Promise<Buffer> => client.raw('/grpc.health.v1.Health/Check', Buffer.alloc(0));
  const [SERVING, NOT_SERVING] = [Buffer.from([0x08, 1]), Buffer.from([0x08, 2])];
  expect(await check()).toEqual(SERVING);
  gateway.client.notReady = 'no leader';
  const deadline = Date.now() + 3_000;
  let now = await check();
  while (!now.equals(NOT_SERVING) && Date.now() < deadline) now = await check();
  expect(now).toEqual(NOT_SERVING);
});

test.each(['v1', 'v1alpha'])('reflection %s lists the service', async (version) => {
  const listing = await new Promise<Buffer>((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${gateway.gateway.grpcPort}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      session.close();
      resolve(Buffer.concat(chunks));
    });
    stream.end(Buffer.from([0, 0, 0, 0, 2, 0x3a, 0]));
  });
  expect(listing.includes('kvstore.v1.KVStore')).toBe(true);
});

test('the status has the cluster as its nodes tell it', async () => {
  expect(await client.call('Status', {})).toMatchObject({
    cluster_id: '',
    cluster: 'dev',
    features_off: ['nats'],
    version: '0.1.0',
    groups: [{ group: 'g0', members: [] }],
  });
});

test('a port in use is a start error that names the option, and frees what was bound', async () => {
  const log = new KvLogger('fatal');
  const { metrics, health, client: kv } = new GatewayHarness();
  const identity = {
    cluster: 'dev',
    group: 'g0',
    gateway: 'g',
    version: '0',
    nats: () => null,
  };
  const options = {
    host: '127.0.0.1',
    httpPort: 0,
    client: { useFactory: () => kv },
    self: new Self('gateway', 'gateway-1'),
    control: testControl(log),
    identity,
    metrics,
    health,
    log,
  };
  await expect(
    Gateway.start({ ...options, grpcPort: gateway.gateway.grpcPort }),
  ).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringContaining('grpc_port') as string,
  });
});

describe('members', () => {
  test.each([
    ['MemberList', {}, { kind: 'list' }],
    ['MemberAdd', { node: 'node-4' }, { kind: 'add', node: 'node-4' }],
    ['MemberRemove', { node: 'node-4' }, { kind: 'remove', node: 'node-4' }],
    ['MemberPromote', { node: 'node-4' }, { kind: 'promote', node: 'node-4' }],
    [
      'MemberPriority',
      { node: 'node-4', priority: 2 ** 32 - 1 },
      { kind: 'priority', node: 'node-4', priority: 2 ** 32 - 1 },
    ],
    ['LeaderTransfer', { node: 'node-2' }, { kind: 'transfer', node: 'node-2' }],
  ])('%s asks for it and answers with them', async (method, request, asked) => {
    gateway.client.memberList = {
      kind: 'members',
      index: 12,
      term: 3,
      leader: undefined,
      members: [
        {
          node: nodeId('node-4'),
          role: 'learner',
          change: 'joining',
          priority: 7,
          matchIndex: 40,
          healthy: true,
        },
      ],
    };
    const { members } = await client.call<{ members: object }>(method, request);
    expect(gateway.client.lastMemberRequest).toEqual(asked);
    expect(members).toMatchObject({
      term: 3,
      configuration_index: 12,
      members: [{ node: 'node-4', role: 'learner', change: 'joining', match_index: 40 }],
    });
    expect(members).not.toHaveProperty('leader');
  });

  test('a name that is none is INVALID_ARGUMENT, what the cluster refuses is its code', async () => {
    const none = await refusal(client.call('MemberAdd', { node: 'Node 4' }));
    expect(none.code).toBe(status.INVALID_ARGUMENT);
    gateway.client.failing = failure('CONDITION_FAILED', 'node-4 has not caught up.');
    const behind = await refusal(client.call('MemberPromote', { node: 'node-4' }));
    expect(behind.code).toBe(status.FAILED_PRECONDITION);
    expect(errorDetails(behind).reason).toBe('CONDITION_FAILED');
  });
});
