import * as fc from 'fast-check';
import { InvariantError, type NodeId } from '@kvstore/std';
import { nodeIds } from '../../testdata/replica.ts';
import { MajorityQuorum } from './majority.ts';

const group = fc.integer({ min: 1, max: 9 }).map(nodeIds);

describe('a majority quorum', () => {
  test('reaches an index exactly when more than half of the voters did', () => {
    fc.assert(
      fc.property(
        group,
        fc.array(fc.nat(12), { minLength: 9, maxLength: 9 }),
        (voters, reached) => {
          const matchOf = (voter: NodeId): number => reached[voters.indexOf(voter)] as number;
          const index = new MajorityQuorum(voters).reached(matchOf);
          const count = (min: number): number => voters.filter((v) => matchOf(v) >= min).length;
          expect(count(index) * 2).toBeGreaterThan(voters.length);
          expect(count(index + 1) * 2).toBeLessThanOrEqual(voters.length);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('an election is won, lost or pending as the missing answers allow', () => {
    const answer = fc.constantFrom(true, false, undefined);
    fc.assert(
      fc.property(group, fc.array(answer, { minLength: 9, maxLength: 9 }), (voters, answers) => {
        const votes = new Map<NodeId, boolean>();
        voters.forEach((voter, i) => {
          const given = answers[i];
          if (given !== undefined) votes.set(voter, given);
        });
        const yes = [...votes.values()].filter((given) => given).length;
        const missing = voters.length - votes.size;
        const won = yes * 2 > voters.length;
        const possible = (yes + missing) * 2 > voters.length;
        const expected = won ? 'won' : possible ? 'pending' : 'lost';
        expect(new MajorityQuorum(voters).voteResult(votes)).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  test('any two majorities share a voter', () => {
    const voters = nodeIds(5);
    const quorum = new MajorityQuorum(voters);
    for (let a = 0; a < 32; a++) {
      for (let b = 0; b < 32; b++) {
        const inside = (set: number) => (voter: NodeId) =>
          ((set >> voters.indexOf(voter)) & 1) === 1;
        if (quorum.isReached(inside(a)) && quorum.isReached(inside(b))) expect(a & b).not.toBe(0);
      }
    }
  });

  test('knows its voters, and has at least one', () => {
    const [n1, n2] = nodeIds(2) as [NodeId, NodeId];
    expect(new MajorityQuorum([n1]).has(n1)).toBe(true);
    expect(new MajorityQuorum([n1]).has(n2)).toBe(false);
    expect(() => new MajorityQuorum([])).toThrow(InvariantError);
  });
});
