/**
 * Failures that other systems had, each by the name of its report: what this core does instead. Those
 * that take a whole cluster to show are scripts: openraft#1796 (`pre-vote-longer-log.txt`),
 * canonical/raft#279 (`pre-vote-restarted.txt`), openraft#2080 (`partial-partition.txt`), raft-dev's
 * single-server flaw, copycat#23 and openraft#2051 (`change-before-own-commit.txt`), etcd#18055
 * (`base-twice.txt`), etcd#20418 (`read-index-stale.txt`), etcd#10166 is an assertion below.
 */
import { InvariantError, LOG_START, logIndex, nodeId, term, type NodeId } from '@kvstore/std';
import { DrivenNode, ELECTION_TICKS } from '../testdata/driven-node.ts';
import { entryAfter, logOf } from '../testdata/entries.ts';
import { DiskLog, foundingBase, nodeIds, positionAt } from '../testdata/replica.ts';
import type { Entry } from './entry.ts';
import { configurationOf, type LogBase } from './membership/configuration.ts';
import type { AppendRequest, Message, VoteRequest } from './message.ts';

const n2 = nodeId('n2');
const n4 = nodeId('n4');

function unprotected(setup: ConstructorParameters<typeof DrivenNode>[0] = {}): DrivenNode {
  const node = new DrivenNode({ random: { below: (bound) => bound - 1 }, ...setup });
  node.tick(ELECTION_TICKS);
  return node;
}

function settledLeader(setup: ConstructorParameters<typeof DrivenNode>[0] = {}): DrivenNode {
  const node = new DrivenNode(setup);
  node.lead();
  for (let n = 2; n <= node.ids.length; n++) node.accept(n, node.node.status().lastIndex);
  return node;
}

function vote(node: DrivenNode, n: number, of: number, at = LOG_START): VoteRequest {
  const last = { lastIndex: at.index, lastTerm: at.term };
  return { kind: 'vote-request', ...node.from(n), term: term(of), ...last, forced: false };
}

function granted(messages: readonly Message[]): boolean[] {
  return messages.flatMap((of) => (of.kind === 'vote-response' ? [of.granted] : []));
}

function appendsTo(to: NodeId, messages: readonly Message[]): AppendRequest[] {
  return messages.filter((of): of is AppendRequest => of.kind === 'append-request' && of.to === to);
}

function baseAt(log: readonly Entry[], index: number): LogBase {
  return { ...foundingBase(configurationOf(nodeIds(3))), position: positionAt(log, index) };
}

function propose(node: DrivenNode, count = 1): Message[] {
  for (let i = 0; i < count; i++) node.node.propose(Uint8Array.of(i));
  return node.settle();
}

describe('elections and votes', () => {
  test('camunda#5356: no second vote in a term, whoever asks first, before and after a restart', () => {
    const node = unprotected();
    expect(granted(node.step(vote(node, 2, 1)))).toEqual([true]);
    expect(granted(node.step(vote(node, 3, 1)))).toEqual([false]);
    node.replica.crash();
    node.replica.start();
    node.tick(ELECTION_TICKS);
    expect(granted(node.step(vote(node, 3, 1)))).toEqual([false]);
  });

  test('nebula#3415: a candidate has voted for itself, also after a restart', () => {
    const node = new DrivenNode();
    node.tick(ELECTION_TICKS);
    node.step({ kind: 'pre-vote-response', ...node.from(2), term: term(1), granted: true });
    node.replica.crash();
    node.replica.start();
    node.tick(ELECTION_TICKS - 1);
    expect(granted(node.step(vote(node, 2, 1)))).toEqual([]);
    expect(node.replica.hardState).toEqual({ term: 1, vote: 'n1' });
  });

  test('PySyncObj#202, databend#1051: a restart remembers the term', () => {
    const node = unprotected({ term: 7 });
    expect(granted(node.step(vote(node, 2, 6)))).toEqual([false]);
    expect(node.node.status().term).toBe(7);
  });

  test('CCF#5891: a candidate that steps down in its term keeps its vote', () => {
    const node = new DrivenNode();
    node.tick(ELECTION_TICKS);
    node.step({ kind: 'pre-vote-response', ...node.from(2), term: term(1), granted: true });
    node.step(node.append(3, 1));
    node.tick(ELECTION_TICKS);
    expect(granted(node.step(vote(node, 2, 1)))).toEqual([false]);
  });

  test('xraft#33, daos raft#70: a leader grants no vote in its term', () => {
    const node = settledLeader();
    expect(granted(node.step({ ...vote(node, 2, 1), forced: true }))).toEqual([false]);
    expect(node.node.status().role).toBe('leader');
  });

  test('hashicorp/raft#503: a leader whose disk hangs commits by the others, then takes no more', () => {
    const node = settledLeader({ uncommittedBytesMax: 100 });
    node.isDiskHeld = true;
    propose(node);
    node.accept(2, 2);
    node.accept(3, 2);
    expect(node.node.status()).toMatchObject({ commitIndex: 2, durableIndex: 1 });
    propose(node, 3);
    expect(node.node.propose(new Uint8Array(0)).kind).toBe('overloaded');
    node.node.stepDown();
    expect(node.node.status().role).toBe('follower');
  });

  test('hashicorp/raft#612: entries flow again after a follower’s stall, heartbeats find out', () => {
    const node = settledLeader({ appendBytesMax: 40, inflightBytesMax: 80, inflightAppendsMax: 2 });
    propose(node, 4);
    for (let i = 0; i < 5; i++) {
      node.tick();
      node.heartbeatAnswer(2);
    }
    node.accept(2, 3);
    expect(appendsTo(n2, node.accept(2, 5))).toEqual([]);
    expect(node.node.status().progress[1]?.matchIndex).toBe(5);
  });
});

describe('log and commit', () => {
  test('PySyncObj#169: an entry of an older term is not committed by counting', () => {
    const node = new DrivenNode({ log: logOf(1, 2), term: 3 });
    node.lead();
    for (const n of [2, 3]) node.accept(n, 2);
    expect(node.node.status().commitIndex).toBe(0);
  });

  test('PySyncObj#166, #167, raftos#25: match and commit do not go back', () => {
    const node = settledLeader();
    propose(node, 2);
    node.accept(2, 3);
    node.accept(2, 1);
    expect(node.node.status()).toMatchObject({
      commitIndex: 3,
      progress: [{}, { matchIndex: 3 }, {}],
    });
  });

  test('raftos#26, willemt/raft#118: a shorter append erases nothing that agrees', () => {
    const log = logOf(1, 1, 1);
    const node = new DrivenNode({ log });
    node.step(node.append(2, 1, LOG_START, log.slice(0, 1)));
    expect(node.node.status().lastIndex).toBe(3);
  });

  test('CCF#5991: a stale rejection does not lower what is known to match', () => {
    const node = settledLeader();
    propose(node, 2);
    node.accept(2, 3);
    expect(appendsTo(n2, node.reject(2, 2, 0, 0))).toEqual([]);
    expect(node.node.status().progress[1]?.matchIndex).toBe(3);
  });

  test('CCF PR 6016: an acceptance names what the append covered, not the end of the log', () => {
    const log = logOf(1, 1, 2, 2);
    const node = new DrivenNode({ log });
    expect(node.step(node.append(2, 3, LOG_START, log.slice(0, 2)))).toMatchObject([
      { result: { kind: 'accepted', matchIndex: 2 } },
    ]);
  });

  test('CCF#2803: a follower with an empty log is brought back by its first rejection', () => {
    const node = new DrivenNode();
    node.lead();
    propose(node, 2);
    node.accept(3, 3);
    const [append] = appendsTo(n2, [...node.tick(), ...node.heartbeatAnswer(2)]);
    expect(append).toMatchObject({ previousIndex: 0 });
    node.accept(2, 3);
    expect(node.node.status().progress[1]?.matchIndex).toBe(3);
  });

  test('cockroachdb#63302: entries in memory go with the log that is truncated', () => {
    const mine = logOf(1, 1, 1);
    const node = new DrivenNode();
    node.step(node.append(2, 1, LOG_START, mine));
    const theirs = entryAfter(positionAt(mine, 1), 2, Uint8Array.of(9));
    node.step(node.append(3, 2, positionAt(mine, 1), [theirs]));
    expect(node.node.entriesFrom(logIndex(1), 1_000)).toEqual([mine[0], theirs]);
    expect(node.node.chainAt(logIndex(3))).toBeUndefined();
  });

  test('cockroachdb#28918: the commit index does not go back by a later, smaller one', () => {
    const log = logOf(1, 1);
    const node = new DrivenNode();
    node.step(node.append(2, 1, LOG_START, log, 2));
    node.step(node.append(2, 1, positionAt(log, 2), [], 1));
    expect(node.commits).toEqual([2]);
  });

  test('NuRaft#185, etcd#10166: a replica that lost what it acknowledged stops', () => {
    const node = new DrivenNode({ log: logOf(1) });
    const heartbeat = { ...node.from(2), term: term(1), commitIndex: logIndex(3), round: 1 };
    expect(() => node.node.step({ kind: 'heartbeat-request', ...heartbeat })).toThrow(
      InvariantError,
    );
  });

  test('etcd#14370, etcd#10508: a sole voter commits nothing before its own disk has it', () => {
    const node = new DrivenNode({ size: 1 });
    node.tick();
    node.isDiskHeld = true;
    propose(node);
    expect(node.node.status()).toMatchObject({ commitIndex: 1, lastIndex: 2 });
    node.write();
    expect(node.node.status().commitIndex).toBe(2);
  });
});

describe('membership', () => {
  test('RedisLabs/raft#26: a leader that votes no more commits nothing by itself', () => {
    const node = settledLeader({ size: 2 });
    node.node.changeMembers([{ kind: 'remove', node: nodeId('n1') }]);
    node.settle();
    node.accept(2, 2);
    expect(node.node.status()).toMatchObject({ role: 'leader', commitIndex: 2, lastIndex: 3 });
    node.accept(2, 3);
    expect(node.node.status()).toMatchObject({ role: 'follower', commitIndex: 3 });
  });

  test('etcd#7625, etcd-io/raft#234: a configuration counts from the moment it is in the log', () => {
    const node = settledLeader();
    node.node.changeMembers([{ kind: 'add-learner', node: n4 }]);
    expect(appendsTo(n4, node.settle())).toHaveLength(1);
    expect(node.node.status()).toMatchObject({
      commitIndex: 1,
      configuration: { index: 2, configuration: { learners: [n4] } },
    });
  });

  test('RethinkDB 2.2.3, etcd#20967: a member that is removed neither returns nor is heard', () => {
    const node = settledLeader();
    node.node.changeMembers([{ kind: 'remove', node: nodeId('n3') }]);
    node.settle();
    for (const match of [2, 3]) node.accept(2, match);
    expect(node.node.changeMembers([{ kind: 'add-voter', node: nodeId('n3') }])).toEqual({
      kind: 'refused',
      reason: 'invalid',
    });
    expect(node.step({ ...vote(node, 3, 9, positionAt(logOf(8), 1)), forced: true })).toEqual([]);
    expect(node.node.status()).toMatchObject({ term: 1, dropped: { removed: 1 } });
  });

  test('etcd PR 21736: a learner does not become a voter by another change', () => {
    const node = settledLeader();
    node.node.changeMembers([{ kind: 'add-learner', node: n4 }]);
    node.settle();
    node.accept(2, 2);
    node.node.changeMembers([{ kind: 'set-priority', node: n4, priority: 9 }]);
    const { configuration } = node.node.status().configuration;
    expect(configuration).toMatchObject({ learners: [n4], voters: ['n1', 'n2', 'n3'] });
  });
});

describe('bases of cut logs', () => {
  const log = logOf(1, 1, 1, 1, 1);

  test('camunda#6092, etcd PR 1763: an older base drops no newer entry', () => {
    const node = new DrivenNode();
    node.step(node.append(2, 1, LOG_START, log, 2));
    for (const index of [1, 2, 4]) {
      const sent = node.step({
        kind: 'base-request',
        ...node.from(2),
        term: term(1),
        base: baseAt(log, index),
      });
      expect(sent).toMatchObject([{ result: { kind: 'accepted', matchIndex: index } }]);
    }
    expect(node.node.status()).toMatchObject({ lastIndex: 5, commitIndex: 4, baseIndex: 0 });
  });

  test('RedisLabs/raft#49: what is below the base is not appended again', () => {
    const node = new DrivenNode({ base: baseAt(log, 3), log: log.slice(3) });
    expect(node.step(node.append(2, 1, LOG_START, log.slice(0, 2)))).toMatchObject([
      { result: { kind: 'accepted', matchIndex: 2 } },
    ]);
    expect(node.step(node.append(2, 1, positionAt(log, 1), log.slice(1)))).toMatchObject([
      { result: { kind: 'accepted', matchIndex: 5 } },
    ]);
    expect(node.node.status()).toMatchObject({ baseIndex: 3, lastIndex: 5 });
    expect(node.readies.flatMap(({ append }) => append)).toEqual([]);
  });

  test('redisraft#43: a log that does not follow its base is refused at the start', () => {
    const gap = { base: baseAt(log, 2), log: log.slice(3) };
    expect(() => new DrivenNode(gap)).toThrow(InvariantError);
    const disk = new DiskLog(baseAt(log, 2));
    expect(() => disk.place(log.slice(3))).toThrow('gap');
  });

  test('a base is acknowledged only when it is durable, and votes count it', () => {
    const node = unprotected();
    node.isDiskHeld = true;
    const request = { ...node.from(2), term: term(1), base: baseAt(log, 4) };
    expect(node.step({ kind: 'base-request', ...request })).toEqual([]);
    expect(node.write()).toEqual([]);
    expect(node.write()).toMatchObject([{ result: { kind: 'accepted', matchIndex: 4 } }]);
    node.tick(ELECTION_TICKS);
    expect(granted(node.step(vote(node, 3, 2, positionAt(log, 3))))).toEqual([false]);
  });

  test('a log that is cut while entries are loaded for a follower sends it the base', () => {
    const node = new DrivenNode({ log, term: 1 });
    node.lead();
    node.accept(2, 6);
    node.isDiskHeld = true;
    expect(node.reject(3, 5, 1, 1)).toEqual([]);
    expect(node.replica.loads).toMatchObject([{ to: 'n3', from: 2 }]);
    node.replica.cutTo(5);
    expect(node.settle()).toMatchObject([
      { kind: 'base-request', to: 'n3', base: { position: { index: 5 } } },
    ]);
  });
});

describe('reads', () => {
  test('etcd#7331, tikv#6340: nothing is read before a commit of the leader’s own term', () => {
    const node = new DrivenNode({ log: logOf(1) });
    node.lead();
    node.node.requestRead(1);
    node.tick();
    for (const n of [2, 3]) node.heartbeatAnswer(n, 1);
    expect(node.readies.flatMap((ready) => [...ready.reads])).toEqual([]);
    expect(node.node.leaseRead(node.nowMs)).toBeUndefined();
  });

  test('d-engine#381, xraft#40: nothing is read before a majority answered', () => {
    const node = settledLeader();
    node.node.requestRead(1);
    node.settle();
    expect(node.readies.flatMap((ready) => [...ready.reads])).toEqual([]);
    node.heartbeatAnswer(2, 1);
    expect(node.readies.flatMap((ready) => [...ready.reads])).toEqual([{ context: 1, index: 1 }]);
  });
});
