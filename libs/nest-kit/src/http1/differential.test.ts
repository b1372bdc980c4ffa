/**
 * The edge against `node:http`: the same bytes, cut anywhere, give the same answers and the same end. What
 * the edge would read in another way than the server behind it could be smuggled past either.
 */
import fc from 'fast-check';
import { comparable, startEcho, talk, type EchoServer } from './echo-servers.test-support.ts';

let plain: EchoServer;
let edge: EchoServer;

beforeAll(async () => {
  plain = await startEcho({ edge: false });
  edge = await startEcho({ edge: true });
});

afterAll(async () => {
  await plain.close();
  await edge.close();
});

async function expectAlike(pieces: readonly Buffer[]): Promise<void> {
  const [expected, found] = await Promise.all([talk(plain.port, pieces), talk(edge.port, pieces)]);
  expect(comparable(found)).toBe(comparable(expected));
}

const AFTER = 'GET /k/after HTTP/1.1\r\nHost: x\r\n\r\n';
const put = (headers: string, body = ''): string =>
  `PUT /k/a HTTP/1.1\r\nHost: x\r\n${headers}\r\n${body}`;
const get = (headers: string): string => `GET /k/a HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

const CASES: readonly (readonly [string, string])[] = [
  ['a length and chunks', put('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  ['chunks and a length', put('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', '0\r\n\r\n')],
  ['chunks', put('Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n\r\n')],
  ['chunks in capitals', put('TRANSFER-ENCODING: Chunked\r\n', '3\r\nabc\r\n0\r\n\r\n')],
  ['an unknown coding', put('Transfer-Encoding: xchunked\r\n', '3\r\nabc\r\n0\r\n\r\n')],
  ['a coding after a tab', put('Transfer-Encoding:\tchunked\r\n', '0\r\n\r\n')],
  ['a coding with a space before the colon', put('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')],
  ['two equal lengths', put('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc')],
  ['two lengths', put('Content-Length: 3\r\nContent-Length: 0\r\n', 'abc')],
  ['a list of lengths', put('Content-Length: 3, 3\r\n', 'abc')],
  ['a length with a sign', put('Content-Length: +3\r\n', 'abc')],
  ['a negative length', put('Content-Length: -3\r\n', 'abc')],
  ['a length with zeros', put('Content-Length: 003\r\n', 'abc')],
  ['a hexadecimal length', put('Content-Length: 0x3\r\n', 'abc')],
  ['a length with a space within', put('Content-Length: 0 3\r\n', 'abc')],
  ['a length with a space behind', put('Content-Length: 3 \r\n', 'abc')],
  ['a length behind a tab', put('Content-Length:\t3\r\n', 'abc')],
  ['no length at all', put('Content-Length: \r\n', 'abc')],
  ['a length without a space', put('Content-Length:3\r\n', 'abc')],
  ['a length with a space before the colon', put('Content-Length : 3\r\n', 'abc')],
  ['an enormous length', put('Content-Length: 99999999999999999999\r\n', 'abc')],
  ['a length in small letters', put('content-length: 3\r\n', 'abc')],
  ['a folded field', get('If-Match: "1",\r\n "2"\r\n')],
  ['a folded first field', 'GET /k/a HTTP/1.1\r\n Host: x\r\n\r\n'],
  ['a bare LF', 'GET /k/a HTTP/1.1\nHost: x\n\n'],
  ['a bare LF between fields', get('A: b\nC: d\r\n')],
  ['a bare CR in a value', get('A: b\rC: d\r\n')],
  ['a bare CR at the end', 'GET /k/a HTTP/1.1\r\nHost: x\r\n\rGET'],
  ['a NUL in a value', get('A: b\0c\r\n')],
  ['a NUL in a name', get('A\0: b\r\n')],
  ['a tab in a value', get('If-Match: a\tb\r\n')],
  ['a byte above ASCII in a value', get('If-Match: \xe9\r\n')],
  ['a name with a space', get('A b: c\r\n')],
  ['no name', get(': c\r\n')],
  ['no colon', get('Abc\r\n')],
  ['an empty value', get('If-Match:\r\n')],
  ['a value with a space behind', get('If-Match: "1" \r\n')],
  ['a value behind spaces', get('If-Match:   "1"\r\n')],
  ['a field twice', get('If-Match: "1"\r\nIf-Match: "2"\r\n')],
  ['a content type twice', get('Content-Type: a\r\nContent-Type: b\r\n')],
  ['two hosts', get('Host: y\r\n')],
  ['no host', 'GET /k/a HTTP/1.1\r\nA: b\r\n\r\n'],
  ['no fields', 'GET /k/a HTTP/1.1\r\n\r\n'],
  ['HTTP/1.0', 'GET /k/a HTTP/1.0\r\nHost: x\r\n\r\n'],
  ['HTTP/1.0 that stays', 'GET /k/a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n'],
  ['HTTP/1.2', 'GET /k/a HTTP/1.2\r\nHost: x\r\n\r\n'],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/0.9', 'GET /k/a\r\n\r\n'],
  ['a version in small letters', 'GET /k/a http/1.1\r\nHost: x\r\n\r\n'],
  ['two spaces', 'GET  /k/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a space behind the version', 'GET /k/a HTTP/1.1 \r\nHost: x\r\n\r\n'],
  ['a tab before the target', 'GET\t/k/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a method in small letters', 'get /k/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a method of no hot route', 'POST /k/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na'],
  ['an unknown method', 'GETX /k/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['an empty line before', '\r\nGET /k/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['another route', 'GET /other HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['absolute form', 'GET http://x/k/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['asterisk form', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a fragment', 'GET /k/a#b HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a byte above ASCII in the target', 'GET /k/\xe9 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a DEL in the target', 'GET /k/\x7f HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['every printable character in the target', `GET /k/${printable()} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['an escape', 'GET /k/%41 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a broken escape', 'GET /k/%4 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a close', get('Connection: close\r\n')],
  ['a close in a list', get('Connection: keep-alive, close\r\n')],
  ['keep-alive', get('Connection: Keep-Alive\r\n')],
  ['two connections', get('Connection: keep-alive\r\nConnection: close\r\n')],
  ['a proxy connection', get('Proxy-Connection: close\r\n')],
  ['an upgrade', get('Connection: upgrade\r\nUpgrade: h2c\r\n')],
  ['an upgrade without a connection', get('Upgrade: h2c\r\n')],
  ['an expectation', put('Expect: 100-continue\r\nContent-Length: 3\r\n', 'abc')],
  ['another expectation', put('Expect: magic\r\nContent-Length: 3\r\n', 'abc')],
  ['a GET with a body', get('Content-Length: 3\r\n') + 'abc'],
  ['a GET with an empty body', get('Content-Length: 0\r\n')],
  ['a HEAD with a body', 'HEAD /k/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc'],
  ['a DELETE', 'DELETE /k/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a PUT without a length', put('')],
  ['a head over the bound', get(`A: ${'y'.repeat(9_000)}\r\n`)],
  ['a head over the bound of Node', get(`A: ${'y'.repeat(17_000)}\r\n`)],
  ['many fields', get('A: b\r\n'.repeat(500))],
  ['a body over the bound', put('Content-Length: 70000\r\n', 'y'.repeat(70_000))],
  ['a truncated head', 'GET /k/a HTTP/1.1\r\nHo'],
  ['a truncated body', put('Content-Length: 100\r\n', 'abc')],
  ['random text', 'hello there\r\n\r\n'],
  ['nothing', ''],
];

function printable(): string {
  const codes = Array.from({ length: 0x7f - 0x21 }, (_, i) => 0x21 + i);
  return String.fromCharCode(...codes.filter((code) => code !== 0x25));
}

test.each(CASES)('%s, after a good request and before one', async (_what, bytes) => {
  await expectAlike([Buffer.from(bytes, 'latin1')]);
  await expectAlike([Buffer.from(AFTER + bytes + AFTER, 'latin1')]);
  await expectAlike([Buffer.from(AFTER, 'latin1'), Buffer.from(bytes + AFTER, 'latin1')]);
});

const line = fc.constantFrom(
  ...['PUT /k/a', 'PUT /k/b?x=%41', 'GET /k/a', 'GET /k/', 'HEAD /k/a', 'DELETE /k/a'],
  ...['GET /other', 'POST /k/a', 'GET http://h/k/a'],
);
const version = fc.constantFrom(...Array.from({ length: 12 }, () => 'HTTP/1.1'), 'HTTP/1.0');
const field = fc.constantFrom(
  ...[
    'If-Match: "1"',
    'if-match: *',
    'Content-Type: text/plain',
    'X-Request-Id: abc',
    'Accept: */*',
  ],
  ...['User-Agent: test/1.0 (x; y)', 'Connection: keep-alive', 'Accept-Encoding: gzip, br', 'A:b'],
  ...['Connection: close', 'Upgrade: x', 'Cookie:  a=b; c', 'Host: y'],
);
const usual = fc.record({
  line,
  version,
  fields: fc.array(field, { maxLength: 4 }),
  body: fc.option(fc.string({ maxLength: 40, unit: 'binary-ascii' }), { nil: undefined }),
});
const requests = fc.array(usual, { minLength: 1, maxLength: 5 }).map((all) =>
  all
    .map(({ line: start, version: of, fields, body }) => {
      const sent = start.startsWith('P') || body === undefined ? body : undefined;
      const length = sent === undefined ? [] : [`Content-Length: ${sent.length}`];
      return `${[`${start} ${of}`, 'Host: x', ...fields, ...length].join('\r\n')}\r\n\r\n${sent ?? ''}`;
    })
    .join(''),
);
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  how: fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), bit: fc.nat(7) }),
    fc.record({
      kind: fc.constant('insert' as const),
      text: fc.constantFrom('\r', '\n', '\0', ' ', '\t', ':', ',', '%', '\x80', '0', '\r\n', 'x'),
    }),
    fc.record({ kind: fc.constant('drop' as const) }),
    fc.record({ kind: fc.constant('end' as const) }),
  ),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutate(text: string, { at, how }: Mutation): string {
  const place = Math.floor(at * text.length);
  const rest = text.slice(place + 1);
  switch (how.kind) {
    case 'flip':
      return (
        text.slice(0, place) +
        String.fromCharCode((text.charCodeAt(place) || 0) ^ (1 << how.bit)) +
        rest
      );
    case 'insert':
      return text.slice(0, place) + how.text + text.slice(place);
    case 'drop':
      return text.slice(0, place) + rest;
    case 'end':
      return text.slice(0, place);
  }
}

function split(text: string, cuts: readonly number[]): Buffer[] {
  const places = cuts.map((cut) => Math.floor(cut * text.length)).sort((a, b) => a - b);
  const starts = [0, ...places];
  return starts
    .map((start, i) => Buffer.from(text.slice(start, places[i]), 'latin1'))
    .filter((piece) => piece.length > 0);
}

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });

test('usual requests, pipelined and cut anywhere, are answered as node:http does', async () => {
  const property = fc.asyncProperty(requests, cuts, async (text, at) => {
    await expectAlike(split(text, at));
  });
  await fc.assert(property, { numRuns: 400 });
  expect(edge.hot.length).toBeGreaterThan(200);
});

test('mutated requests, pipelined and cut anywhere, are answered as node:http does', async () => {
  const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });
  const property = fc.asyncProperty(requests, mutations, cuts, async (text, all, at) => {
    await expectAlike(split(all.reduce(mutate, text), at));
  });
  await fc.assert(property, { numRuns: 800 });
});
