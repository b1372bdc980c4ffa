/**
 * The same cases through every protocol: what a client is told must not depend on how it asks.
 *
 * A driver turns an operation into a request of its protocol and the answer into a common form.
 */
import 'reflect-metadata';
import type { ServiceError } from '@grpc/grpc-js';
import { errorRow, failure, type ErrorCode } from '@kvstore/contract';
import {
  GatewayHarness,
  problemOf,
  type Answer,
  type HttpEdge,
  type RequestOptions,
} from '../test-support/gateway-harness.ts';
import { errorDetails, GrpcTestClient } from '../test-support/grpc-client.ts';

interface Conditions {
  readonly exists?: boolean;
  readonly version?: number;
  readonly modRevisionIn?: readonly number[];
  readonly modRevisionNotIn?: readonly number[];
}

type Operation =
  | {
      readonly op: 'put';
      readonly key: string;
      readonly namespace?: string;
      readonly value?: string;
      readonly contentType?: string;
      readonly ttlSeconds?: number;
      readonly tags?: Readonly<Record<string, string>>;
      readonly conditions?: Conditions;
      readonly idempotencyKey?: string;
    }
  | {
      readonly op: 'get';
      readonly key: string;
      readonly namespace?: string;
      readonly revision?: number;
      readonly consistency?: string;
      readonly minRevision?: number;
    }
  | {
      readonly op: 'delete';
      readonly key: string;
      readonly namespace?: string;
      readonly strict?: boolean;
      readonly conditions?: Conditions;
    };

/** `code` is OK or an error code; the other members only where the protocol answered them. */
type Result = Readonly<Record<string, unknown>> & { readonly code: 'OK' | ErrorCode };

interface Driver {
  run(operation: Operation): Promise<Result>;
  close(): void;
}

class RestDriver implements Driver {
  readonly #gateway: GatewayHarness;
  readonly #edge: HttpEdge;

  constructor(gateway: GatewayHarness, edge: HttpEdge) {
    this.#gateway = gateway;
    this.#edge = edge;
  }

  async run(operation: Operation): Promise<Result> {
    const query = new URLSearchParams();
    const headers: Record<string, string> = {};
    if (operation.namespace !== undefined) query.set('namespace', operation.namespace);
    if ('conditions' in operation && operation.conditions)
      condition(operation.conditions, query, headers);
    const path = `/api/v1/keys/${encodeURIComponent(operation.key)}`;
    if (operation.op === 'put') return this.#put(path, operation, query, headers);
    if (operation.op === 'delete') {
      if (operation.strict !== undefined) query.set('strict', String(operation.strict));
      const answer = await this.#request(`${path}?${query.toString()}`, {
        method: 'DELETE',
        headers,
      });
      return failed(answer) ?? { code: 'OK', revision: Number(answer.headers['kv-revision']) };
    }
    return this.#get(path, operation, query);
  }

  async #put(
    path: string,
    operation: Extract<Operation, { op: 'put' }>,
    query: URLSearchParams,
    headers: Record<string, string>,
  ): Promise<Result> {
    if (operation.ttlSeconds !== undefined) query.set('ttl', String(operation.ttlSeconds));
    for (const [name, value] of Object.entries(operation.tags ?? {}))
      query.append('tag', `${name}=${value}`);
    if (operation.contentType !== undefined) headers['content-type'] = operation.contentType;
    if (operation.idempotencyKey !== undefined)
      headers['idempotency-key'] = operation.idempotencyKey;
    const body = operation.value ?? 'v';
    const answer = await this.#request(`${path}?${query.toString()}`, {
      method: 'PUT',
      body,
      headers,
    });
    if (failed(answer)) return failed(answer) as Result;
    const { key, namespace, version, revision, created_at, updated_at, expires_at } = answer.json();
    return { code: 'OK', key, namespace, version, revision, created_at, updated_at, expires_at };
  }

  async #get(
    path: string,
    operation: Extract<Operation, { op: 'get' }>,
    query: URLSearchParams,
  ): Promise<Result> {
    if (operation.revision !== undefined) query.set('revision', String(operation.revision));
    if (operation.minRevision !== undefined)
      query.set('min_revision', String(operation.minRevision));
    if (operation.consistency !== undefined)
      query.set('consistency', operation.consistency.toLowerCase());
    const headers = { accept: 'application/vnd.kvstore.entry+json' };
    const answer = await this.#request(`${path}?${query.toString()}`, { headers });
    if (failed(answer)) return failed(answer) as Result;
    const { encoding: _, checksum: __, ...entry } = answer.json();
    return {
      code: 'OK',
      ...entry,
      expires_at: entry['expires_at'],
      revision: Number(answer.headers['kv-revision']),
    };
  }

  #request(path: string, init: RequestOptions): Promise<Answer> {
    return this.#gateway.request(path, init, this.#edge);
  }

  close(): void {
    // Nothing is kept open.
  }
}

class GrpcDriver implements Driver {
  readonly #client: GrpcTestClient;

  constructor(gateway: GatewayHarness) {
    this.#client = new GrpcTestClient(gateway.gateway.grpcPort);
  }

  async run(operation: Operation): Promise<Result> {
    const { op, ...fields } = operation;
    const method = { put: 'Put', get: 'Get', delete: 'Delete' }[op];
    try {
      const reply = await this.#client.call(method, message(operation, fields));
      return { code: 'OK', ...this.#reply(op, reply) };
    } catch (error) {
      const details = errorDetails(error as ServiceError);
      const code = details.reason as ErrorCode;
      expect((error as ServiceError).code).toBe(errorRow(code).grpc);
      expect(details).toMatchObject({ code: errorRow(code).grpc, domain: 'kvstore' });
      return { code, detail: (error as ServiceError).details };
    }
  }

  #reply(op: Operation['op'], reply: Readonly<Record<string, unknown>>): object {
    const times = {
      created_at: iso(reply['created_at']),
      updated_at: iso(reply['updated_at']),
      expires_at: iso(reply['expires_at']),
    };
    if (op === 'delete') return { revision: reply['revision'] };
    const { create_revision: _, ...put } = reply;
    if (op === 'put') return { ...put, ...times };
    return { ...reply, value: String(reply['value']), ...times };
  }

  close(): void {
    this.#client.close();
  }
}

function message(operation: Operation, fields: object): object {
  const rest = operation as { value?: string; conditions?: Conditions };
  return {
    ...fields,
    value: rest.value ?? 'v',
    content_type: (operation as { contentType?: string }).contentType,
    ttl_seconds: (operation as { ttlSeconds?: number }).ttlSeconds,
    idempotency_key: (operation as { idempotencyKey?: string }).idempotencyKey,
    min_revision: (operation as { minRevision?: number }).minRevision,
    ...(rest.value === undefined && operation.op === 'put' && { value: Buffer.from('v') }),
    ...(rest.value !== undefined && { value: Buffer.from(rest.value) }),
    ...(rest.conditions && {
      conditions: {
        exists: rest.conditions.exists,
        version: rest.conditions.version,
        mod_revision_in: rest.conditions.modRevisionIn,
        mod_revision_not_in: rest.conditions.modRevisionNotIn,
      },
    }),
  };
}

function condition(
  conditions: Conditions,
  query: URLSearchParams,
  headers: Record<string, string>,
): void {
  const tags = (revisions: readonly number[]): string =>
    revisions.map((each) => `"${each}"`).join(', ');
  if (conditions.exists === true) headers['if-match'] = '*';
  if (conditions.exists === false) headers['if-none-match'] = '*';
  if (conditions.version !== undefined) query.set('if_version', String(conditions.version));
  if (conditions.modRevisionIn) headers['if-match'] = tags(conditions.modRevisionIn);
  if (conditions.modRevisionNotIn) headers['if-none-match'] = tags(conditions.modRevisionNotIn);
}

function failed(answer: Answer): Result | undefined {
  if (answer.status < 400) return undefined;
  const problem = problemOf(answer);
  expect(problem.status).toBe(errorRow(problem.code).http);
  return { code: problem.code, detail: problem.detail };
}

function iso(timestamp: unknown): string | undefined {
  if (timestamp === null || timestamp === undefined) return undefined;
  const { seconds, nanos } = timestamp as { seconds: number; nanos: number };
  return new Date(Number(seconds) * 1_000 + nanos / 1_000_000).toISOString();
}

const OK = { code: 'OK' } as const;
const CREATED = '2026-01-02T03:04:05.678Z';

type Step = readonly [Operation, Result];

const scripts: Readonly<Record<string, readonly Step[]>> = {
  'a key is created, updated, read and deleted': [
    [
      { op: 'put', key: 'a' },
      {
        ...OK,
        key: 'a',
        namespace: 'default',
        version: 1,
        revision: 1,
        created_at: CREATED,
        updated_at: CREATED,
        expires_at: undefined,
      },
    ],
    [
      { op: 'put', key: 'a', value: 'w', contentType: 'text/plain' },
      { ...OK, version: 2, revision: 2 },
    ],
    [
      { op: 'get', key: 'a' },
      {
        ...OK,
        key: 'a',
        namespace: 'default',
        value: 'w',
        content_type: 'text/plain',
        tags: {},
        version: 2,
        create_revision: 1,
        mod_revision: 2,
        revision: 2,
        created_at: CREATED,
      },
    ],
    [
      { op: 'delete', key: 'a' },
      { ...OK, revision: 3 },
    ],
    [{ op: 'get', key: 'a' }, { code: 'KEY_NOT_FOUND' }],
  ],
  'attributes are kept and replaced together': [
    [
      { op: 'put', key: 'a', ttlSeconds: 60, tags: { team: 'a=b c', x: 'é' } },
      { ...OK, expires_at: '2026-01-02T03:05:05.678Z' },
    ],
    [
      { op: 'get', key: 'a' },
      {
        ...OK,
        tags: { team: 'a=b c', x: 'é' },
        content_type: 'application/octet-stream',
        expires_at: '2026-01-02T03:05:05.678Z',
      },
    ],
    [
      { op: 'put', key: 'a' },
      { ...OK, expires_at: undefined },
    ],
    [
      { op: 'get', key: 'a' },
      { ...OK, tags: {}, expires_at: undefined },
    ],
  ],
  'any text is a key': ['../x', '//', 'a b', '\u0000', '😀', '__proto__', 'k'.repeat(1024)].flatMap(
    (key): Step[] => [
      [
        { op: 'put', key },
        { ...OK, key },
      ],
      [
        { op: 'get', key },
        { ...OK, key },
      ],
    ],
  ),
  'an empty value is a value': [
    [{ op: 'put', key: 'a', value: '' }, OK],
    [
      { op: 'get', key: 'a' },
      { ...OK, value: '' },
    ],
  ],
  'the past can be read': [
    [{ op: 'put', key: 'a', value: 'old' }, OK],
    [{ op: 'put', key: 'a', value: 'new' }, OK],
    [
      { op: 'get', key: 'a', revision: 1 },
      { ...OK, value: 'old', mod_revision: 1 },
    ],
  ],
  'conditions hold or fail alike': [
    [{ op: 'put', key: 'a', conditions: { exists: true } }, { code: 'CONDITION_FAILED' }],
    [
      { op: 'put', key: 'a', conditions: { version: 0 } },
      { ...OK, version: 1 },
    ],
    [{ op: 'put', key: 'a', conditions: { exists: false } }, { code: 'CONDITION_FAILED' }],
    [
      { op: 'put', key: 'a', conditions: { version: 1 } },
      { ...OK, version: 2 },
    ],
    [{ op: 'put', key: 'a', conditions: { modRevisionIn: [1, 9] } }, { code: 'CONDITION_FAILED' }],
    [
      { op: 'put', key: 'a', conditions: { modRevisionIn: [9, 2] } },
      { ...OK, version: 3 },
    ],
    [{ op: 'put', key: 'a', conditions: { modRevisionNotIn: [3] } }, { code: 'CONDITION_FAILED' }],
    [{ op: 'delete', key: 'a', conditions: { version: 1 } }, { code: 'CONDITION_FAILED' }],
    [{ op: 'delete', key: 'a', conditions: { exists: true, version: 3 } }, OK],
    [{ op: 'delete', key: 'a', conditions: { exists: true } }, { code: 'CONDITION_FAILED' }],
  ],
  'deleting nothing succeeds unless it is strict': [
    [
      { op: 'delete', key: 'a' },
      { ...OK, revision: 0 },
    ],
    [{ op: 'delete', key: 'a', strict: true }, { code: 'KEY_NOT_FOUND' }],
  ],
  'an idempotency key applies once and refuses another request': [
    [
      { op: 'put', key: 'a', idempotencyKey: 'k' },
      { ...OK, revision: 1 },
    ],
    [
      { op: 'put', key: 'a', idempotencyKey: 'k' },
      { ...OK, revision: 1 },
    ],
    [{ op: 'put', key: 'b', idempotencyKey: 'k' }, { code: 'IDEMPOTENCY_CONFLICT' }],
  ],
  'namespaces do not share keys': [
    [
      { op: 'put', key: 'a', namespace: 'one' },
      { ...OK, namespace: 'one' },
    ],
    [{ op: 'get', key: 'a', namespace: 'two' }, { code: 'KEY_NOT_FOUND' }],
  ],
  'every level of consistency reads': [
    [{ op: 'put', key: 'a' }, OK],
    ...(['LINEARIZABLE', 'LEASE', 'EVENTUAL'] as const).map((consistency): Step => [
      { op: 'get', key: 'a', consistency },
      OK,
    ]),
    [{ op: 'get', key: 'a', consistency: 'SESSION', minRevision: 1 }, OK],
    [{ op: 'get', key: 'a', consistency: 'SESSION' }, { code: 'INVALID_ARGUMENT' }],
  ],
  'bad input is refused with the same code': [
    [
      { op: 'put', key: '' },
      { code: 'INVALID_ARGUMENT', detail: 'The key is empty.' },
    ],
    [
      { op: 'put', key: 'k'.repeat(1025) },
      { code: 'KEY_TOO_LONG', detail: 'The key has 1025 bytes, the limit is 1024.' },
    ],
    [{ op: 'put', key: 'a', namespace: 'Default' }, { code: 'INVALID_ARGUMENT' }],
    [{ op: 'put', key: 'a', contentType: 'x'.repeat(256) }, { code: 'INVALID_ARGUMENT' }],
    [{ op: 'put', key: 'a', ttlSeconds: -1 }, { code: 'INVALID_ARGUMENT' }],
    [{ op: 'put', key: 'a', ttlSeconds: 2 ** 53 }, { code: 'INVALID_ARGUMENT' }],
    [{ op: 'put', key: 'a', tags: { X: '1' } }, { code: 'INVALID_ARGUMENT' }],
    [{ op: 'put', key: 'a', tags: { x: 'v'.repeat(257) } }, { code: 'INVALID_ARGUMENT' }],
    [
      {
        op: 'put',
        key: 'a',
        tags: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`t${i}`, ''])),
      },
      { code: 'INVALID_ARGUMENT' },
    ],
    [{ op: 'put', key: 'a', idempotencyKey: 'k'.repeat(256) }, { code: 'INVALID_ARGUMENT' }],
    [{ op: 'put', key: 'a', conditions: { modRevisionIn: [0] } }, { code: 'INVALID_ARGUMENT' }],
    [{ op: 'put', key: 'a', conditions: { version: 2 ** 53 } }, { code: 'INVALID_ARGUMENT' }],
    [
      { op: 'put', key: 'a', value: 'x'.repeat(320 * 1024 + 1) },
      { code: 'VALUE_TOO_LARGE', detail: 'The value has 327681 bytes, the limit is 327680 bytes.' },
    ],
    [{ op: 'get', key: 'a', revision: 2 ** 53 }, { code: 'INVALID_ARGUMENT' }],
  ],
};

const drivers = {
  'REST at the hot edge': (gateway: GatewayHarness): Driver => new RestDriver(gateway, 'hot'),
  'REST through node:http': (gateway: GatewayHarness): Driver => new RestDriver(gateway, 'node'),
  gRPC: (gateway: GatewayHarness): Driver => new GrpcDriver(gateway),
};

describe.each(Object.keys(drivers) as (keyof typeof drivers)[])('%s', (protocol) => {
  let gateway: GatewayHarness;
  let driver: Driver;

  beforeEach(async () => {
    gateway = await new GatewayHarness().start();
    driver = drivers[protocol](gateway);
  });

  afterEach(async () => {
    driver.close();
    await gateway.close();
  });

  test.each(Object.keys(scripts))('%s', async (name) => {
    for (const [operation, expected] of scripts[name] ?? []) {
      expect(await driver.run(operation)).toMatchObject(expected);
    }
  });

  test.each([
    'NO_LEADER',
    'OVERLOADED',
    'QUOTA_EXCEEDED',
    'DEADLINE_EXCEEDED',
    'COMMIT_UNKNOWN',
    'REVISION_COMPACTED',
  ] as const)('the cluster’s %s is answered as it is', async (code) => {
    gateway.client.failing = failure(code, 'As the cluster says.');
    for (const op of ['put', 'get', 'delete'] as const) {
      expect(await driver.run({ op, key: 'a' })).toMatchObject({
        code,
        detail: 'As the cluster says.',
      });
    }
  });

  test('a bug below is INTERNAL and tells nothing', async () => {
    gateway.client.write = () => Promise.reject(new TypeError('secret'));
    const result = await driver.run({ op: 'put', key: 'a' });
    expect(result.code).toBe('INTERNAL');
    expect(JSON.stringify(result)).not.toContain('secret');
    expect(gateway.logged.join('')).toContain('secret');
  });
});
