/** Quorums of configurations against a naive model: subsets are counted, nothing is sorted. */
import * as fc from 'fast-check';
import type { NodeId } from '@kvstore/std';
import { nodeIds } from '../../testdata/replica.ts';
import { JointQuorum } from './joint.ts';

const ALL = nodeIds(9);

const group = (minLength: number) => fc.subarray(ALL, { minLength, maxLength: 7 });
const halves = fc.tuple(group(1), fc.oneof(fc.constant<NodeId[]>([]), group(1)));
const values = fc.array(fc.nat(6), { minLength: ALL.length, maxLength: ALL.length });

function isMajority(voters: readonly NodeId[], holds: (node: NodeId) => boolean): boolean {
  return voters.filter(holds).length > voters.length / 2;
}

/** Both halves by themselves; a half without voters asks nobody. */
function isQuorum(
  [voters, outgoing]: readonly (readonly NodeId[])[],
  holds: (node: NodeId) => boolean,
): boolean {
  const each = [voters ?? [], outgoing ?? []].filter((half) => half.length > 0);
  return each.length > 0 && each.every((half) => isMajority(half, holds));
}

describe('the quorum of a configuration', () => {
  test('is a majority of each half, never of the union (CCF#3948)', () => {
    fc.assert(
      fc.property(halves, fc.subarray(ALL), ([voters, outgoing], holders) => {
        const quorum = new JointQuorum(voters, outgoing);
        const holds = (node: NodeId): boolean => holders.includes(node);
        expect(quorum.isReached(holds)).toBe(isQuorum([voters, outgoing], holds));
      }),
      { numRuns: 20_000 },
    );
  });

  test('has reached the highest value that such a quorum holds', () => {
    fc.assert(
      fc.property(halves, values, ([voters, outgoing], reached) => {
        const valueOf = (node: NodeId): number => reached[ALL.indexOf(node)] as number;
        const quorum = new JointQuorum(voters, outgoing);
        const model = Math.max(
          ...[0, 1, 2, 3, 4, 5, 6].filter((value) =>
            isQuorum([voters, outgoing], (node) => valueOf(node) >= value),
          ),
        );
        expect(quorum.reached(valueOf)).toBe(model);
      }),
      { numRuns: 20_000 },
    );
  });

  test('an election is won when a quorum granted, lost when none can any more', () => {
    const answers = fc.array(fc.constantFrom(true, false, undefined), {
      minLength: ALL.length,
      maxLength: ALL.length,
    });
    fc.assert(
      fc.property(halves, answers, ([voters, outgoing], given) => {
        const answerOf = (node: NodeId): boolean | undefined => given[ALL.indexOf(node)];
        const votes = new Map<NodeId, boolean>();
        for (const node of ALL) {
          const answer = answerOf(node);
          if (answer !== undefined) votes.set(node, answer);
        }
        const lists = [voters, outgoing];
        const won = isQuorum(lists, (node) => answerOf(node) === true);
        const possible = isQuorum(lists, (node) => answerOf(node) !== false);
        const model = won ? 'won' : possible ? 'pending' : 'lost';
        expect(new JointQuorum(voters, outgoing).voteResult(votes)).toBe(model);
      }),
      { numRuns: 20_000 },
    );
  });

  test('quorums of a joint configuration share a voter with those before it and those after it', () => {
    fc.assert(
      fc.property(group(1), group(1), fc.subarray(ALL), fc.subarray(ALL), (after, before, a, b) => {
        const joint = new JointQuorum(after, before);
        if (!joint.isReached((node) => a.includes(node))) return;
        for (const simple of [new JointQuorum(after, []), new JointQuorum(before, [])]) {
          if (!simple.isReached((node) => b.includes(node))) continue;
          expect(a.some((node) => b.includes(node))).toBe(true);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  test('knows each voter once, and there is none without voters', () => {
    const [n1, n2, n3] = ALL as [NodeId, NodeId, NodeId];
    const quorum = new JointQuorum([n1, n2], [n2, n3]);
    expect(quorum.voters).toEqual([n1, n2, n3]);
    expect(ALL.filter((node) => quorum.has(node))).toEqual([n1, n2, n3]);
    const nobody = new JointQuorum([], []);
    expect([nobody.isReached(() => true), nobody.reached(() => 9)]).toEqual([false, 0]);
    expect(nobody.voteResult(new Map([[n1, true]]))).toBe('lost');
  });
});
