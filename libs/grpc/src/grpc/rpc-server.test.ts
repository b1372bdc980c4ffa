/** gRPC as grpc-js and raw frames see it, and services written for grpc-js. */
import {
  Client,
  credentials,
  Metadata as ClientMetadata,
  status,
  type CallOptions,
  type ServiceError,
} from '@grpc/grpc-js';
import fc from 'fast-check';
import { FrameType } from '../http2/protocol.ts';
import {
  frame,
  headers,
  message,
  prefix,
  RawClient,
  REQUEST,
  uint32,
} from '../http2/raw-client.test-support.ts';
import { RpcServer, type RpcServerOptions } from './rpc-server.ts';
import type { MethodDefinition, ServiceCall, UnaryCallback } from './service-call.ts';
import type { UnaryCall } from './unary-call.ts';

const ECHO = '/test.Test/Echo';
const MESSAGE_BYTES_MAX = 24 * 1024 * 1024;
let server: RpcServer;
let client: Client;
let port: number;
let last: UnaryCall | undefined;
let errors: unknown[];
const raws: RawClient[] = [];

const same = (bytes: Buffer): Buffer => bytes;

function definition(name: string, kind: Partial<MethodDefinition> = {}): MethodDefinition {
  return {
    path: `/test.Service/${name}`,
    requestStream: false,
    responseStream: false,
    requestDeserialize: (bytes) => JSON.parse(bytes.toString()) as object,
    responseSerialize: (value) => Buffer.from(JSON.stringify(value)),
    originalName: name.toLowerCase(),
    ...kind,
  };
}

const cancelled: string[] = [];
const implementation = {
  unary: (call: ServiceCall, callback: UnaryCallback) => {
    const { fail } = call.request as { fail?: boolean };
    if (fail === true) callback({ code: status.NOT_FOUND, details: 'Not here.' });
    else callback(null, { got: call.request, id: call.metadata.get('x-id') });
  },
  throws: () => {
    throw new TypeError('secret');
  },
  count: (call: ServiceCall) => {
    call.on('cancelled', () => cancelled.push('count'));
    for (let i = 0; i < 3; i++) call.write({ i });
    if ((call.request as { end?: boolean }).end === true) call.end();
  },
  flood: (call: ServiceCall) => {
    call.on('cancelled', () => cancelled.push('flood'));
    const part = { text: 'x'.repeat(100_000) };
    for (let i = 0; i < 100; i++) call.write(part);
  },
  chat: (call: ServiceCall) => {
    call.on('data', (value: object) => call.write({ echo: value }));
    call.on('end', () => call.end());
  },
  breaks: (call: ServiceCall) => {
    call.write({});
    call.emit('error', { code: status.ABORTED, details: 'Half way.' });
  },
};

async function listen(options: Partial<RpcServerOptions> = {}): Promise<void> {
  server = new RpcServer({
    messageBytesMax: MESSAGE_BYTES_MAX,
    bufferedBytesMax: 64 * 1024 * 1024,
    ...options,
    onError: (error) => errors.push(error),
  });
  server.unary(ECHO, (bytes, call) => {
    last = call;
    call.respond(bytes);
  });
  server.unary('/test.Test/Hold', (_bytes, call) => (last = call));
  server.unary('/test.Test/Throw', () => {
    throw new TypeError('secret');
  });
  server.unary('/test.Test/Large', (_bytes, call) =>
    call.respond(Buffer.alloc(MESSAGE_BYTES_MAX + 1)),
  );
  server.unary('/test.Test/Fail', (bytes, call) =>
    call.fail({
      code: status.FAILED_PRECONDITION,
      message: bytes.toString(),
      metadata: { 'x-text': 'a b', 'x-bytes-bin': Uint8Array.of(0, 255, 1) },
    }),
  );
  const stream = { responseStream: true };
  server.addService(
    {
      Unary: definition('Unary'),
      Throws: definition('Throws'),
      Count: definition('Count', stream),
      Flood: definition('Flood', stream),
      Breaks: definition('Breaks', stream),
      Chat: definition('Chat', { requestStream: true, responseStream: true }),
      Missing: definition('Missing'),
    },
    implementation,
  );
  port = await server.listen('127.0.0.1', 0);
}

beforeEach(async () => {
  last = undefined;
  errors = [];
  cancelled.length = 0;
  await listen();
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });
});

afterEach(async () => {
  client.close();
  for (const raw of raws.splice(0)) raw.close();
  await server.close(0);
});

function raw(): RawClient {
  const one = new RawClient(port).greet();
  raws.push(one);
  return one;
}

function unary(
  path: string,
  bytes: Buffer,
  metadata = new ClientMetadata(),
  options: CallOptions = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, bytes, metadata, options, (error, reply) =>
      error === null ? resolve(reply as Buffer) : reject(error),
    );
  });
}

async function refusal(call: Promise<unknown>): Promise<ServiceError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error as ServiceError,
  );
  if (outcome === undefined) throw new Error('expected the call to be refused');
  return outcome;
}

test('messages of any size come back as they were', async () => {
  for (const size of [0, 1, 16_379, 16_384, 65_536, 1_000_000, 16 * 1024 * 1024]) {
    const bytes = Buffer.alloc(size, size & 0xff);
    expect((await unary(ECHO, bytes)).equals(bytes)).toBe(true);
  }
});

test('messages at random come back as they were', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 40_000 }), async (bytes) => {
      expect((await unary(ECHO, Buffer.from(bytes))).equals(bytes)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test('many calls at once are told apart', async () => {
  const bytes = Array.from({ length: 1_000 }, (_, i) => Buffer.alloc(i * 7, i & 0xff));
  const replies = await Promise.all(bytes.map((each) => unary(ECHO, each)));
  expect(replies.every((reply, i) => reply.equals(bytes[i]!))).toBe(true);
});

test('large messages at once share the windows', async () => {
  const bytes = Array.from({ length: 8 }, (_, i) => Buffer.alloc(4_000_000, i));
  const replies = await Promise.all(bytes.map((each) => unary(ECHO, each)));
  expect(replies.every((reply, i) => reply.equals(bytes[i]!))).toBe(true);
});

test('metadata and deadline reach the handler', async () => {
  const metadata = new ClientMetadata();
  metadata.set('x-text', 'hello there');
  await unary(ECHO, Buffer.alloc(0), metadata, { deadline: Date.now() + 5_000 });
  expect(last!.metadata.get('x-text')).toBe('hello there');
  expect(last!.timeoutMs).toBeGreaterThan(4_000);
  expect(last!.timeoutMs).toBeLessThanOrEqual(5_000);
  await unary(ECHO, Buffer.alloc(0));
  expect(last!.timeoutMs).toBeUndefined();
});

test('a failure carries its message in any script, and its metadata', async () => {
  for (const text of ['plain', '50% of é, 😀\n"x"', ' ', 'x'.repeat(5_000)]) {
    const error = await refusal(unary('/test.Test/Fail', Buffer.from(text)));
    expect(error.code).toBe(status.FAILED_PRECONDITION);
    expect(error.details).toBe(text);
    expect(error.metadata.get('x-text')).toEqual(['a b']);
    expect(error.metadata.get('x-bytes-bin')).toEqual([Buffer.from([0, 255, 1])]);
  }
});

test('a failure larger than a frame is sent whole', async () => {
  const peer = raw();
  const text = Buffer.alloc(40_000, 0x61);
  const parts = [text.subarray(0, 16_000), text.subarray(16_000, 32_000), text.subarray(32_000)];
  peer.send(headers(1, { ...REQUEST, ':path': '/test.Test/Fail' }));
  peer.send(frame(FrameType.data, 0, 1, prefix(text.length)));
  for (const [i, part] of parts.entries())
    peer.send(frame(FrameType.data, i === 2 ? 1 : 0, 1, part));
  await peer.next(({ type, flags }) => type === FrameType.continuation && flags === 4);
  const block = peer.frames.filter(({ id }) => id === 1).map(({ payload }) => payload);
  expect(Buffer.concat(block).includes(text)).toBe(true);
});

test('an unknown method is UNIMPLEMENTED, also one of a service that left it out', async () => {
  for (const path of ['/test.Test/No', '/test.Service/Missing', '/']) {
    expect((await refusal(unary(path, Buffer.alloc(0)))).code).toBe(status.UNIMPLEMENTED);
  }
});

test('a handler that throws is INTERNAL, tells nothing to the caller and all to the server', async () => {
  for (const path of ['/test.Test/Throw', '/test.Service/Throws']) {
    const error = await refusal(unary(path, Buffer.from('{}')));
    expect(error.code).toBe(status.INTERNAL);
    expect(error.details).not.toContain('secret');
  }
  expect(errors.map(String)).toEqual(['TypeError: secret', 'TypeError: secret']);
});

test('a message above the limit is RESOURCE_EXHAUSTED in both directions', async () => {
  const error = await refusal(unary(ECHO, Buffer.alloc(MESSAGE_BYTES_MAX + 1)));
  expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
  expect((await refusal(unary('/test.Test/Large', Buffer.alloc(0)))).code).toBe(
    status.RESOURCE_EXHAUSTED,
  );
});

test('a message above the limit is refused before it is sent', async () => {
  const peer = raw();
  peer.send(headers(1), frame(FrameType.data, 0, 1, prefix(MESSAGE_BYTES_MAX + 1)));
  expect((await peer.response(1)).fields['grpc-status']).toBe('8');
});

test('messages that have begun are paid from one budget, and given back', async () => {
  const peer = raw();
  const large = async (id: number, wanted: string): Promise<void> => {
    peer.send(headers(id), frame(FrameType.data, 0, id, prefix(20_000_000)));
    for (let i = 0; i < 1_100; i++) peer.send(frame(FrameType.data, 0, id, Buffer.alloc(16_384)));
    if (wanted !== '') expect((await peer.response(id)).fields['grpc-status']).toBe(wanted);
  };
  for (const id of [1, 3, 5]) await large(id, '');
  await large(7, '8');
  for (const id of [1, 3, 5]) peer.send(frame(FrameType.rstStream, 0, id, uint32(8)));
  await peer.ping();
  const bytes = Buffer.alloc(20_000_000, 7);
  expect((await unary(ECHO, bytes)).equals(bytes)).toBe(true);
});

test('messages that are whole are paid until their stream ends', async () => {
  const peer = raw();
  const large = Buffer.concat([prefix(20_000_000), Buffer.alloc(20_000_000)]);
  const whole = (id: number): void => {
    peer.send(headers(id));
    for (let at = 0; at < large.length; at += 16_384) {
      peer.send(frame(FrameType.data, 0, id, large.subarray(at, at + 16_384)));
    }
  };
  for (const id of [1, 3, 5, 7]) whole(id);
  expect((await peer.response(7)).fields['grpc-status']).toBe('8');
  for (const id of [1, 3, 5]) peer.send(frame(FrameType.rstStream, 0, id, uint32(8)));
  await peer.ping();
  const bytes = Buffer.alloc(20_000_000, 7);
  expect((await unary(ECHO, bytes)).equals(bytes)).toBe(true);
});

test.each([
  ['of our own', ECHO],
  ['of another library', '/test.Service/Unary'],
])(
  'small messages of a method %s are paid, too, unless their frame ends the stream',
  async (_what, path) => {
    await server.close(0);
    await listen({ bufferedBytesMax: 1_000 });
    const peer = raw();
    const bytes = Buffer.from('{"a":1}'.padEnd(400));
    const call = headers(0, { ...REQUEST, ':path': path }).subarray(9);
    const open = (id: number): Buffer => frame(FrameType.headers, 4, id, call);
    for (const id of [1, 3, 5]) peer.send(open(id), message(id, bytes, 0));
    expect((await peer.response(5)).fields['grpc-status']).toBe('8');
    peer.send(open(7), message(7, Buffer.from('{}'.padEnd(900))));
    expect((await peer.response(7)).fields['grpc-status']).toBe('0');
    for (const id of [1, 3]) peer.send(frame(FrameType.data, 1, id));
    for (const id of [1, 3]) expect((await peer.response(id)).fields['grpc-status']).toBe('0');
    peer.send(open(9), message(9, Buffer.from('{}'.padEnd(900)), 0), frame(FrameType.data, 1, 9));
    expect((await peer.response(9)).fields['grpc-status']).toBe('0');
  },
);

test.each([
  ['a compressed message', '12', [prefix(0, 1)]],
  ['an unknown flag', '3', [prefix(0, 2)]],
  ['no message', '12', []],
  ['two messages', '12', [prefix(0), prefix(0)]],
  ['half a prefix', '12', [Buffer.alloc(3)]],
  ['half a message', '12', [prefix(10), Buffer.alloc(5)]],
])('%s has the status %s, and no reset', async (what, code, parts) => {
  for (const path of [ECHO, '/test.Service/Unary']) {
    const peer = raw();
    peer.send(headers(1, { ...REQUEST, ':path': path }));
    peer.send(frame(FrameType.data, 1, 1, Buffer.concat(parts)));
    const { fields } = await peer.response(1);
    expect([fields[':status'], fields['content-type']]).toEqual(['200', 'application/grpc']);
    if (path === ECHO || what !== 'two messages') expect(fields['grpc-status']).toBe(code);
    await peer.ping();
    expect(peer.frames.some(({ type }) => type === FrameType.rstStream)).toBe(false);
  }
});

test('a compressed message is told what is understood', async () => {
  const peer = raw();
  peer.send(headers(1), frame(FrameType.data, 1, 1, prefix(0, 1)));
  expect((await peer.response(1)).fields['grpc-accept-encoding']).toBe('identity');
});

test('a message in frames of one byte is one message', async () => {
  const peer = raw();
  const bytes = Buffer.concat([prefix(3), Buffer.from('abc')]);
  peer.send(headers(1));
  for (const byte of bytes) peer.send(frame(FrameType.data, 0, 1, Uint8Array.of(byte)));
  peer.send(frame(FrameType.data, 1, 1));
  expect((await peer.response(1)).body).toEqual(bytes);
});

test.each([
  ['another content type', { 'content-type': 'application/json' }, '415'],
  ['no content type', { 'content-type': '' }, '415'],
  ['gRPC-Web', { 'content-type': 'application/grpc-web' }, '415'],
  ['GET', { ':method': 'GET' }, '405'],
])('%s is no gRPC', async (_what, fields, expected) => {
  const peer = raw();
  peer.send(headers(1, { ...REQUEST, ...fields }), message(1, Buffer.alloc(0)));
  expect((await peer.response(1)).fields[':status']).toBe(expected);
});

test('subtypes of the content type are gRPC', async () => {
  for (const [i, type] of ['application/grpc+proto', 'application/grpc;x=y'].entries()) {
    const peer = raw();
    peer.send(headers(1, { ...REQUEST, 'content-type': type }), message(1, Buffer.alloc(i)));
    expect((await peer.response(1)).fields['grpc-status']).toBe('0');
  }
});

test.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3_000],
  ['4m', 4],
  ['5000u', 5],
  ['99999999n', 99.999_999],
])('grpc-timeout %s is %d ms', async (text, expected) => {
  const peer = raw();
  peer.send(headers(1, { ...REQUEST, 'grpc-timeout': text }), message(1, Buffer.alloc(0)));
  await peer.response(1);
  expect(last!.timeoutMs).toBeCloseTo(expected, 9);
});

test.each(['', '1', 'm', '123456789S', '1s', '-1S', '1.5S'])(
  'grpc-timeout "%s" is INVALID_ARGUMENT',
  async (text) => {
    const peer = raw();
    peer.send(headers(1, { ...REQUEST, 'grpc-timeout': text }), message(1, Buffer.alloc(0)));
    expect((await peer.response(1)).fields['grpc-status']).toBe('3');
  },
);

test('a caller that cancels is told to the handler, whose answer goes nowhere', async () => {
  const peer = raw();
  peer.send(headers(1, { ...REQUEST, ':path': '/test.Test/Hold' }), message(1, Buffer.alloc(0)));
  await peer.ping();
  expect(last!.cancelled).toBe(false);
  peer.send(frame(FrameType.rstStream, 0, 1, uint32(8)));
  await peer.ping();
  expect(last!.cancelled).toBe(true);
  last!.respond(Buffer.alloc(1));
  await peer.ping();
  expect(peer.frames.some(({ id }) => id === 1)).toBe(false);
});

test('a deadline that passes ends the call at the caller', async () => {
  const error = await refusal(
    unary('/test.Test/Hold', Buffer.alloc(0), new ClientMetadata(), { deadline: Date.now() + 50 }),
  );
  expect(error.code).toBe(status.DEADLINE_EXCEEDED);
  last!.respond(Buffer.alloc(0));
});

test('calls in flight end when the server closes', async () => {
  const call = unary('/test.Test/Hold', Buffer.alloc(0));
  const probe = raw();
  while (last === undefined) await probe.ping();
  const closed = server.close(10_000);
  last.respond(Buffer.from('done'));
  expect((await call).toString()).toBe('done');
  await closed;
});

test('a server under load closes without losing a call that it took', async () => {
  const codes: number[] = [];
  let stop = false;
  const worker = async (): Promise<void> => {
    while (!stop) {
      const error = await unary(ECHO, Buffer.alloc(100)).then(
        () => undefined,
        (error: unknown) => error as ServiceError,
      );
      codes.push(error?.code ?? 0);
      if (error !== undefined) stop = true;
    }
  };
  const workers = Array.from({ length: 50 }, worker);
  while (codes.length < 1_000) await new Promise(setImmediate);
  await server.close(5_000);
  stop = true;
  await Promise.all(workers);
  expect(new Set(codes.filter((code) => code !== 0))).toEqual(new Set([status.UNAVAILABLE]));
});

describe('services written for grpc-js', () => {
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));

  test('a unary method answers, fails, and refuses what is no message', async () => {
    const metadata = new ClientMetadata();
    metadata.set('x-id', '7');
    const reply = await unary('/test.Service/Unary', json({ a: 1 }), metadata);
    expect(JSON.parse(reply.toString())).toEqual({ got: { a: 1 }, id: '7' });
    const error = await refusal(unary('/test.Service/Unary', json({ fail: true })));
    expect([error.code, error.details]).toEqual([status.NOT_FOUND, 'Not here.']);
    expect((await refusal(unary('/test.Service/Unary', Buffer.from('{')))).code).toBe(
      status.INVALID_ARGUMENT,
    );
  });

  function count(request: object, options: CallOptions = {}) {
    const seen: object[] = [];
    const path = '/test.Service/Count';
    const call = client.makeServerStreamRequest(path, same, same, json(request), options);
    call.on('data', (bytes: Buffer) => seen.push(JSON.parse(bytes.toString()) as object));
    const ended = new Promise<number>((resolve) => {
      call.on('error', (error: ServiceError) => resolve(error.code));
      call.on('end', () => resolve(status.OK));
    });
    return { seen, ended, call };
  }

  test('a server stream has its messages and its end', async () => {
    const { seen, ended } = count({ end: true });
    expect(await ended).toBe(status.OK);
    expect(seen).toEqual([{ i: 0 }, { i: 1 }, { i: 2 }]);
  });

  test('a server stream that is cancelled, late, or cut by the close, tells its handler', async () => {
    const first = count({});
    first.call.once('data', () => first.call.cancel());
    expect(await first.ended).toBe(status.CANCELLED);
    expect(await count({}, { deadline: Date.now() + 100 }).ended).toBe(status.DEADLINE_EXCEEDED);
    const third = count({});
    await new Promise((resolve) => third.call.once('data', resolve));
    await server.close(10_000);
    expect(await third.ended).toBe(status.UNAVAILABLE);
    expect(cancelled).toEqual(['count', 'count', 'count']);
  });

  test('an error behind messages stands in the trailers', async () => {
    const peer = raw();
    peer.send(headers(1, { ...REQUEST, ':path': '/test.Service/Breaks' }), message(1, json({})));
    const { fields, body } = await peer.response(1);
    expect(body.length).toBe(7);
    expect([fields['grpc-status'], fields['grpc-message']]).toEqual(['10', 'Half way.']);
  });

  test('messages both ways, and the end of both', async () => {
    const seen: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const call = client.makeBidiStreamRequest('/test.Service/Chat', same, same);
      call.on('data', (bytes: Buffer) => {
        if (seen.push(bytes.toString()) === 2) call.end();
      });
      call.on('error', reject).on('end', resolve);
      call.write(json({ a: 1 }));
      call.write(json({ b: 2 }));
    });
    expect(seen).toEqual(['{"echo":{"a":1}}', '{"echo":{"b":2}}']);
  });

  test('a call whose answers are not read ends, and its handler is told once', async () => {
    const peer = raw();
    peer.send(headers(1, { ...REQUEST, ':path': '/test.Service/Flood' }), message(1, json({})));
    await peer.ping();
    expect(cancelled).toEqual(['flood']);
    peer.send(frame(FrameType.rstStream, 0, 1, uint32(8)));
    await peer.ping();
    expect(cancelled).toEqual(['flood']);
  });

  test('a message above 64 KiB is RESOURCE_EXHAUSTED', async () => {
    const path = '/test.Service/Unary';
    const fits = json({ a: 'x'.repeat(65_536 - 8) });
    expect(fits.length).toBe(65_536);
    expect(await unary(path, fits)).toBeInstanceOf(Buffer);
    const error = await refusal(unary(path, Buffer.concat([fits, Buffer.from(' ')])));
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
  });
});
