/** A snapshot between two storages over the real bus: how every attempt can end, and what it leaves. */
import { MemoryBus } from '@kvstore/bus';
import type { SenderRole } from '@kvstore/contract';
import {
  decodeSnapshotRequest,
  encodePullReply,
  encodeSnapshotReply,
  encodeSnapshotRequest,
  decodeSnapshotReply,
  FrameCodec,
  FrameKind,
  type LogEntry,
  SnapshotRefusal,
  type SnapshotReply,
  type SnapshotRequest,
  Subjects,
} from '@kvstore/contract';
import {
  chain,
  DiskError,
  encodeUtf8,
  logIndex,
  type LogIndex,
  nextChain,
  nodeId,
  term,
} from '@kvstore/std';
import { MemoryReplicaStore, positionAt, realTimers } from '@kvstore/testing';
import { ConsensusPulls } from './consensus-pulls.ts';
import type { IncomingSnapshot } from './replica-store.ts';
import type { ReceiveOutcome } from './snapshot-receiver.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';

const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(1) };
const subjects = new Subjects('test', 'g0');
const [SENDER, RECEIVER] = [nodeId('node-1'), nodeId('node-2')];
const TAG = 77;
const codec = (role: SenderRole, name: string): FrameCodec =>
  new FrameCodec({ ...identity, sender: { role, name, incarnation: 1 } });

let bus: MemoryBus;
let source: MemoryReplicaStore;
let target: MemoryReplicaStore;
let sender: SnapshotSender;
let receiver: SnapshotReceiver;
/** What the sender does every few seconds. */
let sweep: () => void;
let nowMs: number;
let serves: boolean;
let needs: (LogIndex | undefined)[];
let failures: unknown[];
/** What consensus answers to a pull; it knows no more. */
let log: LogEntry[];
/** Changes the sender's answers. */
let onReply: (request: SnapshotRequest, reply: SnapshotReply) => SnapshotReply | undefined;

function write(store: MemoryReplicaStore, key: string): void {
  store.put(encodeUtf8(key), new Uint8Array(400_000).fill(7));
  store.endEntry(positionAt(store.applied.index + 1), 10);
}

function entryAt(index: number): LogEntry {
  return { ...positionAt(index), kind: 1, body: new Uint8Array(3) };
}

beforeEach(async () => {
  bus = new MemoryBus();
  sweep = () => undefined;
  [nowMs, serves, needs, failures] = [0, true, [], []];
  [source, target] = [new MemoryReplicaStore(), new MemoryReplicaStore()];
  write(source, 'a');
  write(source, 'b');
  await source.flush();
  write(source, 'c');
  log = [entryAt(2)];
  onReply = (_, reply) => reply;
  const sending = codec('storage', SENDER);
  const opening = codec('storage', SENDER);
  sender = new SnapshotSender({
    store: source,
    frames: sending,
    incarnation: 3,
    clock: { monotonicMs: () => nowMs, wallMs: () => nowMs },
    timers: {
      ...realTimers,
      every: (_, callback) => {
        sweep = callback;
        return { cancel: () => (sweep = () => undefined) };
      },
    },
    serves: (tag) => serves && tag === TAG,
    onFailure: (error) => failures.push(error),
  });
  bus.subscribe(subjects.storage(SENDER, 'snapshot'), (message) => {
    const asked = opening.receive(
      message.payload,
      FrameKind.snapshotRequest,
      decodeSnapshotRequest,
    );
    sender.onRequest({
      ...message,
      respond: (payload) => {
        const frame = codec('storage', RECEIVER).open(payload, FrameKind.snapshotReply);
        const reply = onReply(asked!.body, decodeSnapshotReply(frame!.body));
        if (reply === undefined) return;
        message.respond(sending.seal(FrameKind.snapshotReply, term(0), encodeSnapshotReply(reply)));
      },
    });
  });
  const consensus = codec('consensus', SENDER);
  bus.subscribe(subjects.consensus(SENDER, 'pull'), (message) => {
    const frame = codec('consensus', SENDER).open(message.payload, FrameKind.pull);
    const from = Number(new DataView(frame!.body.slice().buffer).getBigUint64(0));
    const entries = log.filter(({ index }) => index >= from).slice(0, 1);
    const body = encodePullReply({
      clusterTag: TAG,
      commitIndex: logIndex(9),
      firstIndex: logIndex(2),
      entries,
    });
    message.respond(consensus.seal(FrameKind.pullReply, term(1), body));
  });
  const frames = codec('storage', RECEIVER);
  receiver = new SnapshotReceiver({
    store: target,
    applied: () => target.applied.index,
    bus,
    frames,
    subjects,
    pulls: new ConsensusPulls({
      nodes: [SENDER],
      bus,
      frames,
      subjects,
      clusterTag: () => TAG,
    }),
    marked: () => undefined,
    needs: (from) => needs.push(from),
    replace: (step) => step(),
  });
});
afterEach(() => bus.close());

const receive = (minIndex = 0): Promise<ReceiveOutcome> =>
  receiver.receive(SENDER, TAG, logIndex(minIndex));

/** As another storage, or this one with something wrong. */
async function ask(request: SnapshotRequest, from = 'node-3'): Promise<SnapshotReply> {
  const frames = codec('storage', from);
  const frame = frames.seal(FrameKind.snapshotRequest, term(0), encodeSnapshotRequest(request));
  const answer = await bus.request(subjects.storage(SENDER, 'snapshot'), frame, 1_000);
  return decodeSnapshotReply(frames.open(answer, FrameKind.snapshotReply)!.body);
}
const opened = async (from?: string): Promise<number> => {
  const reply = await ask({ kind: 'open', clusterTag: TAG, minIndex: logIndex(0) }, from);
  if (reply.kind !== 'opened') throw new Error(reply.kind);
  return reply.transfer;
};
const refusal = (reason: SnapshotRefusal) => ({ kind: 'refused', reason });

describe('a storage that asks for a snapshot', () => {
  test('installs what is durable there, holds the log meanwhile, and closes the transfer', async () => {
    expect(await receive()).toBe('installed');
    expect(target.applied).toEqual(positionAt(2));
    expect(target.get(encodeUtf8('b'))).toHaveLength(400_000);
    expect(target.get(encodeUtf8('c'))).toBeUndefined();
    expect(needs).toEqual([3]);
    expect(receiver.bytes).toBeGreaterThan(800_000);
    expect(sender.counters).toMatchObject({ opened: 1, closed: 1, expired: 0 });
    expect(source.statistics.snapshots).toBe(0);
  });

  test('is given what is in memory only when it needs that much', async () => {
    log = [entryAt(3)];
    expect(await receive(3)).toBe('installed');
    expect(target.applied).toEqual(positionAt(3));
    expect(await receive(4)).toBe('behind');
  });

  test('takes nothing that ends below what was asked for', async () => {
    onReply = (_, reply) =>
      reply.kind === 'opened' ? { ...reply, position: positionAt(2) } : reply;
    expect(await receive(3)).toBe('behind');
    expect(target.applied.index).toBe(0);
  });

  test('installs nothing whose chain the consensus refutes, or does not know', async () => {
    log = [{ ...entryAt(2), chain: chain(5) }];
    expect(await receive()).toBe('diverged');
    log = [{ ...entryAt(3), chain: chain(5) }];
    expect(await receive()).toBe('diverged');
    log = [entryAt(5)];
    expect(await receive()).toBe('unconfirmed');
    expect(target.applied.index).toBe(0);
    expect(needs.at(-1)).toBeUndefined();

    const next = { index: logIndex(3), term: term(1), kind: 1, body: new Uint8Array(2) } as const;
    const { index, term: at, kind, body } = next;
    log = [{ ...next, chain: nextChain(positionAt(2).chain, index, at, kind, body) }];
    expect(await receive()).toBe('installed');
  });

  test('takes nothing that is no further than it is itself', async () => {
    for (const key of ['x', 'y']) write(target, key);
    expect(await receive()).toBe('given-up');
    expect(target.get(encodeUtf8('x'))).toBeDefined();
  });

  test('notices what was changed on its way or on the other disk, and begins that file anew', async () => {
    onReply = (request, reply) => {
      if (reply.kind !== 'piece' || request.kind !== 'read' || request.file === 0) return reply;
      const bytes = reply.bytes.slice();
      bytes[0]! ^= 1;
      return { kind: 'piece', bytes };
    };
    expect(await receive()).toBe('damaged');
    onReply = (request, reply) =>
      reply.kind === 'piece' && request.kind === 'read' && request.file === 0
        ? { kind: 'piece', bytes: reply.bytes.map((byte) => byte ^ 0xff) }
        : reply;
    expect(await receive()).toBe('damaged');
    onReply = (_, reply) =>
      reply.kind === 'piece' ? { kind: 'piece', bytes: reply.bytes.slice(1) } : reply;
    expect(await receive()).toBe('damaged');
    expect(target.applied.index).toBe(0);
    onReply = (_, reply) => reply;
    expect(await receive()).toBe('installed');
  });

  test('goes on where it stood when the transfer ends in the middle', async () => {
    let pieces = 0;
    onReply = (request, reply) =>
      request.kind === 'read' && request.file === 1 && ++pieces === 3
        ? { kind: 'refused', reason: SnapshotRefusal.unknown }
        : reply;
    expect(await receive()).toBe('lost');
    const before = receiver.bytes;
    expect(before).toBe(2 * 256 * 1024);
    onReply = (_, reply) => reply;
    expect(await receive()).toBe('installed');
    expect(receiver.bytes).toBeLessThan(2 * before);
  });

  test('gives up at the next piece when it is told to', async () => {
    onReply = (request, reply) => {
      if (request.kind === 'read' && request.file === 1) receiver.giveUp();
      return reply;
    };
    expect(await receive()).toBe('given-up');
    expect(target.applied.index).toBe(0);
  });

  test('without room says so; a disk that fails otherwise is no matter of the source', async () => {
    const failing = (code: 'DISK_FULL' | 'IO'): void => {
      const { receive: honest } = Object.getPrototypeOf(target) as MemoryReplicaStore;
      target.receive = async (manifest): Promise<IncomingSnapshot> => ({
        ...(await honest.call(target, manifest)),
        write: () => Promise.reject(new DiskError(code, 'a write failed')),
      });
    };
    failing('DISK_FULL');
    expect(await receive()).toBe('no-space');
    failing('IO');
    await expect(receive()).rejects.toThrow('a write failed');
  });

  test('hears of a source that does not serve, is busy, or is not there', async () => {
    serves = false;
    expect(await receive()).toBe('lost');
    serves = true;
    await opened('node-3');
    await opened('node-4');
    expect(await receive()).toBe('busy');
    expect(await receiver.receive(nodeId('node-9'), TAG, logIndex(0))).toBe('lost');
    expect(await receiver.receive(SENDER, TAG + 1, logIndex(0))).toBe('lost');
  });
});

describe('a storage that sends snapshots', () => {
  const read = (transfer: number, file = 1, offset = 0) =>
    ({ kind: 'read', transfer, file, offset, length: 100 }) as const;

  test('keeps one transfer per receiver, and answers nobody else’s', async () => {
    const first = await opened();
    expect(await ask(read(first))).toMatchObject({ kind: 'piece' });
    expect(await ask(read(first), 'node-4')).toEqual(refusal(SnapshotRefusal.unknown));
    expect(await ask(read(first, 2))).toEqual(refusal(SnapshotRefusal.unknown));
    const second = await opened();
    expect(await ask(read(first))).toEqual(refusal(SnapshotRefusal.unknown));
    expect(await ask(read(second))).toMatchObject({ kind: 'piece' });
    expect(source.statistics.snapshots).toBe(1);
    const beyond = await ask(read(second, 1, 2 ** 40));
    expect(beyond).toEqual({ kind: 'piece', bytes: new Uint8Array(0) });
  });

  test('lets go of what is not read, or read for too long', async () => {
    const first = await opened();
    nowMs = 29_000;
    await ask(read(first));
    nowMs = 58_000;
    sweep();
    expect(source.statistics.snapshots).toBe(1);
    nowMs = 60_000;
    sweep();
    expect(source.statistics.snapshots).toBe(0);
    expect(await ask(read(first))).toEqual(refusal(SnapshotRefusal.unknown));

    const second = await opened();
    const beganAtMs = nowMs;
    for (; nowMs <= beganAtMs + 3_600_000; nowMs += 20_000) {
      await ask(read(second));
      sweep();
    }
    sweep();
    expect(source.statistics.snapshots).toBe(0);
    expect(sender.counters.expired).toBe(2);
  });

  test('ends them when its store is replaced', async () => {
    const transfer = await opened();
    await source.setAside(new Error('a reason'));
    expect(await ask(read(transfer))).toEqual(refusal(SnapshotRefusal.unknown));
    sweep();
    expect(sender.counters.expired).toBe(1);
  });

  test('tells when it cannot read its own files, and does not answer', async () => {
    const damage = new Error('no such block');
    const { snapshot: honest } = source;
    source.snapshot = () => {
      const held = honest.call(source);
      held.read = () => Promise.reject(damage);
      return held;
    };
    const transfer = await opened();
    await expect(ask(read(transfer))).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(failures).toEqual([damage]);
  });
});
