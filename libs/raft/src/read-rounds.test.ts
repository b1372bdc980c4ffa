import { InvariantError, logIndex, type NodeId } from '@kvstore/std';
import { nodeIds } from '../testdata/replica.ts';
import { MajorityQuorum } from './quorum.ts';
import { ReadRounds, WAITING_READS_MAX } from './read-rounds.ts';

const voters = nodeIds(5);
const [n1, n2, n3, n4] = voters as [NodeId, NodeId, NodeId, NodeId, NodeId];

function rounds(...contexts: readonly number[]): ReadRounds {
  const reads = new ReadRounds(new MajorityQuorum(voters));
  for (const context of contexts) reads.add(context);
  return reads;
}

describe('read rounds', () => {
  test('a round answers all its reads at the commit index of its start, once a majority confirmed', () => {
    const reads = rounds(1, 2);
    expect(reads.start(n1, logIndex(7))).toEqual([]);
    expect(reads.current).toBe(1);
    expect(reads.confirm(n2, 1)).toEqual([]);
    expect(reads.confirm(n3, 1)).toEqual([
      { context: 1, index: 7 },
      { context: 2, index: 7 },
    ]);
    expect(reads.current).toBe(0);
    expect(reads.confirm(n4, 1)).toEqual([]);
  });

  test('the same voter confirms once, however often it answers', () => {
    const reads = rounds(1);
    reads.start(n1, logIndex(7));
    for (let i = 0; i < 5; i++) expect(reads.confirm(n2, 1)).toEqual([]);
    expect(reads.confirm(n3, 1)).toHaveLength(1);
  });

  test('a round answers only reads that arrived before it started', () => {
    const reads = rounds(1);
    reads.start(n1, logIndex(7));
    reads.add(2);
    expect(reads.canStart).toBe(false);
    reads.confirm(n2, 1);
    expect(reads.confirm(n3, 1)).toEqual([{ context: 1, index: 7 }]);
    expect(reads.canStart).toBe(true);
    reads.start(n1, logIndex(9));
    expect(reads.current).toBe(2);
    reads.confirm(n2, 2);
    expect(reads.confirm(n3, 2)).toEqual([{ context: 2, index: 9 }]);
  });

  test('answers to another round confirm nothing (etcd#20418)', () => {
    const reads = rounds(1);
    reads.start(n1, logIndex(7));
    reads.confirm(n2, 1);
    reads.confirm(n3, 1);
    reads.add(2);
    reads.start(n1, logIndex(9));
    for (const voter of [n2, n3, n4]) {
      expect(reads.confirm(voter, 1)).toEqual([]);
      expect(reads.confirm(voter, 3)).toEqual([]);
      expect(reads.confirm(voter, 0)).toEqual([]);
    }
    expect(reads.current).toBe(2);
  });

  test('a sole voter confirms itself', () => {
    const reads = new ReadRounds(new MajorityQuorum([n1]));
    reads.add(4);
    expect(reads.start(n1, logIndex(3))).toEqual([{ context: 4, index: 3 }]);
    expect(reads.current).toBe(0);
  });

  test('abandoned are the reads of the round and those that wait', () => {
    const reads = rounds(1);
    reads.start(n1, logIndex(7));
    reads.add(2);
    expect(reads.abandon()).toEqual([1, 2]);
    expect(reads.abandon()).toEqual([]);
    expect(reads.confirm(n2, 1)).toEqual([]);
  });

  test('the number of waiting reads is bounded, those of the round included', () => {
    const reads = rounds();
    for (let i = 0; i < WAITING_READS_MAX - 1; i++) expect(reads.add(i)).toBe(true);
    reads.start(n1, logIndex(1));
    expect(reads.add(1)).toBe(true);
    expect(reads.add(2)).toBe(false);
  });

  test('a round without reads, or during another, is a bug', () => {
    expect(() => rounds().start(n1, logIndex(1))).toThrow(InvariantError);
    const reads = rounds(1);
    reads.start(n1, logIndex(1));
    reads.add(2);
    expect(() => reads.start(n1, logIndex(1))).toThrow(InvariantError);
  });
});
