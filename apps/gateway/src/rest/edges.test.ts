/** The two edges of REST beside each other: one history of requests, and every answer is the same from both. */
import 'reflect-metadata';
import fc from 'fast-check';
import {
  GatewayHarness,
  type Answer,
  type RequestOptions,
} from '../../test-support/gateway-harness.ts';
import { HotExchange, NodeExchange } from './key-exchange.ts';
import { KeyRoutes } from './key-routes.ts';

interface Step {
  readonly path: string;
  readonly init: RequestOptions;
}

const key = fc.constantFrom(
  'a',
  'b',
  'a/b',
  'caf%C3%A9',
  '%F0%9F%98%80',
  'x%2Fy',
  '%ff',
  '%',
  'a;b',
  '..',
);
const parameter = fc.constantFrom(
  ...[
    'namespace=other',
    'ttl=1h',
    'ttl=0',
    'tag=x=1',
    'tag=team=%C3%A9+b',
    'if_version=1',
    'if_version=0',
  ],
  ...[
    'lease=1',
    'timeout=1s',
    'revision=1',
    'revision=99',
    'consistency=eventual',
    'min_revision=1',
  ],
  ...['strict=true', 'nonsense=1', 'namespace=%ff', 'namespace', '', 'ttl=1500ms'],
);
const header = fc.constantFrom<readonly [string, string]>(
  ...([
    ['if-match', '*'],
    ['If-Match', '"1"'],
    ['if-match', 'W/"1"'],
    ['if-none-match', '*'],
    ['If-None-Match', '"1", "2"'],
    ['accept', 'application/vnd.kvstore.entry+json'],
    ['Accept', '*/*'],
    ['accept', 'application/vnd.kvstore.other'],
    ['content-type', 'text/plain; charset=utf-8'],
    ['content-encoding', 'gzip'],
    ['content-encoding', 'identity'],
    ['content-range', 'bytes 0-0/5'],
    ['idempotency-key', 'once'],
    ['idempotency-key', ''],
    ['if-unmodified-since', 'Fri, 02 Jan 2026 03:04:05 GMT'],
    ['x-request-id', 'mine-1'],
    ['X-Request-Id', 'with space'],
    ['user-agent', 'test'],
  ] as const),
);
const body = fc.oneof(
  fc.constantFrom('', 'text', '\u00e9', '{"a":1}'),
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(9_000, 70_000).map((size) => new Uint8Array(size).fill(0xe9)),
);
const step: fc.Arbitrary<Step> = fc
  .record({
    method: fc.constantFrom('PUT', 'PUT', 'GET', 'GET', 'HEAD', 'DELETE'),
    key,
    query: fc.array(parameter, { maxLength: 2 }),
    headers: fc.uniqueArray(header, { maxLength: 3, selector: ([name]) => name.toLowerCase() }),
    body,
  })
  .map(({ method, key: name, query, headers, body: value }) => ({
    path: `/api/v1/keys/${name}${query.length === 0 ? '' : `?${query.join('&')}`}`,
    init: {
      method,
      headers: Object.fromEntries(headers),
      ...(method === 'PUT' && { body: value }),
    },
  }));

/** Without what differs between any two requests, and between connections that stay and that end. */
function comparable({ status, headers, body: bytes }: Answer): object {
  const { date: _, connection: __, 'keep-alive': ___, ...rest } = headers;
  const generated = /[0-9a-f]{12}-[0-9a-z]+/g;
  const lines = Object.entries(rest).map((line) => line.join(': ').replace(generated, 'ID'));
  // Ids grow, and with them the problems that hold them.
  const isProblem = headers['content-type'] === 'application/problem+json';
  return {
    status,
    lines: isProblem ? lines.filter((line) => !line.startsWith('content-length')) : lines,
    body: bytes.toString('latin1').replace(generated, 'ID'),
  };
}

test('any history of requests has the same answers from both', async () => {
  const hot = await new GatewayHarness().start();
  const node = await new GatewayHarness().start();
  try {
    const histories = fc.array(step, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        for (const { path, init } of steps) {
          const [found, expected] = await Promise.all([
            hot.request(path, init, 'hot'),
            node.request(path, init, 'node'),
          ]);
          expect(comparable(found)).toEqual(comparable(expected));
        }
      }),
      { numRuns: 150 },
    );
  } finally {
    await hot.close();
    await node.close();
  }
});

test('each of them comes by its own way', async () => {
  const get = jest.spyOn(KeyRoutes.prototype, 'get');
  const gateway = await new GatewayHarness().start();
  try {
    await gateway.request('/api/v1/keys/a', {}, 'hot');
    await gateway.request('/api/v1/keys/a', {}, 'node');
    const exchanges = get.mock.calls.map(([exchange]) => exchange);
    expect(exchanges).toEqual([expect.any(HotExchange), expect.any(NodeExchange)]);
  } finally {
    get.mockRestore();
    await gateway.close();
  }
});
