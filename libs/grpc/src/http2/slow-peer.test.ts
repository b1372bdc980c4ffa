/** Peers that read late, open no window or say nothing, and a server that closes meanwhile. */
import type { Http2Limits } from './limits.ts';
import { ErrorCode, Flag, FrameType, SettingId } from './protocol.ts';
import {
  frame,
  headers,
  message,
  type RawClient,
  settings,
  uint32,
} from './raw-client.test-support.ts';
import { HOLD, LARGE, TestServer } from './test-server.test-support.ts';

let server: TestServer;

async function start(limits: Partial<Http2Limits> = {}): Promise<void> {
  server = await TestServer.start(limits);
}

function client(...entries: readonly (readonly [number, number])[]): RawClient {
  return server.client().greet(...entries);
}

afterEach(() => server.end());

/** Asks for a response of `bytes` octets besides its prefix. */
function large(id: number, bytes: number): Buffer {
  return Buffer.concat([headers(id, LARGE), message(id, uint32(bytes))]);
}

function ends(peer: RawClient): number {
  return peer.frames.filter(({ type, flags }) => type === 1 && (flags & 1) !== 0).length;
}

test('windows that move under a thousand waiting streams are looked at once a read', async () => {
  await start();
  const peer = client([SettingId.initialWindowSize, 0]);
  const ids = Array.from({ length: 1_000 }, (_, i) => 2 * i + 1);
  peer.send(...ids.map((id) => large(id, 5)));
  await peer.ping();
  const cpu = process.cpuUsage();
  for (let i = 0; i < 100; i++) {
    peer.send(
      settings([SettingId.initialWindowSize, 1]),
      settings([SettingId.initialWindowSize, 0]),
      frame(FrameType.windowUpdate, 0, 0, uint32(1)),
    );
  }
  peer.send(settings([SettingId.initialWindowSize, 1_000]));
  await peer.until(() => ends(peer) === ids.length);
  expect(process.cpuUsage(cpu).user).toBeLessThan(2_000_000);
});

test('streams are refused while too many bytes wait for windows', async () => {
  await start({ queuedBytesMax: 100_000 });
  const peer = client([SettingId.initialWindowSize, 10]);
  peer.send(large(1, 60_000), large(3, 60_000), large(5, 1));
  expect(await peer.reset(5)).toBe(ErrorCode.refusedStream);
  peer.send(frame(FrameType.rstStream, 0, 3, uint32(ErrorCode.cancel)), large(7, 60_000));
  await peer.ping();
  peer.send(large(9, 1));
  expect(await peer.reset(9)).toBe(ErrorCode.refusedStream);
  peer.send(
    frame(FrameType.windowUpdate, 0, 0, uint32(200_000)),
    settings([SettingId.initialWindowSize, 70_000]),
  );
  for (const id of [1, 7]) expect((await peer.response(id)).body.length).toBe(60_005);
  peer.send(large(11, 1));
  expect((await peer.response(11)).body.length).toBe(6);
});

test('a response waits for the windows of the stream and of the connection, byte by byte', async () => {
  await start();
  const peer = client([SettingId.initialWindowSize, 10]);
  peer.send(headers(1, LARGE), message(1, uint32(95)));
  const sent = (): number =>
    peer.frames
      .filter(({ type }) => type === FrameType.data)
      .reduce((sum, each) => sum + each.payload.length, 0);
  for (let window = 10; window < 100; window += 10) {
    await peer.until(() => sent() === window);
    await peer.ping();
    expect(sent()).toBe(window);
    peer.send(frame(FrameType.windowUpdate, 0, 1, uint32(10)));
  }
  expect((await peer.response(1)).body.length).toBe(100);
  expect((await peer.response(1)).fields['grpc-status']).toBe('0');
});

test('a change of INITIAL_WINDOW_SIZE applies to open streams, below zero too', async () => {
  await start();
  const peer = client([SettingId.initialWindowSize, 20]);
  peer.send(headers(1, LARGE), message(1, uint32(95)));
  await peer.next(({ type }) => type === FrameType.data);
  peer.send(
    settings([SettingId.initialWindowSize, 5]),
    frame(FrameType.windowUpdate, 0, 1, uint32(15)),
  );
  await peer.ping();
  expect(peer.frames.filter(({ type }) => type === FrameType.data)).toHaveLength(1);
  peer.send(settings([SettingId.initialWindowSize, 1_000]));
  expect((await peer.response(1)).body.length).toBe(100);
});

test('the window of the connection is shared in turn', async () => {
  await start();
  const peer = client([SettingId.initialWindowSize, 1 << 20]);
  for (const id of [1, 3]) peer.send(headers(id, LARGE), message(id, uint32(200_000)));
  const of = (id: number): number =>
    peer.frames
      .filter((each) => each.type === 0 && each.id === id)
      .reduce((sum, each) => sum + each.payload.length, 0);
  await peer.until(() => of(1) + of(3) === 65_535);
  for (let given = 0; given < 400_000; given += 65_536) {
    peer.send(frame(FrameType.windowUpdate, 0, 0, uint32(65_536)));
  }
  for (const id of [1, 3]) expect((await peer.response(id)).body.length).toBe(200_005);
});

test('a peer that does not read is read from no more, and gets everything when it goes on', async () => {
  await start({ outputBytesMax: 256 * 1024 });
  const peer = client();
  const other = client();
  peer.send(frame(FrameType.windowUpdate, 0, 0, uint32(0x7000_0000)));
  await peer.ping();
  peer.socket.pause();
  const CALLS = 3_000;
  const part = Buffer.alloc(10_000, 1);
  for (let i = 0; i < CALLS; i++) {
    peer.send(headers(2 * i + 1), message(2 * i + 1, part));
    // Why: each answer is a turn of the server, in which it would have read.
    if (i % 10 === 0) await other.ping();
  }
  expect(server.answered).toBeGreaterThan(0);
  expect(server.answered).toBeLessThan(CALLS);
  expect(peer.socket.writableLength).toBeGreaterThan(0);
  peer.socket.resume();
  await peer.until(() => ends(peer) === CALLS);
  expect(server.answered).toBe(CALLS);
});

test('closing waits for a peer that reads late', async () => {
  await start({ outputBytesMax: 64 * 1024 * 1024, lingerMsMax: 1 });
  const peer = client();
  const other = client();
  peer.send(frame(FrameType.windowUpdate, 0, 0, uint32(0x7000_0000)));
  await peer.ping();
  peer.socket.pause();
  const ids = Array.from({ length: 1_000 }, (_, i) => 2 * i + 1);
  peer.send(...ids.map((id) => large(id, 16_000)));
  while (server.answered < ids.length) await other.ping();
  const closed = server.rpc.close(10_000);
  // The answer to the PING of the drain, unseen: what is sent next refuses streams.
  peer.send(frame(FrameType.ping, Flag.ack, 0, Buffer.from('drain...')));
  // Why a sleep: nothing is to happen in it, though two ticks of the time limits pass.
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  peer.socket.resume();
  await peer.until(() => ends(peer) === ids.length || peer.closed);
  expect(ends(peer)).toBe(ids.length);
  await closed;
});

test('a flood of streams that a draining server refuses ends with ENHANCE_YOUR_CALM', async () => {
  await start();
  const peer = client();
  peer.send(headers(1, HOLD), message(1, uint32(0)));
  await peer.ping();
  const closed = server.rpc.close(10_000);
  peer.send(frame(FrameType.ping, Flag.ack, 0, Buffer.from('drain...')), headers(3));
  expect(await peer.reset(3)).toBe(ErrorCode.refusedStream);
  peer.send(...Array.from({ length: 1_500 }, (_, i) => headers(2 * i + 5)));
  expect(await peer.goaway()).toBe(ErrorCode.enhanceYourCalm);
  server.held[0]!.respond(Buffer.alloc(0));
  await closed;
});

test('closing twice ends both', async () => {
  await start();
  const peer = client();
  peer.send(headers(1, HOLD), message(1, uint32(0)));
  await peer.ping();
  const closed = [server.rpc.close(10_000), server.rpc.close(50)];
  await Promise.all(closed);
  expect(server.held[0]!.cancelled).toBe(true);
  server.held[0]!.respond(Buffer.alloc(0));
});

describe('time limits', () => {
  test('a peer that does not greet is cut off', async () => {
    await start({ handshakeMsMax: 10 });
    const peer = server.client();
    await peer.until(() => peer.closed);
    expect(await peer.goaway()).toBeUndefined();
  });

  test('a silent peer gets a PING, and is cut off without an answer', async () => {
    await start({ keepaliveMs: 10, keepaliveTimeoutMs: 10 });
    const peer = client();
    await peer.next(({ type, flags }) => type === FrameType.ping && flags === 0);
    expect(await peer.goaway()).toBeUndefined();
  });

  test('a connection without a stream ends with GOAWAY', async () => {
    await start({ idleMsMax: 10 });
    const peer = client();
    const ping = await peer.next(({ type, flags }) => type === FrameType.ping && flags === 0);
    peer.send(frame(FrameType.ping, Flag.ack, 0, ping.payload));
    expect(await peer.goaway()).toBe(ErrorCode.noError);
  });

  test('a request that is never ended, and a response that is never taken, are reset', async () => {
    await start({ stalledMsMax: 10 });
    const peer = client([SettingId.initialWindowSize, 0]);
    peer.send(headers(1), headers(3, LARGE), message(3, uint32(10)));
    expect(await peer.reset(1)).toBe(ErrorCode.cancel);
    expect(await peer.reset(3)).toBe(ErrorCode.cancel);
  });
});
