/** What a gateway says of a request about members, for everything that leaders may answer, or not. */
import { MemoryBus } from '@kvstore/bus';
import {
  decodeControl,
  encodeControl,
  failure,
  type Failure,
  FrameCodec,
  FrameKind,
  type MemberList,
  type MemberQuestion,
  type MemberReply,
  SenderRole,
  STORAGES_BEHIND,
  Subjects,
} from '@kvstore/contract';
import { type NodeId, nodeId, term } from '@kvstore/std';
import { realClock, realTimers } from '@kvstore/testing';
import { MemberClient } from './member-client.ts';
import type { Routing } from './routing.ts';

const [n1, n2] = ['node-1', 'node-2'].map(nodeId) as [NodeId, NodeId];
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(7) };
const subjects = new Subjects(identity.cluster, identity.group);
const framesOf = (role: SenderRole, name: string): FrameCodec =>
  new FrameCodec({ ...identity, sender: { role, name, incarnation: 1 } });

const list = (leader: NodeId): MemberList => ({
  kind: 'members',
  index: 0,
  term: 1,
  leader,
  members: [],
});
const remove = { kind: 'remove', node: nodeId('node-9') } as const;

let bus: MemoryBus;
let leader: NodeId | undefined;
let hints: unknown[];
let client: MemberClient;

beforeEach(() => {
  bus = new MemoryBus();
  leader = n1;
  hints = [];
  const routing = {
    get leader() {
      return leader;
    },
    hint: (refusedBy: NodeId, told: NodeId | undefined) => {
      hints.push([refusedBy, told]);
      leader = told;
    },
  } as unknown as Routing;
  client = new MemberClient({
    bus,
    frames: framesOf(SenderRole.gateway, 'gateway-1'),
    subjects,
    routing,
    clock: realClock,
    timers: realTimers,
  });
});
afterEach(() => bus.close());

/** Gives its answers in turn, the last one again and again; 'silence' is none. */
function consensus(
  node: NodeId,
  ...answers: readonly (MemberReply | 'silence')[]
): MemberQuestion[] {
  const asked: MemberQuestion[] = [];
  const frames = framesOf(SenderRole.consensus, node);
  bus.subscribe(subjects.control('consensus', node, 'members'), (message) => {
    const request = frames.receive(message.payload, FrameKind.controlRequest, decodeControl);
    const answer = answers[Math.min(asked.length, answers.length - 1)] as MemberReply | 'silence';
    asked.push(request?.body as MemberQuestion);
    if (answer === 'silence') return;
    message.respond(frames.seal(FrameKind.controlReply, term(0), encodeControl(answer)));
  });
  return asked;
}

test('whoever is named leader is asked next', async () => {
  consensus(n1, { kind: 'not-leader', leader: n2 });
  const asked = consensus(n2, list(n2));
  expect(await client.request(remove, 1_000)).toEqual(list(n2));
  expect(asked).toEqual([{ request: remove, waitMs: expect.any(Number) as number }]);
  expect(asked[0]?.waitMs).toBeLessThan(1_000);
});

test('who knows no leader takes it from nobody else', async () => {
  consensus(n1, { kind: 'not-leader', leader: undefined }, list(n1));
  expect(await client.request(remove, 1_000)).toEqual(list(n1));
  expect(hints).toEqual([]);
});

test('after a transfer the new leader tells how the members stand', async () => {
  consensus(n1, list(n2));
  const asked = consensus(n2, { ...list(n2), term: 2 });
  const transfer = { kind: 'transfer', node: n2 } as const;
  expect(await client.request(transfer, 1_000)).toMatchObject({ term: 2, leader: n2 });
  expect(asked.map(({ request }) => request)).toEqual([{ kind: 'list' }]);
});

test('what cannot be is told at once, what is busy is asked again', async () => {
  const refusal = failure('INVALID_ARGUMENT', 'no member');
  const asked = consensus(n1, failure('OVERLOADED', 'busy'), refusal);
  expect(await client.request(remove, 1_000)).toEqual(refusal);
  expect(asked).toHaveLength(2);
});

test('what waits for storages to flush is asked again, and told when the time is over', async () => {
  const extra = { reason: STORAGES_BEHIND };
  const behind: Failure = failure('CONDITION_FAILED', 'too few storages', { extra });
  const asked = consensus(n1, behind, behind, list(n1));
  expect(await client.request(remove, 1_000)).toEqual(list(n1));
  expect(asked).toHaveLength(3);
  consensus(n2, behind);
  leader = n2;
  expect(await client.request(remove, 60)).toEqual(behind);
});

test('nobody leads, nobody listens: certainly nothing was changed', async () => {
  expect(await client.request(remove, 60)).toMatchObject({ code: 'NO_LEADER' });
  leader = undefined;
  expect(await client.request(remove, 60)).toMatchObject({ code: 'NO_LEADER' });
});

test('busy until the end is OVERLOADED', async () => {
  consensus(n1, failure('OVERLOADED', 'busy'));
  expect(await client.request(remove, 60)).toMatchObject({ code: 'OVERLOADED' });
});

test('a change that was begun, or a copy without an answer, is unknown', async () => {
  consensus(n1, { kind: 'unsettled' });
  expect(await client.request(remove, 60)).toMatchObject({ code: 'COMMIT_UNKNOWN' });
  leader = n2;
  consensus(n2, 'silence');
  expect(await client.request(remove, 60)).toMatchObject({ code: 'COMMIT_UNKNOWN' });
  expect(await client.request({ kind: 'list' }, 60)).toMatchObject({ code: 'NO_LEADER' });
});

test('a copy without an answer may still be carried out: a later refusal is no promise', async () => {
  consensus(n1, 'silence', failure('CONDITION_FAILED', 'not caught up'));
  expect(await client.request(remove, 4_000)).toMatchObject({ code: 'COMMIT_UNKNOWN' });
});
