/** What a leader does: one test per sentence of the thesis (sections 3.5, 3.6.2, 4.2.3, 6.2, 6.4, 10.2.1). */
import { InvariantError, LOG_START, logIndex, nodeId, term } from '@kvstore/std';
import { DrivenNode, ELECTION_TICKS } from '../testdata/driven-node.ts';
import { logOf } from '../testdata/entries.ts';
import { positionAt } from '../testdata/replica.ts';
import { ENTRY_OVERHEAD_BYTES, EntryKind } from './entry.ts';
import type { AppendRequest, Message } from './message.ts';

const n2 = nodeId('n2');
const n3 = nodeId('n3');

function leader(setup: ConstructorParameters<typeof DrivenNode>[0] = {}): DrivenNode {
  const node = new DrivenNode(setup);
  node.lead();
  return node;
}

/** A leader of term 1 whose opening entry is on all three, and committed. */
function settledLeader(setup: ConstructorParameters<typeof DrivenNode>[0] = {}): DrivenNode {
  const node = leader(setup);
  for (let n = 2; n <= node.ids.length; n++) node.accept(n, node.node.status().lastIndex);
  return node;
}

function propose(node: DrivenNode, ...bodies: readonly number[]): Message[] {
  for (const body of bodies) node.node.propose(Uint8Array.of(body));
  return node.settle();
}

function appends(messages: readonly Message[], to = n2): AppendRequest[] {
  return messages.filter((of): of is AppendRequest => of.kind === 'append-request' && of.to === to);
}

function indexes(append: AppendRequest | undefined): number[] {
  return (append?.entries ?? []).map((entry) => entry.index);
}

function reads(node: DrivenNode): { context: number; index: number }[] {
  return node.readies.flatMap((ready) => [...ready.reads]);
}

describe('a new leader', () => {
  test('opens its term with an entry of its own and sends it at once (§3.6.2, §6.4)', () => {
    const log = logOf(1, 1);
    const node = new DrivenNode({ log, openingBody: (of) => Uint8Array.of(of, 7) });
    const sent = node.lead();
    expect(node.replica.disk.entries[2]).toMatchObject({
      index: 3,
      term: 2,
      kind: EntryKind.opening,
    });
    expect(node.replica.disk.entries[2]?.body).toEqual(Uint8Array.of(2, 7));
    expect(sent).toMatchObject([
      {
        kind: 'append-request',
        to: n2,
        term: 2,
        previousIndex: 2,
        previousTerm: 1,
        commitIndex: 0,
      },
      {
        kind: 'append-request',
        to: n3,
        term: 2,
        previousIndex: 2,
        previousTerm: 1,
        commitIndex: 0,
      },
    ]);
    expect(appends(sent)[0]?.previousChain).toBe(log[1]?.chain);
  });

  test('sends heartbeats every heartbeat interval, with min(commit, match) (§3.4)', () => {
    const node = leader({ heartbeatTicks: 2 });
    node.accept(2, 1);
    expect(node.tick()).toEqual([]);
    expect(node.tick()).toMatchObject([
      { kind: 'heartbeat-request', to: n2, commitIndex: 1, round: 1 },
      { kind: 'heartbeat-request', to: n3, commitIndex: 0, round: 1 },
    ]);
    expect(node.tick()).toEqual([]);
  });
});

describe('replication (§3.5)', () => {
  test('proposals of one turn travel in one append, while the leader’s own disk still writes (§10.2.1)', () => {
    const node = settledLeader();
    node.isDiskHeld = true;
    const sent = propose(node, 1, 2, 3);
    expect(appends(sent).map(indexes)).toEqual([[2, 3, 4]]);
    expect(appends(sent, n3).map(indexes)).toEqual([[2, 3, 4]]);
  });

  test('an entry is committed when a majority holds it durably (§3.5)', () => {
    const node = settledLeader();
    propose(node, 1);
    node.accept(2, 2);
    expect(node.commits).toEqual([1, 2]);
  });

  test('followers learn the commit index with the next append, and nothing is sent for it alone', () => {
    const node = settledLeader();
    propose(node, 1);
    expect(appends(node.accept(2, 2))).toEqual([]);
    expect(appends(propose(node, 1), n3)).toMatchObject([{ commitIndex: 2 }]);
  });

  test.each([
    [1, [], true],
    [3, [], false],
    [3, [2], true],
    [5, [2], false],
    [5, [2, 3], true],
    [5, [2, 2], false],
  ] as const)('of %i voters, the leader and %j commit: %s', (size, followers, commits) => {
    const node = leader({ size });
    for (const n of followers) node.accept(n, 1);
    expect(node.node.status().commitIndex).toBe(commits ? 1 : 0);
  });

  test('the leader counts itself only for what is durable on its own disk (§10.2.1)', () => {
    const node = settledLeader();
    node.isDiskHeld = true;
    propose(node, 1);
    node.accept(2, 2);
    expect(node.node.status()).toMatchObject({ commitIndex: 1, durableIndex: 1 });
    node.write();
    expect(node.node.status()).toMatchObject({ commitIndex: 2, durableIndex: 2 });
  });

  test('a majority of followers commits without the leader’s disk', () => {
    const node = settledLeader();
    node.isDiskHeld = true;
    propose(node, 1);
    node.accept(2, 2);
    node.accept(3, 2);
    expect(node.node.status()).toMatchObject({ commitIndex: 2, durableIndex: 1 });
  });

  test('only an entry of its own term is committed by counting; older ones with it (§3.6.2)', () => {
    const node = leader({ log: logOf(1, 1), term: 4 });
    node.accept(2, 2);
    expect(node.node.status().commitIndex).toBe(0);
    node.accept(2, 3);
    expect(node.node.status().commitIndex).toBe(3);
  });

  test('a refused append is followed by one at the hint, at most one per term (§3.5)', () => {
    const log = logOf(1, 1, 2, 2, 4, 4);
    const node = leader({ log, term: 4 });
    const sent = node.reject(2, 6, 5, 3);
    expect(appends(sent)).toMatchObject([{ previousIndex: 4, previousTerm: 2 }]);
    expect(appends(node.reject(2, 4, 2, 1))).toMatchObject([{ previousIndex: 2, previousTerm: 1 }]);
  });

  test('a probe is repeated when a heartbeat is answered, not before', () => {
    const node = leader();
    expect(appends(propose(node, 1))).toEqual([]);
    expect(appends(node.tick())).toEqual([]);
    expect(appends(node.heartbeatAnswer(2)).map(indexes)).toEqual([[1, 2]]);
    expect(appends(node.heartbeatAnswer(2))).toEqual([]);
  });

  test('a follower that answers a heartbeat and lacks entries is sent an append', () => {
    const node = settledLeader();
    propose(node, 1);
    node.tick();
    expect(appends(node.heartbeatAnswer(2))).toMatchObject([{ previousIndex: 2, entries: [] }]);
    expect(appends(node.reject(2, 2, 1, 1)).map(indexes)).toEqual([[2]]);
    node.accept(2, 2);
    node.tick();
    expect(appends(node.heartbeatAnswer(2))).toEqual([]);
  });

  test('an append holds at most appendBytesMax, and at most inflightBytesMax are under way', () => {
    const one = ENTRY_OVERHEAD_BYTES + 1;
    const node = settledLeader({ appendBytesMax: 2 * one, inflightBytesMax: 5 * one });
    expect(appends(propose(node, 1, 2, 3, 4, 5, 6, 7)).map(indexes)).toEqual([
      [2, 3],
      [4, 5],
    ]);
    expect(appends(node.accept(2, 3)).flatMap(indexes)).toEqual([6, 7]);
    expect(appends(node.accept(2, 7)).flatMap(indexes)).toEqual([8]);
  });

  test('an acceptance of what the leader does not have is dropped', () => {
    const node = settledLeader();
    node.accept(2, 9);
    expect(node.node.status().progress[1]).toMatchObject({ node: n2, matchIndex: 1 });
  });

  test('rejections that come late or twice change nothing', () => {
    const node = settledLeader();
    propose(node, 1);
    node.accept(2, 2);
    expect(appends(node.reject(2, 1, 0, 0))).toEqual([]);
    expect(appends(node.reject(2, 2, 0, 0))).toEqual([]);
    expect(appends(propose(node, 2)).map(indexes)).toEqual([[3]]);
  });
});

describe('entries that are no longer in memory', () => {
  const log = logOf(1, 1, 1, 1);

  function waiting(): DrivenNode {
    const node = leader({ log, term: 1 });
    node.isDiskHeld = true;
    node.reject(2, 4, 1, 1);
    return node;
  }

  test('are asked for from the driver, and sent when they are loaded', () => {
    const node = waiting();
    expect(node.readies.flatMap((ready) => [...ready.loads])).toEqual([
      { to: n2, from: 2, maxBytes: 4096 },
    ]);
    node.tick();
    expect(appends(node.heartbeatAnswer(2))).toEqual([]);
    node.node.loaded(n2, positionAt(log, 1), log.slice(1));
    expect(appends(node.settle()).map(indexes)).toEqual([[2, 3, 4]]);
    expect(appends(node.accept(2, 4)).map(indexes)).toEqual([[5]]);
  });

  test('are cut to one append, however many come', () => {
    const node = leader({ log, term: 1, appendBytesMax: 2 * ENTRY_OVERHEAD_BYTES });
    node.isDiskHeld = true;
    node.reject(2, 4, 1, 1);
    node.node.loaded(n2, positionAt(log, 1), log.slice(1));
    expect(appends(node.settle()).map(indexes)).toEqual([[2, 3]]);
  });

  test('are ignored when nobody waits for them', () => {
    const node = waiting();
    node.node.loaded(n3, positionAt(log, 1), log.slice(1));
    node.node.loaded(n2, positionAt(log, 2), log.slice(2));
    node.node.loaded(nodeId('stranger'), positionAt(log, 1), log.slice(1));
    expect(node.settle()).toEqual([]);
    node.node.loaded(n2, positionAt(log, 1), log.slice(1));
    node.settle();
    node.node.loaded(n2, positionAt(log, 1), log.slice(1));
    expect(node.settle()).toEqual([]);
  });

  test('are asked for again when they are of a log that was overwritten since', () => {
    const node = waiting();
    const other = logOf(1, 3, 3, 3);
    node.node.loaded(n2, positionAt(other, 1), other.slice(1));
    expect(appends(node.settle())).toEqual([]);
    expect(node.readies.flatMap((ready) => [...ready.loads])).toHaveLength(2);
  });

  test('are ignored by a replica that leads no more', () => {
    const node = waiting();
    node.step(node.append(3, 9, LOG_START));
    node.node.loaded(n2, positionAt(log, 1), log.slice(1));
    expect(appends(node.settle())).toEqual([]);
  });
});

describe('proposals', () => {
  test('are appended at the next index of the leader’s term', () => {
    const node = settledLeader();
    expect(node.node.propose(Uint8Array.of(1))).toEqual({ kind: 'appended', index: 2, term: 1 });
    expect(node.node.propose(Uint8Array.of(2))).toEqual({ kind: 'appended', index: 3, term: 1 });
  });

  test('are refused above the bytes that are not committed, never when nothing is', () => {
    const node = settledLeader({ uncommittedBytesMax: 100 });
    expect(node.node.propose(new Uint8Array(5_000)).kind).toBe('appended');
    expect(node.node.propose(new Uint8Array(0)).kind).toBe('overloaded');
    node.settle();
    node.accept(2, 2);
    expect(node.node.status().uncommittedBytes).toBe(0);
    expect(node.node.propose(new Uint8Array(100 - 2 * ENTRY_OVERHEAD_BYTES)).kind).toBe('appended');
    expect(node.node.propose(new Uint8Array(0)).kind).toBe('appended');
    expect(node.node.propose(new Uint8Array(0)).kind).toBe('overloaded');
  });

  test('are refused while the leader’s own disk does not keep up, though others commit', () => {
    const node = settledLeader({ uncommittedBytesMax: 100 });
    node.isDiskHeld = true;
    node.node.propose(new Uint8Array(90));
    node.settle();
    node.accept(2, 2);
    node.accept(3, 2);
    expect(node.node.status().commitIndex).toBe(2);
    expect(node.node.propose(new Uint8Array(0)).kind).toBe('overloaded');
    node.write();
    expect(node.node.propose(new Uint8Array(0)).kind).toBe('appended');
  });
});

describe('contact with a majority (§6.2)', () => {
  test('a leader that heard no majority for one election timeout steps down, in its term', () => {
    const node = settledLeader();
    node.tick(ELECTION_TICKS - 1);
    expect(node.node.status().role).toBe('leader');
    node.tick();
    expect(node.node.status()).toMatchObject({ role: 'follower', term: 1, leader: undefined });
  });

  test('a leader that hears one of two followers keeps leading', () => {
    const node = settledLeader();
    for (let i = 0; i < 5 * ELECTION_TICKS; i++) {
      node.tick();
      node.heartbeatAnswer(2);
    }
    expect(node.node.status()).toMatchObject({
      role: 'leader',
      progress: [{ recentlyActive: true }, { recentlyActive: true }, { recentlyActive: false }],
    });
  });

  test('a sole voter leads for ever', () => {
    const node = new DrivenNode({ size: 1 });
    node.tick(20 * ELECTION_TICKS);
    expect(node.node.status()).toMatchObject({ role: 'leader', term: 1 });
  });
});

describe('linearizable reads (§6.4)', () => {
  test('a round starts at once, by heartbeats, and grants at the commit index of its start', () => {
    const node = settledLeader();
    expect(node.node.requestRead(7)).toBe('pending');
    expect(node.settle()).toMatchObject([
      { kind: 'heartbeat-request', to: n2, round: 1 },
      { kind: 'heartbeat-request', to: n3, round: 1 },
    ]);
    propose(node, 1);
    node.accept(2, 2);
    expect(reads(node)).toEqual([]);
    node.heartbeatAnswer(3, 1);
    expect(reads(node)).toEqual([{ context: 7, index: 1 }]);
  });

  test('reads before one ready share a round; a later one gets the next, without a tick', () => {
    const node = settledLeader();
    node.node.requestRead(1);
    node.node.requestRead(2);
    node.settle();
    node.node.requestRead(3);
    expect(node.settle()).toEqual([]);
    expect(node.heartbeatAnswer(2, 1)).toMatchObject([{ round: 2 }, { round: 2 }]);
    expect(reads(node).map(({ context }) => context)).toEqual([1, 2]);
    node.heartbeatAnswer(2, 2);
    expect(reads(node).map(({ context }) => context)).toEqual([1, 2, 3]);
  });

  test('a lost round is asked again by the next heartbeat, whose number is new', () => {
    const node = settledLeader();
    node.node.requestRead(1);
    node.settle();
    expect(node.tick()).toMatchObject([{ round: 2 }, { round: 2 }]);
    expect(reads(node)).toEqual([]);
    node.heartbeatAnswer(2, 2);
    expect(reads(node)).toEqual([{ context: 1, index: 1 }]);
  });

  test('an answer to an older round, or to none, confirms nothing (etcd#20418)', () => {
    const node = settledLeader();
    node.node.requestRead(1);
    node.settle();
    node.heartbeatAnswer(2, 1);
    node.node.requestRead(2);
    node.settle();
    for (const n of [2, 3]) for (const round of [0, 1, 3]) node.heartbeatAnswer(n, round);
    expect(reads(node).map(({ context }) => context)).toEqual([1]);
  });

  test('no round starts before an entry of the leader’s own term is committed (etcd#7331)', () => {
    const node = leader({ log: logOf(1) });
    node.node.requestRead(1);
    expect(node.settle()).toEqual([]);
    node.accept(2, 1);
    expect(node.tick()).toMatchObject([{ round: 1 }, { round: 1 }]);
    const sent = node.accept(2, 2).filter((message) => message.kind === 'heartbeat-request');
    expect(sent).toMatchObject([{ round: 2 }, { round: 2 }]);
    node.heartbeatAnswer(2, 1);
    expect(reads(node)).toEqual([]);
    node.heartbeatAnswer(2, 2);
    expect(reads(node)).toEqual([{ context: 1, index: 2 }]);
  });

  test('a sole voter’s reads are granted in the same ready', () => {
    const node = new DrivenNode({ size: 1 });
    node.tick();
    node.node.requestRead(5);
    expect(node.node.ready().reads).toEqual([{ context: 5, index: 1 }]);
  });

  test('reads are abandoned on stepping down, those of the round and those that wait', () => {
    const node = settledLeader();
    node.node.requestRead(1);
    node.settle();
    node.node.requestRead(2);
    node.step(node.append(2, 5));
    expect(node.readies.flatMap((ready) => [...ready.abandonedReads])).toEqual([1, 2]);
    expect(node.node.requestRead(3)).toBe('not-leader');
  });

  test('reads above the bound are refused', () => {
    const node = settledLeader();
    for (let i = 0; i < 4_096; i++) expect(node.node.requestRead(i)).toBe('pending');
    expect(node.node.requestRead(9)).toBe('overloaded');
  });
});

test('a leader never changes its own log: an append of its own term is a second leader', () => {
  const node = settledLeader();
  const entries = logOf(1, 1);
  expect(() => node.node.step(node.append(2, 1, LOG_START, entries))).toThrow(InvariantError);
});

test('status tells the progress of every voter on a leader, and nothing on a follower', () => {
  const node = settledLeader();
  propose(node, 1);
  node.accept(3, 2);
  expect(node.node.status()).toMatchObject({
    role: 'leader',
    term: term(1),
    lastIndex: logIndex(2),
    progress: [
      { node: nodeId('n1'), matchIndex: 2, recentlyActive: true },
      { node: n2, matchIndex: 1, recentlyActive: true },
      { node: n3, matchIndex: 2, recentlyActive: true },
    ],
  });
  expect(new DrivenNode().node.status().progress).toEqual([]);
});
