import { STORAGES_BEHIND } from '@kvstore/contract';
import { ManualTimers } from '@kvstore/testing';
import { configurationOf, type RaftNode, type TransferStarted } from '@kvstore/raft';
import { logIndex, nodeId, type NodeId, term } from '@kvstore/std';
import { MemberRequests } from './member-requests.ts';
import { Members } from './members.ts';

const [n1, n2, n3] = ['n1', 'n2', 'n3'].map((name) => nodeId(name)) as [NodeId, NodeId, NodeId];
const ADVANCES_MAX = 100;

/** A leader of three voters, as the core would say it: it hands its leadership over to `to`. */
function leading(to: NodeId | undefined, changeMembers?: RaftNode['changeMembers']) {
  const at = { index: logIndex(0), configuration: configurationOf([n1, n2, n3]) };
  const members = new Members(at);
  members.follow(at, logIndex(7));
  const timers = new ManualTimers();
  const status = {
    changePoint: logIndex(7),
    role: 'leader',
    term: term(1),
    leader: n1,
    transferringTo: to,
    configuration: at,
    progress: [n1, n2, n3].map((node) => ({ node, recentlyActive: true, matchIndex: 0 })),
  };
  const transferLeadership = (asked: NodeId): TransferStarted =>
    asked === to ? 'started' : 'transferring';
  let advances = 0;
  let nowMs = 0;
  const requests: MemberRequests = new MemberRequests({
    timers,
    node: n1,
    raft: { status: () => status, transferLeadership, changeMembers } as unknown as RaftNode,
    members,
    clock: { monotonicMs: () => nowMs, wallMs: () => 0 },
    confirm: () => Promise.resolve(true),
    hello: () => Promise.resolve(undefined),
    advance: () => {
      advances += 1;
      // Why here: a loop of microtasks would never let a test fail.
      if (advances > ADVANCES_MAX) throw new Error('requests wake each other for ever');
      requests.wake();
    },
  });
  const pass = (ms: number): void => {
    nowMs += ms;
    timers.fire();
  };
  return { requests, pass };
}

test('a change that waits for storages says so when its time is over, and that it can be asked again', async () => {
  const { requests, pass } = leading(undefined, () => ({
    kind: 'refused',
    reason: 'storages-behind',
  }));
  const answer = requests.answer({ request: { kind: 'remove', node: n3 }, waitMs: 50 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(requests.awaitStorages).toBe(true);
  pass(60);
  expect(await answer).toMatchObject({
    code: 'CONDITION_FAILED',
    extra: { reason: STORAGES_BEHIND },
    retryAfterMs: 1_000,
  });
  expect(requests.awaitStorages).toBe(false);
});

describe('leadership that is asked for while it goes to another node', () => {
  test('is waited for, whoever else waits for it', async () => {
    const { requests, pass } = leading(n2);
    const question = { request: { kind: 'transfer', node: n3 } as const, waitMs: 50 };
    const answers = [requests.answer(question), requests.answer(question)];
    requests.wake();
    await new Promise((resolve) => setImmediate(resolve));
    pass(60);
    for (const answer of answers) {
      expect(await answer).toMatchObject({ kind: 'failure', code: 'OVERLOADED' });
    }
  });
});
