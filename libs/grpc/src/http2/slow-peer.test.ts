/** Peers that read late or open no window, and a server that closes meanwhile. */
import { RpcServer } from '../grpc/rpc-server.ts';
import type { UnaryCall } from '../grpc/unary-call.ts';
import type { Http2Limits } from './limits.ts';
import { ErrorCode, Flag, FrameType, SettingId } from './protocol.ts';
import {
  frame,
  headers,
  message,
  RawClient,
  REQUEST,
  settings,
  uint32,
} from './raw-client.test-support.ts';

const HOLD = { ...REQUEST, ':path': '/test.Test/Hold' };
const LARGE = { ...REQUEST, ':path': '/test.Test/Large' };
let server: RpcServer;
let port: number;
let held: UnaryCall[];
let answered: number;
const clients: RawClient[] = [];

async function start(limits: Partial<Http2Limits> = {}): Promise<void> {
  held = [];
  answered = 0;
  server = new RpcServer({
    messageBytesMax: 24 * 1024 * 1024,
    bufferedBytesMax: 64 * 1024 * 1024,
    limits,
    onError: (error) => {
      throw error;
    },
  });
  server.unary('/test.Test/Echo', (bytes, call) => call.respond(bytes));
  server.unary('/test.Test/Hold', (_bytes, call) => held.push(call));
  server.unary('/test.Test/Large', (bytes, call) => {
    answered++;
    call.respond(Buffer.alloc(bytes.readUInt32BE(0), 1));
  });
  port = await server.listen('127.0.0.1', 0);
}

function client(...entries: readonly (readonly [number, number])[]): RawClient {
  const one = new RawClient(port).greet(...entries);
  clients.push(one);
  return one;
}

afterEach(async () => {
  for (const one of clients.splice(0)) one.close();
  await server.close(0);
});

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

test('closing waits for a peer that reads late', async () => {
  await start({ outputBytesMax: 64 * 1024 * 1024, lingerMsMax: 1 });
  const peer = client();
  const other = client();
  peer.send(frame(FrameType.windowUpdate, 0, 0, uint32(0x7000_0000)));
  await peer.ping();
  peer.socket.pause();
  const ids = Array.from({ length: 1_000 }, (_, i) => 2 * i + 1);
  peer.send(...ids.map((id) => large(id, 16_000)));
  while (answered < ids.length) await other.ping();
  const closed = server.close(10_000);
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
  const closed = server.close(10_000);
  peer.send(frame(FrameType.ping, Flag.ack, 0, Buffer.from('drain...')), headers(3));
  expect(await peer.reset(3)).toBe(ErrorCode.refusedStream);
  peer.send(...Array.from({ length: 1_500 }, (_, i) => headers(2 * i + 5)));
  expect(await peer.goaway()).toBe(ErrorCode.enhanceYourCalm);
  held[0]!.respond(Buffer.alloc(0));
  await closed;
});

test('closing twice ends both', async () => {
  await start();
  const peer = client();
  peer.send(headers(1, HOLD), message(1, uint32(0)));
  await peer.ping();
  const closed = [server.close(10_000), server.close(50)];
  await Promise.all(closed);
  expect(held[0]!.cancelled).toBe(true);
  held[0]!.respond(Buffer.alloc(0));
});
