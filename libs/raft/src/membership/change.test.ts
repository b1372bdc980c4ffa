import * as fc from 'fast-check';
import type { NodeId } from '@kvstore/std';
import { nodeIds } from '../../testdata/replica.ts';
import { JointQuorum } from '../quorum/joint.ts';
import { changed, left, promoted, type Change } from './change.ts';
import {
  configurationOf,
  isJoint,
  isValidConfiguration,
  MEMBERS_MAX,
  REMOVED_MAX,
  replicasOf,
  type Configuration,
} from './configuration.ts';

const ALL = nodeIds(7);
const [n1, n2, n3, n4] = ALL as [NodeId, NodeId, NodeId, NodeId];
const three = configurationOf([n1, n2, n3]);

/** Is there a quorum of one without anybody of a quorum of the other? */
function mayDisagree(a: Configuration, b: Configuration): boolean {
  const [one, other] = [a, b].map(({ voters, outgoing }) => new JointQuorum(voters, outgoing));
  return Array.from({ length: 1 << ALL.length }, (_, set) => set).some((set) => {
    const isIn = (node: NodeId): boolean => ((set >> ALL.indexOf(node)) & 1) === 1;
    return one?.isReached(isIn) === true && other?.isReached((node) => !isIn(node)) === true;
  });
}

describe('a change of membership', () => {
  test('that leaves the voters as they are is simple', () => {
    expect(changed(three, [{ kind: 'add-voter', node: n4 }])).toEqual({ ...three, joining: [n4] });
    expect(changed(three, [{ kind: 'add-learner', node: n4 }])).toEqual({
      ...three,
      learners: [n4],
    });
    const preferred = changed(three, [{ kind: 'set-priority', node: n2, priority: 3 }]);
    expect(preferred?.priorities).toEqual([{ node: n2, priority: 3 }]);
  });

  test('promotes a learner, joining or not, and nobody else', () => {
    for (const kind of ['add-voter', 'add-learner'] as const) {
      const learning = changed(three, [{ kind, node: n4 }]) as Configuration;
      expect(changed(learning, [{ kind: 'promote', node: n4 }])).toEqual({
        ...three,
        voters: [n1, n2, n3, n4],
        outgoing: [n1, n2, n3],
      });
    }
    expect(changed(three, [{ kind: 'promote', node: n3 }])).toBeUndefined();
    expect(changed(three, [{ kind: 'promote', node: n4 }])).toBeUndefined();
  });

  test('names the disk behind an id once, and forgets it when the member is gone', () => {
    const disks = [{ node: n4, disk: 'a1' }];
    const joining = changed(three, [{ kind: 'add-voter', node: n4, disk: 'a1' }]) as Configuration;
    expect(joining.disks).toEqual(disks);
    const voting = left(promoted(joining, [n4]) as Configuration);
    expect(voting.disks).toEqual(disks);
    const demoted = left(changed(voting, [{ kind: 'add-learner', node: n4 }]) as Configuration);
    const again = changed(demoted, [{ kind: 'add-voter', node: n4, disk: 'b2' }]) as Configuration;
    expect(again.disks).toEqual(disks);
    const leaving = changed(voting, [{ kind: 'remove', node: n4 }]) as Configuration;
    expect(leaving.disks).toEqual(disks);
    expect(left(leaving).disks).toEqual([]);
  });

  test('of one voter is joint already, and what is left of it remembers who is gone', () => {
    const joint = changed(three, [{ kind: 'remove', node: n3 }]) as Configuration;
    expect(joint).toEqual({ ...three, voters: [n1, n2], outgoing: [n1, n2, n3] });
    expect(left(joint)).toEqual({ ...three, voters: [n1, n2], removed: [n3] });
  });

  test('makes a voter a learner, which stays one', () => {
    const joint = changed(three, [{ kind: 'add-learner', node: n3 }]) as Configuration;
    expect(joint).toMatchObject({ voters: [n1, n2], outgoing: [n1, n2, n3], learners: [n3] });
    expect(left(joint)).toMatchObject({ voters: [n1, n2], learners: [n3], removed: [] });
  });

  test('promotes only who is joining', () => {
    const joining = changed(three, [{ kind: 'add-voter', node: n4 }]) as Configuration;
    expect(promoted(joining, [n4])).toMatchObject({
      voters: [n1, n2, n3, n4],
      outgoing: [n1, n2, n3],
      joining: [],
    });
    expect(promoted(three, [n4])).toBeUndefined();
    const learner = changed(three, [{ kind: 'add-learner', node: n4 }]) as Configuration;
    expect(promoted(learner, [n4])).toBeUndefined();
  });

  test.each<[string, Change[]]>([
    ['a voter that is one', [{ kind: 'add-voter', node: n1 }]],
    ['the removal of a stranger', [{ kind: 'remove', node: n4 }]],
    ['the removal of every voter', [n1, n2, n3].map((node) => ({ kind: 'remove', node }))],
    ['a priority of a stranger', [{ kind: 'set-priority', node: n4, priority: 1 }]],
    ['a priority that is no number', [{ kind: 'set-priority', node: n1, priority: Number.NaN }]],
    ['a priority that it has', [{ kind: 'set-priority', node: n1, priority: 0 }]],
    ['a priority beyond 32 bits', [{ kind: 'set-priority', node: n1, priority: 2 ** 32 }]],
    ['nothing', []],
    [
      'a learner that comes and goes',
      [
        { kind: 'add-learner', node: n4 },
        { kind: 'remove', node: n4 },
      ],
    ],
    ['an id that is none', [{ kind: 'add-learner', node: 'Not An Id' as NodeId }]],
  ])('by %s is refused', (_, changes) => {
    expect(changed(three, changes)).toBeUndefined();
  });

  test('is refused in a joint configuration, and beyond the number of members', () => {
    const joint = changed(three, [{ kind: 'remove', node: n3 }]) as Configuration;
    expect(changed(joint, [{ kind: 'add-learner', node: n4 }])).toBeUndefined();
    const full = configurationOf(nodeIds(MEMBERS_MAX));
    expect(changed(full, [{ kind: 'add-learner', node: 'x' as NodeId }])).toBeUndefined();
  });

  test('remembers a bounded number of removed ids, the newest', () => {
    const removed = nodeIds(REMOVED_MAX + 3).slice(3);
    const next = changed({ ...three, removed }, [{ kind: 'remove', node: n3 }]) as Configuration;
    expect(left(next).removed).toEqual([...removed.slice(1), n3]);
  });

  test('whatever it is, gives valid configurations whose quorums overlap, and no id ever returns', () => {
    const change: fc.Arbitrary<Change> = fc.oneof(
      fc.record({
        kind: fc.constantFrom('add-voter' as const, 'add-learner' as const, 'remove' as const),
        node: fc.constantFrom(...ALL),
      }),
      fc.record({
        kind: fc.constant('set-priority' as const),
        node: fc.constantFrom(...ALL),
        priority: fc.nat(3),
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.array(change, { minLength: 1, maxLength: 3 })), (changes) => {
        let configuration = three;
        for (const each of changes) {
          const next =
            changed(configuration, each) ?? promoted(configuration, configuration.joining);
          if (next === undefined) continue;
          expect(isValidConfiguration(next)).toBe(true);
          expect(replicasOf(next).some((node) => configuration.removed.includes(node))).toBe(false);
          if (isJoint(next)) expect(next.outgoing).toEqual(configuration.voters);
          else expect(new Set(next.voters)).toEqual(new Set(configuration.voters));
          const after = isJoint(next) ? left(next) : next;
          expect(isValidConfiguration(after)).toBe(true);
          expect(mayDisagree(next, configuration)).toBe(false);
          expect(mayDisagree(next, after)).toBe(false);
          configuration = after;
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
