import { InvariantError, logIndex } from '@kvstore/std';
import { ReadRounds, WAITING_READS_MAX } from './read-rounds.ts';

function rounds(...contexts: readonly number[]): ReadRounds {
  const reads = new ReadRounds();
  for (const context of contexts) reads.add(context);
  return reads;
}

describe('read rounds', () => {
  test('a round answers all its reads at the commit index of its start, once a majority confirmed', () => {
    const reads = rounds(1, 2);
    reads.start(5, logIndex(7));
    expect(reads.confirm(4)).toEqual([]);
    expect(reads.confirm(5)).toEqual([
      { context: 1, index: 7 },
      { context: 2, index: 7 },
    ]);
    expect(reads.confirm(5)).toEqual([]);
  });

  test('heartbeats that left before the round confirm nothing, later ones do (etcd#20418)', () => {
    const reads = rounds(1);
    reads.start(5, logIndex(7));
    for (const older of [0, 1, 4]) expect(reads.confirm(older)).toEqual([]);
    expect(reads.confirm(6)).toEqual([{ context: 1, index: 7 }]);
  });

  test('a round answers only reads that arrived before it started', () => {
    const reads = rounds(1);
    reads.start(1, logIndex(7));
    reads.add(2);
    expect(reads.canStart).toBe(false);
    expect(reads.confirm(1)).toEqual([{ context: 1, index: 7 }]);
    expect(reads.canStart).toBe(true);
    reads.start(2, logIndex(9));
    expect(reads.confirm(1)).toEqual([]);
    expect(reads.confirm(2)).toEqual([{ context: 2, index: 9 }]);
  });

  test('abandoned are the reads of the round and those that wait', () => {
    const reads = rounds(1);
    reads.start(1, logIndex(7));
    reads.add(2);
    expect(reads.abandon()).toEqual([1, 2]);
    expect(reads.abandon()).toEqual([]);
    expect(reads.confirm(9)).toEqual([]);
  });

  test('the number of waiting reads is bounded, those of the round included', () => {
    const reads = rounds();
    for (let i = 0; i < WAITING_READS_MAX - 1; i++) expect(reads.add(i)).toBe(true);
    reads.start(1, logIndex(1));
    expect(reads.add(1)).toBe(true);
    expect(reads.add(2)).toBe(false);
  });

  test('a round without reads, or during another, is a bug', () => {
    expect(() => rounds().start(1, logIndex(1))).toThrow(InvariantError);
    const reads = rounds(1);
    reads.start(1, logIndex(1));
    reads.add(2);
    expect(() => reads.start(2, logIndex(1))).toThrow(InvariantError);
  });
});
