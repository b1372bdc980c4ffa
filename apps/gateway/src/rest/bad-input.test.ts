import 'reflect-metadata';
import type { ErrorCode } from '@kvstore/contract';
import {
  GatewayHarness,
  parseAnswer,
  type Answer,
  problemOf,
  type RequestOptions,
} from '../../test-support/gateway-harness.ts';

const KEYS = '/api/v1/keys/';
let gateway: GatewayHarness;

beforeAll(async () => {
  gateway = await new GatewayHarness().start();
});

afterAll(() => gateway.close());

afterEach(() => {
  expect(gateway.logged).toEqual([]);
});

type Case = [what: string, path: string, code: ErrorCode, detail: RegExp, init?: RequestOptions];

const put = (
  headers: Record<string, string> = {},
  body: string | Uint8Array = 'v',
): RequestOptions => ({ method: 'PUT', body, headers });

const cases: Case[] = [
  ['an empty key', KEYS, 'INVALID_ARGUMENT', /key is empty/, put()],
  ['an empty key on GET', `${KEYS}?namespace=x`, 'INVALID_ARGUMENT', /key is empty/],
  ['a key over the limit', KEYS + 'k'.repeat(1025), 'KEY_TOO_LONG', /1025 bytes/, put()],
  [
    'a key over the limit in bytes, not characters',
    KEYS + '%C3%A9'.repeat(513),
    'KEY_TOO_LONG',
    /1026 bytes/,
  ],
  ['a percent sign alone', `${KEYS}a%`, 'INVALID_ARGUMENT', /percent-encoded/],
  ['a percent sign before no digits', `${KEYS}%zz`, 'INVALID_ARGUMENT', /percent-encoded/],
  ['a byte that is not UTF-8', `${KEYS}%ff`, 'INVALID_ARGUMENT', /UTF-8/],
  ['overlong UTF-8', `${KEYS}%c0%af`, 'INVALID_ARGUMENT', /UTF-8/],
  ['a surrogate', `${KEYS}%ed%a0%80`, 'INVALID_ARGUMENT', /UTF-8/],
  ['a byte that is not percent-encoded', `${KEYS}\xe9`, 'INVALID_ARGUMENT', /well-formed/],
  ['a fragment', `${KEYS}a#b`, 'INVALID_ARGUMENT', /%23/],
  [
    'a namespace with a capital',
    `${KEYS}a?namespace=Default`,
    'INVALID_ARGUMENT',
    /namespace must match/,
  ],
  ['an empty namespace', `${KEYS}a?namespace=`, 'INVALID_ARGUMENT', /namespace must match/],
  [
    'a namespace too long',
    `${KEYS}a?namespace=${'n'.repeat(64)}`,
    'INVALID_ARGUMENT',
    /namespace must match/,
  ],
  [
    'an unknown parameter',
    `${KEYS}a?namspace=x`,
    'INVALID_ARGUMENT',
    /"namspace"; the nearest is "namespace"/,
  ],
  [
    'a parameter of another method',
    `${KEYS}a?ttl=1s`,
    'INVALID_ARGUMENT',
    /Unknown query parameter "ttl"/,
  ],
  [
    'a parameter named like a property',
    `${KEYS}a?__proto__=1`,
    'INVALID_ARGUMENT',
    /Unknown query parameter/,
  ],
  [
    'a parameter in the wrong case',
    `${KEYS}a?Namespace=x`,
    'INVALID_ARGUMENT',
    /nearest is "namespace"/,
  ],
  [
    'a parameter given twice',
    `${KEYS}a?namespace=x&namespace=x`,
    'INVALID_ARGUMENT',
    /given twice/,
  ],
  ['a query that is not UTF-8', `${KEYS}a?namespace=%ff`, 'INVALID_ARGUMENT', /query is not/],
  ['a query with a stray percent sign', `${KEYS}a?namespace=%`, 'INVALID_ARGUMENT', /query is not/],
  ['a lease', `${KEYS}a?lease=1`, 'UNIMPLEMENTED', /Leases/, put()],
  ...['0', '-1', '1.5s', '', '9223372036854775808', '1w', '1 s', '36501d'].map((ttl): Case => [
    `the time to live "${ttl}"`,
    `${KEYS}a?ttl=${encodeURIComponent(ttl)}`,
    'INVALID_ARGUMENT',
    /ttl|time to live/,
    put(),
  ]),
  ...['0', '61s', '-1', 'x', ''].map((timeout): Case => [
    `the timeout "${timeout}"`,
    `${KEYS}a?timeout=${timeout}`,
    'INVALID_ARGUMENT',
    /timeout/,
  ]),
  ...['-1', '1.0', '1e3', '0x1', 'NaN', '', '9007199254740992'].map((version): Case => [
    `the version "${version}"`,
    `${KEYS}a?if_version=${version}`,
    'INVALID_ARGUMENT',
    /if_version/,
    put(),
  ]),
  ['a revision that is no number', `${KEYS}a?revision=now`, 'INVALID_ARGUMENT', /revision/],
  ['an unknown consistency', `${KEYS}a?consistency=strong`, 'INVALID_ARGUMENT', /consistency/],
  [
    'a session without a revision',
    `${KEYS}a?consistency=session`,
    'INVALID_ARGUMENT',
    /min_revision/,
  ],
  [
    'a strictness that is no truth value',
    `${KEYS}a?strict=yes`,
    'INVALID_ARGUMENT',
    /strict/,
    { method: 'DELETE' },
  ],
  ['a tag without a value', `${KEYS}a?tag=x`, 'INVALID_ARGUMENT', /tag=name=value/, put()],
  ['a tag name with a capital', `${KEYS}a?tag=X=1`, 'INVALID_ARGUMENT', /tag name/, put()],
  ['an empty tag name', `${KEYS}a?tag==1`, 'INVALID_ARGUMENT', /tag name/, put()],
  [
    'a tag value too long',
    `${KEYS}a?tag=x=${'%C3%A9'.repeat(129)}`,
    'INVALID_ARGUMENT',
    /256 bytes/,
    put(),
  ],
  ['a tag given twice', `${KEYS}a?tag=x=1&tag=x=2`, 'INVALID_ARGUMENT', /given twice/, put()],
  [
    'too many tags',
    `${KEYS}a?${Array.from({ length: 17 }, (_, i) => `tag=t${i}=1`).join('&')}`,
    'INVALID_ARGUMENT',
    /16 tags/,
    put(),
  ],
  [
    'a content type too long',
    `${KEYS}a`,
    'INVALID_ARGUMENT',
    /content type/,
    put({ 'content-type': 'a'.repeat(256) }),
  ],
  [
    'a content type with a control character',
    `${KEYS}a`,
    'INVALID_ARGUMENT',
    /content type/,
    put({ 'content-type': 'a\tb' }),
  ],
  [
    'a content type that is not ASCII',
    `${KEYS}a`,
    'INVALID_ARGUMENT',
    /content type/,
    put({ 'content-type': '\xe9' }),
  ],
  [
    'an idempotency key too long',
    `${KEYS}a`,
    'INVALID_ARGUMENT',
    /idempotency key/,
    put({ 'idempotency-key': 'k'.repeat(256) }),
  ],
  [
    'an empty idempotency key',
    `${KEYS}a`,
    'INVALID_ARGUMENT',
    /idempotency key/,
    put({ 'idempotency-key': '' }),
  ],
  [
    'a compressed body',
    `${KEYS}a`,
    'INVALID_ARGUMENT',
    /Content-Encoding/,
    put({ 'content-encoding': 'gzip' }),
  ],
  [
    'a part of a value',
    `${KEYS}a`,
    'INVALID_ARGUMENT',
    /Content-Range/,
    put({ 'content-range': 'bytes 0-0/5' }),
  ],
  [
    'a condition by date',
    `${KEYS}a`,
    'INVALID_ARGUMENT',
    /If-Match/,
    put({ 'if-unmodified-since': 'Fri, 02 Jan 2026 03:04:05 GMT' }),
  ],
  [
    'a value over the limit',
    `${KEYS}a`,
    'VALUE_TOO_LARGE',
    /327681 bytes, the limit is 327680/,
    put({}, new Uint8Array(320 * 1024 + 1)),
  ],
  ...[
    'W/"1"',
    '1',
    '"a"',
    '"0"',
    '"01"',
    '"1" "2"',
    '"1",',
    '',
    '*, "1"',
    '"-1"',
    '"9007199254740993"',
    'W/*',
  ].flatMap((tag): Case[] => [
    [`If-Match: ${tag}`, `${KEYS}a`, 'INVALID_ARGUMENT', /If-Match/, put({ 'if-match': tag })],
    [
      `If-None-Match: ${tag}`,
      `${KEYS}a`,
      'INVALID_ARGUMENT',
      /If-None-Match/,
      { headers: { 'if-none-match': tag } },
    ],
  ]),
  [
    'too many entity tags',
    `${KEYS}a`,
    'INVALID_ARGUMENT',
    /64 revisions/,
    put({ 'if-match': Array.from({ length: 65 }, (_, i) => `"${i + 1}"`).join(',') }),
  ],
  [
    'an unknown view',
    `${KEYS}a`,
    'NOT_ACCEPTABLE',
    /entry\+json/,
    { headers: { accept: 'application/vnd.kvstore.value+json' } },
  ],
  [
    'a status that is not JSON',
    '/api/v1/admin/status',
    'NOT_ACCEPTABLE',
    /application\/json/,
    { headers: { accept: 'text/html' } },
  ],
  [
    'an unknown parameter of status',
    '/api/v1/admin/status?x=1',
    'INVALID_ARGUMENT',
    /nearest is "timeout"/,
  ],
  ['an unknown route', '/api/v1/nothing', 'ROUTE_NOT_FOUND', /no such route/],
  ['the root', '/', 'ROUTE_NOT_FOUND', /no such route/],
  ['a route in the wrong case', '/API/v1/keys/a', 'ROUTE_NOT_FOUND', /no such route/],
  ['a route with a doubled slash', '/api//v1/keys/a', 'ROUTE_NOT_FOUND', /no such route/],
  [
    'a method a key does not have',
    `${KEYS}a`,
    'METHOD_NOT_ALLOWED',
    /DELETE, GET, HEAD, PUT/,
    { method: 'POST', body: 'x' },
  ],
  [
    'a patch',
    `${KEYS}a`,
    'METHOD_NOT_ALLOWED',
    /DELETE, GET, HEAD, PUT/,
    { method: 'PATCH', body: 'x' },
  ],
  [
    'a method of WebDAV',
    `${KEYS}a`,
    'METHOD_NOT_ALLOWED',
    /DELETE, GET, HEAD, PUT/,
    { method: 'PROPFIND' },
  ],
  [
    'a method a listing does not have',
    '/api/v1/keys',
    'METHOD_NOT_ALLOWED',
    /GET/,
    { method: 'DELETE' },
  ],
  ...(
    [
      ['GET', 'keys?prefix=a'],
      ['POST', 'batch/put'],
      ['POST', 'batch/get'],
      ['POST', 'batch/delete'],
      ['POST', 'transaction'],
      ['GET', 'watch'],
      ['GET', 'watch/a/b'],
      ['POST', 'admin/backup'],
      ['POST', 'admin/restore'],
      ['GET', 'admin/metrics'],
      ['POST', 'admin/compact'],
    ] as const
  ).map(([method, path]): Case => [
    `${method} ${path}`,
    `/api/v1/${path}`,
    'UNIMPLEMENTED',
    /not offer/,
    { method, ...(method !== 'GET' && { body: '{}' }) },
  ]),
];

const statusOf: Partial<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  KEY_TOO_LONG: 400,
  ROUTE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  VALUE_TOO_LARGE: 413,
  UNIMPLEMENTED: 501,
};

// Why the map: jest would pass its own callback where a case has no fifth element.
const complete = cases.map(
  ([what, path, code, detail, init = {}]) => [what, path, code, detail, init] as const,
);

test.each(complete)(
  '%s is refused as a problem document',
  async (_what, path, code, detail, init) => {
    const answer = await gateway.request(path, init);
    expect(same(await gateway.request(path, init, 'node'))).toEqual(same(answer));
    const problem = problemOf(answer);
    expect([problem.code, problem.status]).toEqual([code, statusOf[code]]);
    expect(problem.detail).toMatch(detail);
    if (code === 'METHOD_NOT_ALLOWED')
      expect(problem.detail).toContain(answer.headers['allow'] ?? 'no Allow');
  },
);

/** Of an answer, what no edge may change. */
function same({ status, headers, text }: Answer): object {
  const { 'x-request-id': id = '', date: _, connection: __, 'keep-alive': ___, ...rest } = headers;
  return { status, rest, text: text.replace(id, 'ID') };
}

test('a chunked value over the limit is refused before its end', async () => {
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  const answer = parseAnswer(
    Buffer.from(
      await gateway.exchange(
        `PUT ${KEYS}a HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(6)}0\r\n\r\n`,
      ),
      'latin1',
    ),
  );
  expect(problemOf(answer)).toMatchObject({ status: 413, code: 'VALUE_TOO_LARGE' });
});

test('a transfer coding other than chunked is refused', async () => {
  const answer = parseAnswer(
    Buffer.from(
      await gateway.exchange(
        `PUT ${KEYS}a HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      ),
      'latin1',
    ),
  );
  expect(problemOf(answer)).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT' });
});

test('a client that leaves in the middle of a body does not disturb the others', async () => {
  const { connect } = await import('node:net');
  const socket = connect(gateway.gateway.httpPort, '127.0.0.1');
  await new Promise<void>((resolve) =>
    socket.write(`PUT ${KEYS}left HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nab`, () =>
      resolve(),
    ),
  );
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.destroy();
  await gone;
  expect(problemOf(await gateway.request(`${KEYS}left`)).code).toBe('KEY_NOT_FOUND');
});

test('thousands of pipelined requests are answered in order', async () => {
  const count = 2_000;
  const requests = Array.from(
    { length: count },
    (_, i) =>
      `GET ${KEYS}missing HTTP/1.1\r\nhost: x\r\nx-request-id: r${i}\r\n${i === count - 1 ? 'connection: close\r\n' : ''}\r\n`,
  );
  const answers = await gateway.exchange(requests.join(''));
  const ids = [...answers.matchAll(/x-request-id: r(\d+)/g)].map((match) => Number(match[1]));
  expect(ids).toEqual(Array.from({ length: count }, (_, i) => i));
});
