/**
 * Roles, terms, votes and following: one test per sentence of the thesis (sections 3.3, 3.4, 3.6, 4.2.3,
 * 6.4, 9.6), in the manner of etcd's raft_paper_test.
 */
import { chain, InvariantError, LOG_START, logIndex, nodeId, term } from '@kvstore/std';
import { DrivenNode, ELECTION_TICKS, testConfig } from '../testdata/driven-node.ts';
import { logOf } from '../testdata/entries.ts';
import { positionAt, restoredFrom } from '../testdata/replica.ts';
import { EntryKind } from './entry.ts';
import { configurationOf } from './membership/configuration.ts';
import type { Message, PreVoteRequest, VoteRequest } from './message.ts';
import { RaftNode } from './raft-node.ts';

const n1 = nodeId('n1');
const n2 = nodeId('n2');
const n3 = nodeId('n3');

function vote(node: DrivenNode, n: number, of: number, lastIndex = 0, lastTerm = 0): VoteRequest {
  return {
    kind: 'vote-request',
    ...node.from(n),
    term: term(of),
    lastIndex: logIndex(lastIndex),
    lastTerm: term(lastTerm),
    forced: false,
  };
}

function preVote(
  node: DrivenNode,
  n: number,
  of: number,
  lastIndex = 0,
  lastTerm = 0,
): PreVoteRequest {
  return { ...vote(node, n, of, lastIndex, lastTerm), kind: 'pre-vote-request' };
}

function heartbeat(node: DrivenNode, n: number, of: number, commit = 0, round = 1): Message {
  const commitIndex = logIndex(commit);
  return { kind: 'heartbeat-request', ...node.from(n), term: term(of), commitIndex, round };
}

/** Past the protection of whatever leader there may have been, not yet at its own timeout. */
function unprotected(setup: ConstructorParameters<typeof DrivenNode>[0] = {}): DrivenNode {
  const node = new DrivenNode({ random: { below: (bound) => bound - 1 }, ...setup });
  node.tick(ELECTION_TICKS);
  return node;
}

function granted(messages: readonly Message[]): (boolean | undefined)[] {
  return messages.map((of) => ('granted' in of ? of.granted : undefined));
}

describe('terms (§3.3)', () => {
  test.each(['follower', 'candidate', 'leader'])(
    'a %s that sees a larger term updates its own and becomes a follower',
    (role) => {
      const node = new DrivenNode();
      if (role === 'leader') node.lead();
      if (role === 'candidate') {
        node.tick(ELECTION_TICKS);
        node.step({ kind: 'pre-vote-response', ...node.from(2), term: term(1), granted: true });
      }
      expect(node.node.status().role).toBe(role);
      node.step(node.append(2, 7));
      expect(node.node.status()).toMatchObject({ role: 'follower', term: 7, leader: n2 });
    },
  );

  test('a response of a larger term deposes a leader, whatever it says', () => {
    const node = new DrivenNode();
    node.lead();
    node.step({ kind: 'heartbeat-response', ...node.from(2), term: term(9), round: 0 });
    expect(node.node.status()).toMatchObject({ role: 'follower', term: 9, leader: undefined });
  });

  test('an append or heartbeat of a smaller term is answered with the larger one', () => {
    const node = new DrivenNode({ term: 5 });
    expect(node.step(node.append(2, 3))).toMatchObject([
      { kind: 'append-response', to: n2, term: 5, result: { kind: 'rejected' } },
    ]);
    expect(node.step(heartbeat(node, 2, 3, 9, 4))).toMatchObject([
      { kind: 'heartbeat-response', to: n2, term: 5, round: 0 },
    ]);
    expect(node.node.status()).toMatchObject({ term: 5, leader: undefined });
  });

  test('responses of a smaller term are void', () => {
    const node = new DrivenNode({ size: 5, term: 4 });
    node.lead();
    const result = { kind: 'accepted' as const, matchIndex: logIndex(1) };
    for (const n of [2, 3, 4]) {
      node.step({ kind: 'append-response', ...node.from(n), term: term(4), result });
    }
    expect(node.node.status().commitIndex).toBe(0);
  });

  test('messages to others or from itself are dropped and counted', () => {
    const node = new DrivenNode();
    const append = node.append(2, 7);
    node.step({ ...append, to: n3 });
    node.step({ ...append, from: n1 });
    expect(node.node.status()).toMatchObject({ term: 0, dropped: { misaddressed: 2 } });
  });

  test('an append of an unknown leader is taken: it may know of a newer configuration (§4.1)', () => {
    const node = new DrivenNode();
    node.step({ ...node.append(2, 7), from: nodeId('n9') });
    expect(node.node.status()).toMatchObject({ term: 7, leader: 'n9' });
  });

  test('two leaders in one term are divergence: an assertion', () => {
    const node = new DrivenNode();
    node.step(node.append(2, 1));
    expect(() => node.node.step(node.append(3, 1))).toThrow(InvariantError);
    const leader = new DrivenNode();
    leader.lead();
    expect(() => leader.node.step(heartbeat(leader, 2, 1))).toThrow(InvariantError);
  });
});

describe('elections (§3.4)', () => {
  test('a node starts as a follower', () => {
    expect(new DrivenNode({ term: 3 }).node.status()).toMatchObject({ role: 'follower', term: 3 });
  });

  test('a follower stays one as long as it hears a leader', () => {
    const node = new DrivenNode();
    for (let i = 0; i < 5 * ELECTION_TICKS; i++) {
      node.step(heartbeat(node, 2, 1));
      node.tick();
    }
    expect(node.node.status()).toMatchObject({ role: 'follower', term: 1, leader: n2 });
  });

  test('a follower that hears nobody asks, before it increments its term, who would vote for it (§9.6)', () => {
    const node = new DrivenNode({ log: logOf(1, 2), term: 4 });
    expect(node.tick(ELECTION_TICKS)).toMatchObject([
      { kind: 'pre-vote-request', to: n2, term: 5, lastIndex: 2, lastTerm: 2 },
      { kind: 'pre-vote-request', to: n3, term: 5, lastIndex: 2, lastTerm: 2 },
    ]);
    expect(node.node.status()).toMatchObject({ role: 'pre-candidate', term: 4, leader: undefined });
    expect(node.replica.hardState).toEqual({ term: 4, vote: undefined });
  });

  test('with a majority of pre-votes it increments its term, votes for itself and asks for votes', () => {
    const node = new DrivenNode({ term: 4 });
    node.tick(ELECTION_TICKS);
    const sent = node.step({
      kind: 'pre-vote-response',
      ...node.from(2),
      term: term(5),
      granted: true,
    });
    expect(sent).toMatchObject([
      { kind: 'vote-request', to: n2, term: 5 },
      { kind: 'vote-request', to: n3, term: 5 },
    ]);
    expect(node.replica.hardState).toEqual({ term: 5, vote: n1 });
  });

  test('pre-votes for another term than the next one do not count', () => {
    const node = new DrivenNode({ term: 4 });
    node.tick(ELECTION_TICKS);
    node.step({ kind: 'pre-vote-response', ...node.from(2), term: term(4), granted: true });
    node.step({ kind: 'pre-vote-response', ...node.from(2), term: term(9), granted: true });
    expect(node.node.status()).toMatchObject({ role: 'pre-candidate', term: 4 });
  });

  test('a pre-vote rejected in a larger term teaches that term', () => {
    const node = new DrivenNode({ term: 4 });
    node.tick(ELECTION_TICKS);
    node.step({ kind: 'pre-vote-response', ...node.from(2), term: term(8), granted: false });
    expect(node.node.status()).toMatchObject({ role: 'follower', term: 8 });
  });

  test('a pre-candidate that most reject returns to following, in its term', () => {
    const node = new DrivenNode({ term: 4 });
    node.tick(ELECTION_TICKS);
    for (const n of [2, 3]) {
      node.step({ kind: 'pre-vote-response', ...node.from(n), term: term(4), granted: false });
    }
    expect(node.node.status()).toMatchObject({ role: 'follower', term: 4 });
  });

  test.each([
    [3, [2], 'leader'],
    [3, [], 'candidate'],
    [5, [2], 'candidate'],
    [5, [2, 2, 2], 'candidate'],
    [5, [2, 3], 'leader'],
    [4, [2], 'candidate'],
    [4, [2, 3], 'leader'],
  ] as const)('of %i voters, votes of itself and %j make it a %s', (size, voters, role) => {
    const node = new DrivenNode({ size });
    node.tick(ELECTION_TICKS);
    for (let n = 2; n <= size; n++) {
      node.step({ kind: 'pre-vote-response', ...node.from(n), term: term(1), granted: true });
    }
    for (const n of voters) {
      node.step({ kind: 'vote-response', ...node.from(n), term: term(1), granted: true });
    }
    expect(node.node.status().role).toBe(role);
  });

  test('a candidate that most reject becomes a follower and keeps its vote', () => {
    const node = new DrivenNode();
    node.tick(ELECTION_TICKS);
    node.step({ kind: 'pre-vote-response', ...node.from(2), term: term(1), granted: true });
    for (const n of [2, 3]) {
      node.step({ kind: 'vote-response', ...node.from(n), term: term(1), granted: false });
    }
    expect(node.node.status()).toMatchObject({ role: 'follower', term: 1 });
    expect(node.step(vote(node, 2, 1))).toMatchObject([{ granted: false }]);
  });

  test.each(['pre-candidate', 'candidate'])(
    'a %s that hears the leader of its term follows it',
    (role) => {
      const node = new DrivenNode({ term: 1 });
      node.tick(ELECTION_TICKS);
      if (role === 'candidate') {
        node.step({ kind: 'pre-vote-response', ...node.from(2), term: term(2), granted: true });
      }
      const { term: own } = node.node.status();
      expect(node.node.status().role).toBe(role);
      node.step(heartbeat(node, 3, own));
      expect(node.node.status()).toMatchObject({ role: 'follower', term: own, leader: n3 });
    },
  );

  test('an election that nobody answers is followed by another pre-vote, in the candidate’s term', () => {
    const node = new DrivenNode();
    node.tick(ELECTION_TICKS);
    node.step({ kind: 'pre-vote-response', ...node.from(2), term: term(1), granted: true });
    expect(node.tick(ELECTION_TICKS)).toMatchObject([
      { kind: 'pre-vote-request', term: 2 },
      { kind: 'pre-vote-request', term: 2 },
    ]);
    expect(node.node.status()).toMatchObject({ role: 'pre-candidate', term: 1 });
  });

  test('a sole voter leads after its first tick, without a timeout', () => {
    const node = new DrivenNode({ size: 1, term: 6, log: logOf(2) });
    node.tick();
    expect(node.node.status()).toMatchObject({ role: 'leader', term: 7, commitIndex: 2 });
    expect(node.replica.disk.entries.map(({ term: of, kind }) => [of, kind])).toEqual([
      [2, EntryKind.data],
      [7, EntryKind.opening],
    ]);
  });

  test('who is left alone waits for its timeout: the leader that was removed may have a lease', () => {
    const configuration = { ...configurationOf([n1]), removed: [n2] };
    const node = new DrivenNode({ size: 1, term: 6, log: logOf(2), configuration });
    node.tick(ELECTION_TICKS - 1);
    expect(node.node.status()).toMatchObject({ role: 'follower', term: 6 });
    node.tick();
    expect(node.node.status()).toMatchObject({ role: 'leader', term: 7 });
  });
});

describe('votes (§3.4, §3.6.1)', () => {
  test('a voter votes for at most one candidate in a term, first come first served', () => {
    const node = unprotected();
    expect(granted(node.step(vote(node, 2, 1)))).toEqual([true]);
    expect(granted(node.step(vote(node, 3, 1)))).toEqual([false]);
    expect(granted(node.step(vote(node, 2, 1)))).toEqual([true]);
    expect(granted(node.step(vote(node, 3, 2)))).toEqual([true]);
  });

  test('a vote survives a restart', () => {
    const node = unprotected({ term: 3, vote: n2 });
    expect(granted(node.step(vote(node, 3, 3)))).toEqual([false]);
    expect(granted(node.step(vote(node, 2, 3)))).toEqual([true]);
  });

  test.each([
    [[1], 1, 1, true],
    [[1], 2, 1, true],
    [[1, 1], 1, 1, false],
    [[1], 1, 2, true],
    [[1], 2, 2, true],
    [[1, 1], 1, 2, true],
    [[2], 1, 1, false],
    [[2], 2, 1, false],
    [[2, 2], 9, 1, false],
  ] as const)(
    'a voter with a log of terms %j answers a candidate at %i/%i: %s',
    (own, index, of, answer) => {
      for (const request of [vote, preVote]) {
        const node = unprotected({ log: logOf(...own), term: 2 });
        expect(granted(node.step(request(node, 2, 3, index, of)))).toEqual([answer]);
      }
    },
  );

  test('a request of a smaller term is rejected with the larger one, protected or not', () => {
    for (const node of [new DrivenNode({ term: 5 }), unprotected({ term: 5 })]) {
      expect(node.step(vote(node, 2, 4))).toMatchObject([{ granted: false, term: 5 }]);
      expect(node.step(preVote(node, 2, 4))).toMatchObject([{ granted: false, term: 5 }]);
    }
  });

  test('a vote request of a larger term raises the term even when it is rejected', () => {
    const node = unprotected({ log: logOf(3, 3) });
    expect(node.step(vote(node, 2, 8, 1, 1))).toMatchObject([{ granted: false, term: 8 }]);
    expect(node.node.status()).toMatchObject({ term: 8, role: 'follower' });
  });

  test('a pre-vote changes neither term nor vote nor timer (§9.6)', () => {
    const node = unprotected({ term: 3 });
    expect(node.step(preVote(node, 2, 9))).toMatchObject([{ granted: true, term: 9 }]);
    expect(node.step(preVote(node, 3, 4))).toMatchObject([{ granted: true, term: 4 }]);
    expect(node.replica.hardState).toEqual({ term: 3, vote: undefined });
    node.tick(ELECTION_TICKS - 1);
    expect(node.node.status().role).toBe('pre-candidate');
  });

  test('a granted vote resets the timer, a rejected one of the same term does not', () => {
    const node = unprotected();
    node.step(vote(node, 2, 1));
    node.tick(ELECTION_TICKS);
    expect(node.node.status().role).toBe('follower');
    node.step(vote(node, 3, 1));
    node.tick(ELECTION_TICKS - 1);
    expect(node.node.status().role).toBe('pre-candidate');
  });
});

describe('protection of a leader (§4.2.3, §6.4)', () => {
  test.each([vote, preVote])(
    'after its own start a voter ignores votes for one minimum timeout',
    (request) => {
      const node = new DrivenNode({ random: { below: (bound) => bound - 1 }, term: 2 });
      node.tick(ELECTION_TICKS - 1);
      expect(node.step(request(node, 2, 9))).toEqual([]);
      expect(node.node.status().term).toBe(2);
      node.tick();
      expect(granted(node.step(request(node, 2, 9)))).toEqual([true]);
    },
  );

  test.each([vote, preVote])(
    'after hearing a leader a voter ignores votes for one minimum timeout',
    (request) => {
      const node = unprotected();
      node.step(heartbeat(node, 2, 1));
      node.tick(ELECTION_TICKS - 1);
      expect(node.step(request(node, 3, 9))).toEqual([]);
      expect(node.node.status()).toMatchObject({ term: 1, leader: n2 });
      node.tick();
      expect(granted(node.step(request(node, 3, 9)))).toEqual([true]);
    },
  );

  test.each([vote, preVote])('a leader ignores votes', (request) => {
    const node = new DrivenNode();
    node.lead();
    for (let i = 0; i < 2 * ELECTION_TICKS; i++) {
      node.heartbeatAnswer(2);
      node.tick();
    }
    expect(node.step(request(node, 3, 9, 5, 5))).toEqual([]);
    expect(node.node.status()).toMatchObject({ role: 'leader', term: 1 });
  });
});

describe('durability before promises (§3.8, §10.2.1)', () => {
  test('a candidate asks for votes, and counts its own, only when that is durable', () => {
    const node = new DrivenNode();
    node.isDiskHeld = true;
    node.tick(ELECTION_TICKS);
    const grant = {
      kind: 'pre-vote-response',
      ...node.from(2),
      term: term(1),
      granted: true,
    } as const;
    expect(node.step(grant)).toEqual([]);
    expect(node.tick(5 * ELECTION_TICKS)).toEqual([]);
    expect(node.node.status()).toMatchObject({ role: 'candidate', term: 1 });
    expect(node.write()).toMatchObject([{ kind: 'vote-request' }, { kind: 'vote-request' }]);
  });

  test('a sole voter wins only when its vote is durable', () => {
    const node = new DrivenNode({ size: 1 });
    node.isDiskHeld = true;
    node.tick(50);
    expect(node.node.status()).toMatchObject({ role: 'candidate', term: 1 });
    node.write();
    expect(node.node.status()).toMatchObject({ role: 'leader', term: 1, commitIndex: 0 });
    node.write();
    expect(node.node.status().commitIndex).toBe(1);
  });

  test('a vote is granted only when it is durable', () => {
    const node = unprotected();
    node.isDiskHeld = true;
    expect(node.step(vote(node, 2, 1))).toEqual([]);
    expect(node.step(vote(node, 2, 1))).toEqual([]);
    expect(node.write()).toMatchObject([{ kind: 'vote-response', to: n2, granted: true, term: 1 }]);
  });

  test('a vote that becomes durable while its voter asks for pre-votes is still granted', () => {
    const node = unprotected();
    node.isDiskHeld = true;
    node.step(vote(node, 2, 1));
    node.tick(2 * ELECTION_TICKS);
    expect(node.node.status()).toMatchObject({ role: 'pre-candidate', term: 1 });
    expect(node.write()).toMatchObject([{ kind: 'vote-response', to: n2, granted: true, term: 1 }]);
  });

  test('a vote of an older term is not granted when that became durable late', () => {
    const node = unprotected();
    node.isDiskHeld = true;
    node.step(vote(node, 2, 1));
    node.step(vote(node, 3, 2));
    expect(node.write()).toEqual([]);
    expect(node.write()).toMatchObject([{ to: n3, granted: true, term: 2 }]);
  });

  test('an append is accepted only when term and entries are durable, up to what is', () => {
    const leader = logOf(1, 1, 1);
    const node = new DrivenNode();
    node.isDiskHeld = true;
    expect(node.step(node.append(2, 1, LOG_START, leader.slice(0, 1)))).toEqual([]);
    expect(node.step(node.append(2, 1, positionAt(leader, 1), leader.slice(1)))).toEqual([]);
    expect(node.write()).toEqual([]);
    expect(node.write()).toMatchObject([{ term: 1, result: { kind: 'accepted', matchIndex: 1 } }]);
    expect(node.write()).toMatchObject([{ term: 1, result: { kind: 'accepted', matchIndex: 3 } }]);
    expect(node.write()).toEqual([]);
  });

  test('entries that are durable already are accepted only when the term of the leader is', () => {
    const log = logOf(1, 1);
    const node = new DrivenNode({ log });
    node.isDiskHeld = true;
    expect(node.step(node.append(2, 4, positionAt(log, 2)))).toEqual([]);
    expect(node.write()).toMatchObject([{ term: 4, result: { kind: 'accepted', matchIndex: 2 } }]);
  });

  test('rejections wait for nothing', () => {
    const node = new DrivenNode();
    node.isDiskHeld = true;
    expect(node.step(node.append(2, 4, positionAt(logOf(1, 1), 2)))).toMatchObject([
      { term: 4, result: { kind: 'rejected', rejectedIndex: 2, hintIndex: 0, hintTerm: 0 } },
    ]);
  });

  test('entries are handed out with the hard state of their term, or after it', () => {
    const node = new DrivenNode();
    node.step(node.append(2, 3, LOG_START, logOf(3)));
    const [first] = node.readies;
    expect([first?.hardState?.term, first?.append.length]).toEqual([3, 1]);
  });

  test('what an old leader was owed is not sent to a new one', () => {
    const node = new DrivenNode();
    node.isDiskHeld = true;
    node.step(node.append(2, 1, LOG_START, logOf(1, 1)));
    node.step(heartbeat(node, 3, 2));
    const sent = [...node.write(), ...node.write(), ...node.write()];
    expect(sent.filter((message) => message.kind === 'append-response')).toEqual([]);
  });
});

describe('following (§3.5)', () => {
  test('an acceptance names the last entry that the append covered, not the end of the log', () => {
    const log = logOf(1, 1, 1, 1);
    const node = new DrivenNode({ log });
    const answer = node.step(node.append(2, 4, LOG_START, log.slice(0, 2)));
    expect(answer).toMatchObject([{ result: { kind: 'accepted', matchIndex: 2 } }]);
    expect(node.step(node.append(2, 4, positionAt(log, 1)))).toMatchObject([
      { result: { kind: 'accepted', matchIndex: 1 } },
    ]);
  });

  test('a heartbeat commits what its leader says, and is answered with its round', () => {
    const node = new DrivenNode({ log: logOf(1, 1) });
    expect(node.step(heartbeat(node, 2, 1, 1, 5))).toMatchObject([
      { kind: 'heartbeat-response', to: n2, round: 5 },
    ]);
    expect(node.node.status().commitIndex).toBe(1);
    node.step(heartbeat(node, 2, 1, 0));
    expect(node.node.status().commitIndex).toBe(1);
  });

  test('a leader that names more than this log holds has seen entries that were lost: an assertion', () => {
    const node = new DrivenNode({ log: logOf(1) });
    expect(() => node.node.step(heartbeat(node, 2, 1, 2))).toThrow(InvariantError);
  });

  test('a corrupt append is dropped without an answer, and counted', () => {
    const node = new DrivenNode();
    const [entry] = logOf(1);
    const damaged = entry === undefined ? [] : [{ ...entry, body: Uint8Array.of(9) }];
    expect(node.step(node.append(2, 1, LOG_START, damaged))).toEqual([]);
    expect(node.node.status()).toMatchObject({ lastIndex: 0, dropped: { malformed: 1 } });
  });

  test('a malformed append touches nothing, not even the term', () => {
    const node = new DrivenNode();
    node.step({ ...node.append(2, 7), commitIndex: -1 as never });
    expect(node.node.status()).toMatchObject({ term: 0, leader: undefined });
  });

  test('proposals and reads are refused, naming the leader', () => {
    const node = new DrivenNode();
    expect(node.node.propose(new Uint8Array(0))).toEqual({ kind: 'not-leader', leader: undefined });
    node.step(heartbeat(node, 2, 1));
    expect(node.node.propose(new Uint8Array(0))).toEqual({ kind: 'not-leader', leader: n2 });
    expect(node.node.requestRead(1)).toBe('not-leader');
  });

  test('committed entries come once, in order, ending at the commit index', () => {
    const leader = logOf(1, 1, 1);
    const node = new DrivenNode();
    node.step(node.append(2, 1, LOG_START, leader, 2));
    node.step(node.append(2, 1, positionAt(leader, 3), [], 3));
    expect(node.readies.flatMap(({ committed }) => committed)).toEqual(leader);
    expect(node.commits).toEqual([2, 3]);
  });

  test('the chain of an entry can be asked for while it is in memory', () => {
    const leader = logOf(1, 1);
    const node = new DrivenNode();
    node.step(node.append(2, 1, LOG_START, leader));
    expect(node.node.chainAt(logIndex(1))).toBe(leader[0]?.chain);
    expect(node.node.chainAt(logIndex(0))).toBe(chain(0));
    expect(node.node.chainAt(logIndex(3))).toBeUndefined();
  });
});

describe('a ready', () => {
  test('is there when something is to be done, and empty afterwards', () => {
    const node = new DrivenNode({ size: 1 });
    expect(node.node.hasReady()).toBe(false);
    node.tick();
    expect(node.node.hasReady()).toBe(false);
    node.node.propose(Uint8Array.of(1));
    expect(node.node.hasReady()).toBe(true);
    node.settle();
    expect(node.node.hasReady()).toBe(false);
  });

  test('reports role, term and leader when one of them changed', () => {
    const node = new DrivenNode();
    node.step(heartbeat(node, 2, 1));
    node.step(heartbeat(node, 2, 1));
    node.step(heartbeat(node, 3, 2));
    const softStates = node.readies.flatMap(({ softState }) =>
      softState === undefined ? [] : [softState],
    );
    expect(softStates).toEqual([
      { role: 'follower', term: 1, leader: n2 },
      { role: 'follower', term: 2, leader: n3 },
    ]);
  });

  test('is not changed by what happens later', () => {
    const node = new DrivenNode();
    node.lead();
    node.node.propose(Uint8Array.of(1));
    const ready = node.node.ready();
    const [messages, appended] = [ready.messages.length, ready.append.length];
    node.node.propose(Uint8Array.of(2));
    node.node.tick(0);
    node.node.requestRead(1);
    node.node.ready();
    expect([ready.messages.length, ready.append.length]).toEqual([messages, appended]);
  });
});

describe('a configuration', () => {
  const empty = restoredFrom([]);
  const config = { ...testConfig(n1), appendBytesMax: 10, inflightBytesMax: 10 };

  test.each<[string, object]>([
    ['ticks without length', { tickMs: 0 }],
    ['no append in flight', { inflightAppendsMax: 0 }],
    ['heartbeats as rare as elections', { heartbeatTicks: 10 }],
    ['a heartbeat interval of 0', { heartbeatTicks: 0 }],
    ['a negative bound', { tailBytesMax: -1 }],
    ['less in flight than one append', { inflightBytesMax: 9 }],
  ])('with %s is refused', (_, wrong) => {
    expect(() => new RaftNode({ ...config, ...wrong }, empty)).toThrow(InvariantError);
    expect(new RaftNode(config, empty).status().role).toBe('follower');
  });

  test.each<[string, object]>([
    [
      'a log ahead of its term',
      { last: positionAt(logOf(2), 1), spans: [{ term: term(2), firstIndex: logIndex(1) }] },
    ],
    ['spans without entries', { spans: [{ term: term(1), firstIndex: logIndex(1) }] }],
    [
      'entries without spans',
      { hardState: { term: term(2), vote: undefined }, last: positionAt(logOf(2), 1) },
    ],
    ['a voter listed twice', { base: { ...empty.base, configuration: configurationOf([n1, n1]) } }],
    [
      'a configuration above the log',
      { configurations: [{ index: logIndex(1), configuration: configurationOf([n1]) }] },
    ],
  ])('restored from %s is refused', (_, wrong) => {
    expect(() => new RaftNode(config, { ...empty, ...wrong })).toThrow(InvariantError);
  });
});
