import type { Revision } from '@kvstore/std';
import type { Condition } from './command.ts';
import { firstFailed } from './conditions.ts';

const revisions = (...values: number[]): Revision[] => values as Revision[];
const present = { modRevision: 7 as Revision, version: 2 };

describe('a condition', () => {
  test.each<[string, Condition, boolean, boolean]>([
    // name, condition, holds on the present key, holds on a missing key
    ['exists', { kind: 'exists' }, true, false],
    ['absent', { kind: 'absent' }, false, true],
    ['version 2', { kind: 'version-is', version: 2 }, true, false],
    ['version 1', { kind: 'version-is', version: 1 }, false, false],
    ['version 0, which is absence', { kind: 'version-is', version: 0 }, false, true],
    ['among', { kind: 'mod-revision-in', revisions: revisions(3, 7) }, true, false],
    ['among others', { kind: 'mod-revision-in', revisions: revisions(3) }, false, false],
    ['among none', { kind: 'mod-revision-in', revisions: [] }, false, false],
    ['among, with 0', { kind: 'mod-revision-in', revisions: revisions(0) }, false, false],
    ['not among', { kind: 'mod-revision-not-in', revisions: revisions(3) }, true, true],
    ['not among its own', { kind: 'mod-revision-not-in', revisions: revisions(7) }, false, true],
    ['not among none', { kind: 'mod-revision-not-in', revisions: [] }, true, true],
  ])('%s', (_, condition, onPresent, onMissing) => {
    expect(firstFailed([condition], present) === undefined).toBe(onPresent);
    expect(firstFailed([condition], undefined) === undefined).toBe(onMissing);
  });
});

test('all conditions must hold, and the first that does not is named', () => {
  const exists: Condition = { kind: 'exists' };
  const absent: Condition = { kind: 'absent' };
  const version: Condition = { kind: 'version-is', version: 1 };
  expect(firstFailed([], undefined)).toBeUndefined();
  expect(firstFailed([exists, exists], present)).toBeUndefined();
  expect(firstFailed([exists, version, absent], present)).toBe(version);
});
