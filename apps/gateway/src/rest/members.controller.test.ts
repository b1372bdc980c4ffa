import 'reflect-metadata';
import { failure } from '@kvstore/contract';
import { nodeId } from '@kvstore/std';
import {
  GatewayHarness,
  problemOf,
  type RequestOptions,
} from '../../test-support/gateway-harness.ts';

const BASE = '/api/v1/admin';
let gateway: GatewayHarness;

beforeAll(async () => {
  gateway = await new GatewayHarness().start();
});
afterAll(() => gateway.close());
afterEach(() => {
  gateway.client.failing = undefined;
  gateway.client.lastMemberRequest = undefined;
});

const json = (method: string, body?: unknown): RequestOptions => ({
  method,
  ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
});

test.each([
  ['GET', 'members', undefined, { kind: 'list' }],
  ['POST', 'members', { node: 'node-4' }, { kind: 'add', node: 'node-4' }],
  ['DELETE', 'members/node-4', undefined, { kind: 'remove', node: 'node-4' }],
  ['POST', 'members/node-4/promote', undefined, { kind: 'promote', node: 'node-4' }],
  [
    'PUT',
    'members/node-4/priority',
    { priority: 7 },
    { kind: 'priority', node: 'node-4', priority: 7 },
  ],
  ['POST', 'leader', { node: 'node-2' }, { kind: 'transfer', node: 'node-2' }],
])('%s %s asks for it and answers with the members', async (method, path, body, asked) => {
  gateway.client.memberList = {
    kind: 'members',
    index: 12,
    term: 3,
    leader: nodeId('node-1'),
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
  const answer = await gateway.request(`${BASE}/${path}?timeout=2s`, json(method, body));
  expect(answer.status).toBe(200);
  expect(gateway.client.lastMemberRequest).toEqual(asked);
  expect(gateway.client.lastTimeoutMs).toBe(2_000);
  expect(answer.json()).toEqual({
    term: 3,
    leader: 'node-1',
    configuration_index: 12,
    members: [
      {
        node: 'node-4',
        role: 'learner',
        change: 'joining',
        priority: 7,
        match_index: 40,
        healthy: true,
      },
    ],
  });
});

test.each([
  ['POST', 'members', undefined, /JSON/],
  ['POST', 'members', '{"node":', /JSON/],
  ['POST', 'members', '[]', /object with node/],
  ['POST', 'members', {}, /needs node/],
  ['POST', 'members', { node: 'Node 4' }, /name of a node/],
  ['POST', 'members', { node: 'node-4', id: 1 }, /no field "id"; the nearest is "node"/],
  ['DELETE', 'members/Node_4', undefined, /name of a node/],
  ['PUT', 'members/node-4/priority', { priority: '7' }, /needs priority, an integer/],
  ['PUT', 'members/node-4/priority', { priority: -1 }, /0 to 4294967295/],
  ['PUT', 'members/node-4/priority', { priority: 2 ** 32 }, /0 to 4294967295/],
  ['POST', 'leader', { node: 4 }, /needs node/],
])('%s %s with %j is refused', async (method, path, body, detail) => {
  const problem = problemOf(await gateway.request(`${BASE}/${path}`, json(method, body)));
  expect(problem).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT' });
  expect(problem.detail).toMatch(detail);
  expect(gateway.client.lastMemberRequest).toBeUndefined();
});

test('what the cluster refuses is a problem', async () => {
  gateway.client.failing = failure('CONDITION_FAILED', 'node-4 has not caught up.');
  const answer = await gateway.request(`${BASE}/members/node-4/promote`, json('POST'));
  expect(problemOf(answer)).toMatchObject({ code: 'CONDITION_FAILED', retryable: false });
});
