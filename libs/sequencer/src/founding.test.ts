import { clusterIdOf, type MemberHello } from '@kvstore/contract';
import { type NodeId, nodeId } from '@kvstore/std';
import { decideFounding } from './founding.ts';

const [a, b, c] = ['node-1', 'node-2', 'node-3'].map(nodeId) as [NodeId, NodeId, NodeId];
const voters = [a, b, c];
const empty = (disk: string): MemberHello => ({ disk, clusterId: undefined, founders: undefined });
const begun = (founders: Record<string, string>): MemberHello => ({
  disk: 'x',
  clusterId: 'id',
  founders,
});
const answers = (...of: [NodeId, MemberHello][]) => new Map(of);

describe('founding a cluster', () => {
  test('three empty disks that all heard each other found it, each with the same list', () => {
    const seen = [
      decideFounding(a, 'A', voters, answers([b, empty('B')], [c, empty('C')])),
      decideFounding(b, 'B', voters, answers([c, empty('C')], [a, empty('A')])),
      decideFounding(c, 'C', voters, answers([a, empty('A')], [b, empty('B')])),
    ];
    const ids = seen.map((each) => {
      expect(each.kind).toBe('found');
      return each.kind === 'found' ? clusterIdOf(each.founders) : '';
    });
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  test('an empty disk waits for every initial member, a majority is not enough', () => {
    expect(decideFounding(a, 'A', voters, answers([b, empty('B')]))).toEqual({
      kind: 'wait',
      missing: [c],
    });
  });

  test('one that was asked while empty joins the others later', () => {
    const founders = { [a]: 'A', [b]: 'B', [c]: 'C' };
    const late = decideFounding(c, 'C', voters, answers([a, begun(founders)]));
    expect(late).toEqual({ kind: 'found', founders });
  });

  test('a new disk under a known name does not vote', () => {
    const founders = { [a]: 'A', [b]: 'B', [c]: 'C' };
    expect(decideFounding(c, 'other', voters, answers([a, begun(founders)]))).toEqual({
      kind: 'name-is-taken',
      told: a,
    });
    expect(
      decideFounding(c, 'other', voters, answers([b, empty('B')], [a, begun(founders)])).kind,
    ).toBe('name-is-taken');
  });

  describe('of a node that is none of the founders', () => {
    const d = nodeId('node-4');
    const founders = { [a]: 'A', [b]: 'B', [c]: 'C' };
    const decide = (...of: [NodeId, MemberHello][]) =>
      decideFounding(d, 'D', voters, answers(...of));

    test('waits for a cluster, which it never founds', () => {
      expect(decide()).toEqual({ kind: 'wait', missing: voters });
      expect(decide([a, empty('A')], [b, empty('B')], [c, empty('C')])).toEqual({
        kind: 'wait',
        missing: [],
      });
    });

    test('waits until it is added, and begins when any member knows its disk', () => {
      expect(decide([a, begun(founders)])).toEqual({ kind: 'not-a-member', told: a });
      const admitting = { ...begun(founders), admitted: { [d]: 'D' } };
      expect(decide([a, begun(founders)], [b, admitting])).toEqual({ kind: 'admitted', founders });
    });

    test('does not begin under a name that another disk had, or that was removed', () => {
      for (const more of [{ admitted: { [d]: 'other' } }, { removed: [d] }]) {
        const member = { ...begun(founders), ...more };
        expect(decide([a, begun(founders)], [b, member])).toEqual({
          kind: 'name-is-taken',
          told: b,
        });
      }
    });
  });

  test('one node alone founds at once', () => {
    const founding = decideFounding(a, 'A', [a], new Map());
    expect(founding).toEqual({ kind: 'found', founders: { [a]: 'A' } });
  });
});
