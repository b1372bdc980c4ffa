/** The rules of RFC 9113 and the bounds against hostile peers, over real sockets, frame by frame. */
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { HeaderDecoder } from '../hpack/header-decoder.ts';
import { FrameParser } from './frame-parser.ts';
import type { Http2Limits } from './limits.ts';
import { ErrorCode, Flag, FrameType, SettingId } from './protocol.ts';
import {
  frame,
  headers,
  message,
  PREFACE,
  prefix,
  type RawClient,
  REQUEST,
  settings,
  uint32,
  type Frame,
} from './raw-client.test-support.ts';
import { HOLD, LARGE, TestServer } from './test-server.test-support.ts';

let server: TestServer;

function client(): RawClient {
  return server.client();
}

/** In the place of the one that has no limits of its own. */
async function restart(limits: Partial<Http2Limits>): Promise<void> {
  await server.end();
  server = await TestServer.start(limits);
}

beforeEach(async () => {
  server = await TestServer.start();
});
afterEach(() => server.end());

const BODY = Buffer.from('hello');

async function echo(peer: RawClient, id: number): Promise<void> {
  peer.send(headers(id), message(id, BODY));
  const { fields, body } = await peer.response(id);
  expect(fields).toMatchObject({ ':status': '200', 'grpc-status': '0' });
  expect(body).toEqual(Buffer.concat([prefix(BODY.length), BODY]));
}

test('SETTINGS are the first frame, the peer’s are acknowledged, and a call is answered', async () => {
  const peer = client().greet();
  await echo(peer, 1);
  expect(peer.frames[0]).toMatchObject({ type: FrameType.settings, flags: 0 });
  expect(peer.frames.some(({ type, flags }) => type === 4 && flags === Flag.ack)).toBe(true);
});

test('a connection in chunks of one byte is the same connection', async () => {
  const peer = client();
  const bytes = Buffer.concat([PREFACE, settings(), headers(1), message(1, BODY)]);
  for (const byte of bytes) peer.socket.write(Uint8Array.of(byte));
  expect((await peer.response(1)).fields['grpc-status']).toBe('0');
});

test('padding and priority are skipped, CONTINUATION is joined, unknown frames are ignored', async () => {
  const peer = client().greet();
  const block = headers(1).subarray(9);
  const padded = Buffer.concat([
    Buffer.from([3]),
    Buffer.alloc(5),
    block.subarray(0, 10),
    Buffer.alloc(3),
  ]);
  const body = Buffer.concat([Buffer.from([2]), prefix(1), Buffer.from('x'), Buffer.alloc(2)]);
  peer.send(
    frame(0x99, 0xff, 7, Buffer.alloc(12)),
    frame(FrameType.priority, 0, 1, Buffer.alloc(5)),
    frame(FrameType.headers, Flag.padded | Flag.priority, 1, padded),
    frame(FrameType.continuation, 0, 1, block.subarray(10, 20)),
    frame(FrameType.continuation, Flag.endHeaders, 1, block.subarray(20)),
    frame(FrameType.data, Flag.padded | Flag.endStream, 1, body),
  );
  expect((await peer.response(1)).body.toString('latin1')).toBe('\0\0\0\0\x01x');
});

test('PING is answered with its payload', async () => {
  const peer = client().greet();
  peer.send(frame(FrameType.ping, 0, 0, Buffer.from('12345678')));
  const answer = await peer.next(
    ({ type, flags }) => type === FrameType.ping && flags === Flag.ack,
  );
  expect(answer.payload.toString()).toBe('12345678');
});

const { protocolError, frameSizeError, flowControlError, compressionError, streamClosed } =
  ErrorCode;
const EIGHT = Buffer.alloc(8);

/** What follows preface and SETTINGS, and the code that it ends the connection with. */
const connectionErrors: readonly (readonly [string, number, readonly Buffer[]])[] = [
  ['DATA of stream 0', protocolError, [frame(FrameType.data, 0, 0)]],
  ['DATA of an idle stream', protocolError, [frame(FrameType.data, 0, 1)]],
  ['HEADERS of stream 0', protocolError, [headers(0)]],
  ['HEADERS of an even stream', protocolError, [headers(2)]],
  ['HEADERS of a closed stream', streamClosed, [headers(5), message(5, BODY), headers(3)]],
  [
    'padding as long as its frame',
    protocolError,
    [frame(FrameType.headers, Flag.padded | Flag.endHeaders, 1, Buffer.from([1]))],
  ],
  [
    'padded DATA without a length',
    protocolError,
    [headers(1), frame(FrameType.data, Flag.padded, 1)],
  ],
  [
    'HEADERS too short for a priority',
    frameSizeError,
    [frame(FrameType.headers, Flag.priority | Flag.endHeaders, 1, Buffer.alloc(4))],
  ],
  [
    'a frame within a header block',
    protocolError,
    [headers(1, REQUEST, 0), frame(FrameType.ping, 0, 0, EIGHT)],
  ],
  [
    'CONTINUATION of another stream',
    protocolError,
    [headers(1, REQUEST, 0), frame(FrameType.continuation, 4, 3)],
  ],
  ['CONTINUATION without HEADERS', protocolError, [frame(FrameType.continuation, 4, 1)]],
  ['CONTINUATION of stream 0', protocolError, [frame(FrameType.continuation, 4, 0)]],
  [
    'a header block that is no HPACK',
    compressionError,
    [frame(FrameType.headers, 4, 1, Buffer.from([0x80]))],
  ],
  [
    'trailers that are no HPACK',
    compressionError,
    [headers(1), frame(FrameType.headers, 5, 1, Buffer.from([0x80]))],
  ],
  ['PRIORITY of stream 0', protocolError, [frame(FrameType.priority, 0, 0, Buffer.alloc(5))]],
  ['PRIORITY of a wrong size', frameSizeError, [frame(FrameType.priority, 0, 1, Buffer.alloc(4))]],
  ['RST_STREAM of stream 0', protocolError, [frame(FrameType.rstStream, 0, 0, uint32(8))]],
  ['RST_STREAM of an idle stream', protocolError, [frame(FrameType.rstStream, 0, 1, uint32(8))]],
  [
    'RST_STREAM of a wrong size',
    frameSizeError,
    [headers(1), frame(FrameType.rstStream, 0, 1, EIGHT)],
  ],
  ['SETTINGS of a stream', protocolError, [frame(FrameType.settings, 0, 1)]],
  [
    'SETTINGS that end within an entry',
    frameSizeError,
    [frame(FrameType.settings, 0, 0, Buffer.alloc(5))],
  ],
  [
    'an acknowledgement with a payload',
    frameSizeError,
    [frame(FrameType.settings, Flag.ack, 0, Buffer.alloc(6))],
  ],
  ['ENABLE_PUSH of 2', protocolError, [settings([SettingId.enablePush, 2])]],
  [
    'INITIAL_WINDOW_SIZE of 2^31',
    flowControlError,
    [settings([SettingId.initialWindowSize, 2 ** 31])],
  ],
  ['MAX_FRAME_SIZE of 16,383', protocolError, [settings([SettingId.maxFrameSize, 16_383])]],
  ['MAX_FRAME_SIZE of 2^24', protocolError, [settings([SettingId.maxFrameSize, 2 ** 24])]],
  ['PUSH_PROMISE', protocolError, [frame(FrameType.pushPromise, 4, 1, Buffer.alloc(4))]],
  ['PING of a stream', protocolError, [frame(FrameType.ping, 0, 1, EIGHT)]],
  ['PING of a wrong size', frameSizeError, [frame(FrameType.ping, 0, 0, Buffer.alloc(7))]],
  ['GOAWAY of a stream', protocolError, [frame(FrameType.goaway, 0, 1, EIGHT)]],
  ['GOAWAY of a wrong size', frameSizeError, [frame(FrameType.goaway, 0, 0, Buffer.alloc(7))]],
  [
    'WINDOW_UPDATE of a wrong size',
    frameSizeError,
    [frame(FrameType.windowUpdate, 0, 0, Buffer.alloc(3))],
  ],
  ['WINDOW_UPDATE of 0', protocolError, [frame(FrameType.windowUpdate, 0, 0, uint32(0))]],
  [
    'WINDOW_UPDATE of an idle stream',
    protocolError,
    [frame(FrameType.windowUpdate, 0, 3, uint32(1))],
  ],
  [
    'a connection window above 2^31-1',
    flowControlError,
    [frame(FrameType.windowUpdate, 0, 0, uint32(0x7fff_ffff))],
  ],
  ['a frame above 16 KiB', frameSizeError, [frame(FrameType.ping, 0, 0, Buffer.alloc(16_385))]],
];

test.each(connectionErrors)('%s ends the connection', async (_what, code, frames) => {
  const peer = client().greet();
  peer.send(...frames);
  expect(await peer.goaway()).toBe(code);
});

test.each([
  ['another frame than SETTINGS', [PREFACE, frame(FrameType.ping, 0, 0, EIGHT)]],
  ['an acknowledgement', [PREFACE, frame(FrameType.settings, Flag.ack, 0)]],
  ['HTTP/1.1', [Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')]],
])('%s at the start ends the connection', async (_what, parts) => {
  const peer = client();
  peer.send(...parts);
  expect(await peer.goaway()).toBe(protocolError);
});

test('a setting that moves an open window above 2^31-1 ends the connection', async () => {
  const peer = client().greet();
  peer.send(
    headers(1),
    frame(FrameType.windowUpdate, 0, 1, uint32(0x7fff_0000)),
    settings([SettingId.initialWindowSize, 0x7fff_ffff]),
  );
  expect(await peer.goaway()).toBe(flowControlError);
});

const START = { ':method': 'POST', ':scheme': 'http', ':path': '/test.Test/Echo' };
const streamErrors: readonly (readonly [string, number, readonly Buffer[]])[] = [
  ['a name in upper case', protocolError, [headers(1, { ...REQUEST, Upper: 'x' })]],
  ['a value with a line feed', protocolError, [headers(1, { ...REQUEST, a: 'x\ny' })]],
  ['a value with a space at its end', protocolError, [headers(1, { ...REQUEST, a: 'x ' })]],
  ['a field of the connection', protocolError, [headers(1, { ...REQUEST, connection: 'close' })]],
  ['te that is not trailers', protocolError, [headers(1, { ...REQUEST, te: 'gzip' })]],
  ['an unknown pseudo-field', protocolError, [headers(1, { ':x': '', ...REQUEST })]],
  [
    'a pseudo-field behind a field',
    protocolError,
    [headers(1, { ...START, a: 'b', ':authority': '' })],
  ],
  ['a missing path', protocolError, [headers(1, { ':method': 'POST', ':scheme': 'http' })]],
  ['a response', protocolError, [headers(1, { ':status': '200' })]],
  [
    'a content-length that is no number',
    protocolError,
    [headers(1, { ...REQUEST, 'content-length': '1x' })],
  ],
  [
    'a body of another length',
    protocolError,
    [headers(1, { ...REQUEST, 'content-length': '9' }), message(1, BODY)],
  ],
  [
    'WINDOW_UPDATE of 0 for a stream',
    protocolError,
    [headers(1), frame(FrameType.windowUpdate, 0, 1, uint32(0))],
  ],
  [
    'a stream window above 2^31-1',
    flowControlError,
    [headers(1), frame(FrameType.windowUpdate, 0, 1, uint32(0x7fff_ffff))],
  ],
  ['trailers that do not end the stream', protocolError, [headers(1), headers(1, { a: 'b' })]],
  ['trailers with a pseudo-field', protocolError, [headers(1), headers(1, { ':path': '/' }, 5)]],
  ['DATA behind the end', streamClosed, [headers(1, HOLD), message(1, BODY), message(1, BODY)]],
  [
    'HEADERS behind the end',
    streamClosed,
    [headers(1, HOLD), message(1, BODY), headers(1, { a: 'b' }, 5)],
  ],
];

test.each(streamErrors)(
  '%s resets the stream and leaves the connection',
  async (_what, code, frames) => {
    const peer = client().greet();
    peer.send(...frames);
    expect(await peer.reset(1)).toBe(code);
    await echo(peer, 9);
  },
);

test('a pseudo-field that comes twice resets the stream', async () => {
  const peer = client().greet();
  const twice = Buffer.concat([Buffer.from([0x83, 0x83]), headers(1).subarray(9)]);
  peer.send(frame(FrameType.headers, Flag.endHeaders, 1, twice));
  expect(await peer.reset(1)).toBe(protocolError);
});

test('DATA beyond the window of its stream is refused', async () => {
  await restart({ streamWindowBytes: 1_000 });
  const peer = client().greet();
  peer.send(headers(1), frame(FrameType.data, 0, 1, Buffer.alloc(1_001)));
  expect(await peer.reset(1)).toBe(flowControlError);
  await echo(peer, 3);
});

test('windows are widened as bytes come, in batches', async () => {
  await restart({ streamWindowBytes: 10_000, connectionWindowBytes: 100_000 });
  const peer = client().greet();
  const part = Buffer.alloc(4_000);
  peer.send(
    headers(1, LARGE),
    frame(FrameType.data, 0, 1, Buffer.concat([prefix(79_995), Buffer.alloc(3_995)])),
  );
  for (let i = 0; i < 18; i++) peer.send(frame(FrameType.data, 0, 1, part));
  peer.send(frame(FrameType.data, Flag.endStream, 1, part));
  expect((await peer.response(1)).fields['grpc-status']).toBe('0');
  const updates = (id: number): readonly number[] =>
    peer.frames
      .filter((each) => each.type === FrameType.windowUpdate && each.id === id)
      .map(({ payload }) => payload.readUInt32BE(0));
  expect(updates(1)).toEqual(new Array(9).fill(8_000));
  expect(updates(0)).toEqual([100_000 - 65_535, 52_000]);
});

test('a header list above 16 KiB is answered with 431, and the table stays right', async () => {
  const peer = client().greet();
  peer.send(headers(1, { ...REQUEST, big: 'x'.repeat(16_300) }, 5));
  expect((await peer.response(1)).fields[':status']).toBe('431');
  await echo(peer, 3);
});

test('a header block over too many frames, or too many bytes, ends the connection', async () => {
  for (const [count, size] of [
    [40, 1],
    [3, 16_000],
  ] as const) {
    const peer = client().greet();
    peer.send(frame(FrameType.headers, 0, 1, Buffer.alloc(size, 0x82)));
    for (let i = 0; i < count; i++) {
      peer.send(frame(FrameType.continuation, 0, 1, Buffer.alloc(size, 0x82)));
    }
    expect(await peer.goaway()).toBe(ErrorCode.enhanceYourCalm);
  }
});

test('streams above the limit are refused, and one that ends makes room', async () => {
  await restart({ streamsMax: 2 });
  const peer = client().greet();
  for (const id of [1, 3, 5]) peer.send(headers(id, HOLD), message(id, BODY));
  expect(await peer.reset(5)).toBe(ErrorCode.refusedStream);
  server.held[0]!.respond(BODY);
  await peer.response(1);
  await echo(peer, 7);
});

test('a stream that is reset counts until its work has ended', async () => {
  await restart({ streamsMax: 2 });
  const peer = client().greet();
  for (const id of [1, 3]) {
    peer.send(headers(id, HOLD), message(id, BODY), frame(FrameType.rstStream, 0, id, uint32(8)));
  }
  peer.send(headers(5), message(5, BODY));
  expect(await peer.reset(5)).toBe(ErrorCode.refusedStream);
  expect(server.held.map((call) => call.cancelled)).toEqual([true, true]);
  for (const call of server.held) call.respond(BODY);
  await echo(peer, 7);
  expect(peer.frames.some(({ id, type }) => id === 1 && type === FrameType.headers)).toBe(false);
});

describe('floods end with ENHANCE_YOUR_CALM', () => {
  const rapidResets = Array.from({ length: 3_000 }, (_, i) =>
    Buffer.concat([headers(2 * i + 1), frame(FrameType.rstStream, 0, 2 * i + 1, uint32(8))]),
  );
  const provokedResets = Array.from({ length: 3_000 }, (_, i) =>
    Buffer.concat([headers(2 * i + 1), frame(FrameType.windowUpdate, 0, 2 * i + 1, uint32(0))]),
  );
  const repeat = (bytes: Buffer): readonly Buffer[] => Array.from({ length: 1_500 }, () => bytes);
  const answeredEarly = headers(1, { ...REQUEST, ':path': '/no/such' });
  test.each([
    ['rapid reset', rapidResets],
    ['resets that errors of the peer provoke', provokedResets],
    ['SETTINGS', repeat(settings())],
    ['PING', repeat(frame(FrameType.ping, 0, 0, EIGHT))],
    ['empty DATA', [headers(1), ...repeat(frame(FrameType.data, 0, 1))]],
    ['PRIORITY', repeat(frame(FrameType.priority, 0, 1, Buffer.alloc(5)))],
    ['unknown frames', repeat(frame(0x77, 0, 0))],
    ['malformed requests', Array.from({ length: 1_500 }, (_, i) => headers(2 * i + 1, { a: 'b' }))],
    ['DATA of a closed stream', [headers(1), message(1, BODY), ...repeat(message(1, BODY))]],
    ['empty DATA behind an early answer', [answeredEarly, ...repeat(frame(FrameType.data, 1, 1))]],
    ['HEADERS behind an early answer', [answeredEarly, ...repeat(headers(1, { a: 'b' }, 5))]],
    ['GOAWAY', repeat(frame(FrameType.goaway, 0, 0, EIGHT))],
  ])('%s', async (_what, frames) => {
    const peer = client().greet();
    peer.send(...frames);
    expect(await peer.goaway()).toBe(ErrorCode.enhanceYourCalm);
  });
});

test('frames in flight behind an early answer are no error', async () => {
  const peer = client().greet();
  peer.send(headers(1, { ...REQUEST, ':path': '/no/such' }));
  expect((await peer.response(1)).fields['grpc-status']).toBe('12');
  expect(await peer.reset(1)).toBe(ErrorCode.noError);
  peer.send(message(1, BODY, 0), message(1, BODY), headers(1, { a: 'b' }, 5));
  peer.send(
    frame(FrameType.windowUpdate, 0, 1, uint32(9)),
    frame(FrameType.rstStream, 0, 1, uint32(8)),
  );
  await echo(peer, 3);
});

test('responses of one turn leave together', async () => {
  const peer = client().greet();
  const ids = Array.from({ length: 50 }, (_, i) => 2 * i + 1);
  for (const id of ids) peer.send(headers(id, HOLD), message(id, BODY));
  await peer.ping();
  const reads: number[] = [];
  peer.socket.on('data', (chunk: Buffer) => reads.push(chunk.length));
  for (const call of server.held) call.respond(BODY);
  for (const id of ids) await peer.response(id);
  expect(reads).toHaveLength(1);
});

test('connections above the limit are closed', async () => {
  await restart({ connectionsMax: 1 });
  await client().greet().ping();
  const second = client().greet();
  await second.until(() => second.closed);
  expect(second.frames).toEqual([]);
});

test('closing lets calls end, refuses later streams, and then closes', async () => {
  const peer = client().greet();
  peer.send(headers(1, HOLD), message(1, BODY));
  await peer.ping();
  const closed = server.rpc.close(10_000);
  const ping = await peer.next(({ type, flags }) => type === FrameType.ping && flags === 0);
  const goaways = (): readonly Frame[] =>
    peer.frames.filter(({ type }) => type === FrameType.goaway);
  expect(goaways()[0]?.payload.readUInt32BE(0)).toBe(0x7fff_ffff);
  await echo(peer, 3);
  peer.send(frame(FrameType.ping, Flag.ack, 0, ping.payload));
  await peer.until(() => goaways().length === 2);
  expect(goaways()[1]?.payload.readUInt32BE(0)).toBe(3);
  peer.send(headers(5), message(5, BODY));
  server.held[0]!.respond(BODY);
  expect((await peer.response(1)).fields['grpc-status']).toBe('0');
  await closed;
  expect(peer.frames.some(({ id, type }) => id === 5 && type === FrameType.headers)).toBe(false);
});

test('closing cuts what outlasts the grace', async () => {
  const peer = client().greet();
  peer.send(headers(1, HOLD), message(1, BODY));
  await peer.ping();
  await server.rpc.close(50);
  expect(server.held[0]!.cancelled).toBe(true);
  server.held[0]!.respond(BODY);
});

test('a duplex stream that is no socket is served', async () => {
  const [near, far] = duplexPair();
  server.rpc.accept(far);
  const session = connectHttp2('http://test', { createConnection: () => near });
  expect(await post(session, BODY)).toEqual(BODY);
  session.destroy();
});

test('bytes at random behind the greeting end the connection or are ignored', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const peer = client().greet();
      peer.send(bytes);
      peer.socket.end();
      await peer.until(() => peer.closed);
    }),
    { numRuns: 100 },
  );
  await echo(client().greet(), 1);
});

test('header blocks of another encoder are decoded: many requests with random fields', async () => {
  const names = fc.stringMatching(/^x-[a-z]{1,8}$/);
  const values = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/);
  const lists = fc.array(fc.dictionary(names, values, { maxKeys: 6 }), {
    minLength: 100,
    maxLength: 100,
  });
  const [sent] = fc.sample(lists, { numRuns: 1, seed: Number(process.env['SEED'] ?? 7) });
  const seen: Record<string, string>[] = [];
  const capture = createServer((socket) => {
    socket.write(settings());
    const decoder = new HeaderDecoder({ tableBytesMax: 4_096, listBytesMax: 65_536 });
    const parser = new FrameParser((type, flags, id, bytes, start, end) => {
      if (type === FrameType.settings && flags === 0) socket.write(frame(4, Flag.ack, 0));
      if (type !== FrameType.headers) return;
      const from = (flags & Flag.priority) === 0 ? start : start + 5;
      const fields = decoder
        .decode(bytes, from, end)
        .fields.filter(({ name }) => name.startsWith('x-'));
      seen.push(Object.fromEntries(fields.map(({ name, value }) => [name, value])));
      socket.write(frame(FrameType.headers, 5, id, Buffer.from([0x88])));
    });
    socket.on('data', (chunk) => parser.push(chunk));
  });
  await new Promise<void>((resolve) => capture.listen(0, '127.0.0.1', resolve));
  const session = connectHttp2(`http://127.0.0.1:${(capture.address() as AddressInfo).port}`);
  for (const fields of sent!) {
    await new Promise<void>((resolve, reject) => {
      const stream = session.request({ ...fields, ':path': `/${seen.length % 7}` });
      stream
        .on('error', reject)
        .on('response', () => resolve())
        .resume();
    });
  }
  session.destroy();
  capture.close();
  expect(seen).toEqual(sent);
});

test('a client of node:http2 with the smallest windows gets a large response', async () => {
  const session = connectHttp2(`http://127.0.0.1:${server.port}`, {
    settings: { initialWindowSize: 1_000 },
  });
  const answer = await post(session, uint32(300_000), '/test.Test/Large');
  session.destroy();
  expect(answer).toEqual(Buffer.alloc(300_000, 1));
});

function post(
  session: ClientHttp2Session,
  body: Uint8Array,
  path = '/test.Test/Echo',
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => resolve(Buffer.concat(chunks).subarray(5)));
    stream.end(Buffer.concat([prefix(body.length), body]));
  });
}

/** Two ends that hand each other's chunks on by reference. */
function duplexPair(): readonly [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const end = (other: number): Duplex =>
    new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _encoding, done) {
        ends[other]!.push(chunk);
        done();
      },
      final(done) {
        ends[other]!.push(null);
        done();
      },
    });
  ends.push(end(1), end(0));
  return [ends[0]!, ends[1]!];
}
