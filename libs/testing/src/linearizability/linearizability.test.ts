import {
  ClientScript,
  deleted,
  failed,
  found,
  IF_ABSENT,
  ifMod,
  notFound,
  REFUSED,
  UNKNOWN,
  written,
} from './history.test-support.ts';
import type { Operation } from './history.ts';
import { checkLinearizability, type CheckResult, describeCheck } from './linearizability.ts';
import { simulate } from './simulated-store.test-support.ts';

const a = new ClientScript(1);
const b = new ClientScript(2);
const c = new ClientScript(3);

function rulesOf(history: readonly Operation[]): string[] {
  return checkLinearizability(history).violations.map(({ rule }) => rule);
}

function expectOk(history: readonly Operation[]): void {
  const result = checkLinearizability(history);
  if (result.kind !== 'ok') throw new Error(describeCheck(result));
}

describe('accepts', () => {
  test('an empty history', () => {
    expectOk([]);
  });

  test('reads that overlap a put and see it or not', () => {
    expectOk([
      a.put([0, 10], 'v1', written(1, 1)),
      b.get([1, 3], notFound(0)),
      c.get([4, 6], found('v1', 1, 1)),
    ]);
  });

  test('two readers that overlap each other and a put, in either order', () => {
    expectOk([
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 10], 'v2', written(2, 2)),
      b.get([3, 7], found('v1', 1, 1)),
      c.get([2.5, 6], found('v2', 2, 2)),
    ]);
  });

  test('an unknown write that takes effect late, after other writes of its client', () => {
    expectOk([
      a.put([0, 1], 'lost', UNKNOWN),
      a.put([2, 3], 'v1', written(1, 1)),
      b.get([4, 5], found('v1', 1, 1)),
      b.get([6, 7], found('lost', 2, 2, { createRevision: 1 })),
    ]);
  });

  test('an unknown write that never does', () => {
    expectOk([
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 3], 'lost', UNKNOWN),
      a.put([4, 5], 'v2', written(2, 2)),
      b.get([6, 7], found('v2', 2, 2)),
    ]);
  });

  test('an unknown write that nobody read, but whose version others built on', () => {
    expectOk([
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 3], 'lost', UNKNOWN),
      b.put([4, 5], 'v3', written(3, 3)),
    ]);
  });

  test('an unknown write that only a failed condition shows', () => {
    expectOk([
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 3], 'lost', UNKNOWN, ifMod(1)),
      b.put([4, 5], 'v2', failed(2, 2, 2), ifMod(1)),
      b.put([6, 7], 'v3', written(3, 3), ifMod(2)),
    ]);
  });

  test('an unknown delete between two incarnations of a key', () => {
    expectOk([
      a.put([0, 1], 'v1', written(1, 1)),
      a.delete([2, 3], UNKNOWN),
      b.put([4, 5], 'v2', written(1, 3)),
    ]);
  });

  test('deletes that do not tell whether there was something', () => {
    expectOk([
      a.delete([0, 1], deleted(0)),
      a.put([2, 3], 'v1', written(1, 1)),
      a.delete([4, 5], deleted(2)),
      b.get([6, 7], notFound(2)),
      a.put([8, 9], 'v2', written(1, 3), IF_ABSENT),
    ]);
  });

  test('a refused write that nobody sees', () => {
    expectOk([a.put([0, 1], 'v1', REFUSED), b.get([2, 3], notFound(0))]);
  });
});

describe('rejects', () => {
  test('a stale read', () => {
    const history = [
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 3], 'v2', written(2, 2)),
      b.get([4, 5], found('v1', 1, 1)),
    ];
    expect(rulesOf(history)).toEqual(['revision-order']);
  });

  test('a stale read that claims a new revision', () => {
    const history = [
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 3], 'v2', written(2, 2)),
      b.get([4, 5], found('v1', 1, 1, { revision: 2 })),
    ];
    expect(rulesOf(history)).toEqual(['order']);
  });

  test('a lost write', () => {
    const history = [a.put([0, 1], 'v1', written(1, 1)), b.get([2, 3], notFound(1))];
    expect(rulesOf(history)).toEqual(['order']);
  });

  test('a write that was applied twice, by the version that others were given', () => {
    const history = [a.put([0, 1], 'v1', written(1, 1)), b.put([2, 3], 'v2', written(3, 3))];
    expect(rulesOf(history)).toEqual(['order']);
  });

  test('a write that was applied twice, by its two mod revisions', () => {
    const history = [
      a.put([0, 9], 'v1', UNKNOWN),
      b.get([1, 2], found('v1', 1, 1)),
      b.get([3, 4], found('v1', 2, 2)),
    ];
    expect(rulesOf(history)).toEqual(['value-twice']);
  });

  test('an unknown write that was applied twice around a delete', () => {
    const history = [
      a.put([0, 1], 'v1', UNKNOWN),
      b.delete([2, 3], deleted(2, true)),
      c.delete([4, 5], deleted(4, true)),
    ];
    expect(rulesOf(history)).toEqual(['order']);
  });

  test.each([
    ['refused', a.put([0, 1], 'v1', REFUSED)],
    ['not to meet its condition', a.put([0, 1], 'v1', failed(0, 0, 0), ifMod(7))],
  ])('a dirty read of a write that was said to be %s', (_what, put) => {
    expect(rulesOf([put, b.get([2, 3], found('v1', 1, 1))])).toContain('value-origin');
  });

  test('an update lost between two compare-and-sets', () => {
    const history = [
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 9], 'v2', written(2, 2), ifMod(1)),
      b.put([3, 8], 'v3', written(3, 3), ifMod(1)),
    ];
    expect(rulesOf(history)).toEqual(['order']);
  });

  test('a condition that failed although it held', () => {
    const history = [
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 3], 'v2', failed(1, 1, 1), ifMod(1)),
    ];
    expect(rulesOf(history)).toEqual(['order']);
  });

  test('a read from the future', () => {
    const history = [b.get([0, 1], found('v1', 1, 1)), a.put([2, 9], 'v1', written(1, 1))];
    expect(rulesOf(history)).toContain('value-origin');
  });

  test('a value that nobody wrote', () => {
    expect(rulesOf([b.get([0, 1], found('v1', 1, 1))])).toContain('value-origin');
  });

  test('an inversion of new and old between two readers', () => {
    const history = [
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 20], 'v2', written(2, 2)),
      b.get([3, 4], found('v2', 2, 2)),
      c.get([5, 6], found('v1', 1, 1, { revision: 2 })),
    ];
    expect(rulesOf(history)).toEqual(['order']);
  });

  test('one revision for two changes', () => {
    const other = new ClientScript(2, 'other');
    const history = [a.put([0, 9], 'v1', written(1, 1)), other.put([0, 9], 'v2', written(1, 1))];
    expect(rulesOf(history)).toEqual(['revision-shared']);
  });

  test('revisions of two keys against the order in which they were written', () => {
    const other = new ClientScript(2, 'other');
    const history = [a.put([0, 1], 'v1', written(1, 2)), other.put([2, 3], 'v2', written(1, 1))];
    expect(rulesOf(history)).toEqual(['revision-order']);
  });

  test('a read behind a write to another key that was acknowledged before it', () => {
    const other = new ClientScript(2, 'other');
    const history = [a.put([0, 1], 'v1', written(1, 1)), other.get([2, 3], notFound(0))];
    expect(rulesOf(history)).toEqual(['revision-order']);
  });

  test('versions that fall while mod revisions grow', () => {
    const history = [
      a.put([0, 99], 'v1', UNKNOWN),
      a.put([0, 99], 'v2', UNKNOWN),
      b.get([1, 9], found('v1', 3, 5, { createRevision: 1 })),
      c.get([1, 9], found('v2', 2, 6, { createRevision: 1 })),
    ];
    expect(rulesOf(history)).toContain('version-order');
  });

  test('an acknowledged write that an unknown one cannot have replaced yet', () => {
    const history = [
      a.put([0, 1], 'v1', written(1, 1)),
      b.get([2, 3], notFound(1)),
      c.delete([4, 5], UNKNOWN),
    ];
    expect(rulesOf(history)).toEqual(['order']);
  });
});

describe('explains', () => {
  const explanations = (history: readonly Operation[]): string =>
    checkLinearizability(history)
      .violations.map(({ explanation }) => explanation)
      .join('\n\n');

  test('a broken rule by the two operations that contradict each other', () => {
    const history = [
      a.put([0, 1], 'v1', written(1, 1)),
      a.put([2, 3], 'v2', written(2, 2)),
      b.get([3.25, 5.5], found('v1', 1, 1)),
    ];
    expect(explanations(history)).toMatchInlineSnapshot(`
     "revision-order: an answer shows revision 1, although revision 2 was known before it was asked for
       client  via   operation          result                      call  return
       c1      rest  put "k"    = "v2"  version 2 mod 2            0.000   1.000  [----------]
       c2      rest  get "k"            "v1" version 1 mod 1 at 1  1.250   3.500                [------------------------]"
    `);
  });

  test('a key without an order by the shortest stretch that has none', () => {
    const before = simulate({ seed: 7, clients: 4, operations: 200, keys: 1 });
    const last = Math.max(...before.map((each) => each.return));
    const revision = Math.max(
      ...before.map(({ result }) => ('revision' in result ? result.revision : 0)),
    );
    const on = (client: number): ClientScript => new ClientScript(client, 'key-0');
    const history = [
      ...before,
      on(7).delete([last + 1, last + 2], deleted(revision + 1)),
      on(7).put([last + 3, last + 4], 'v1', written(1, revision + 2)),
      on(8).put([last + 3.5, last + 9], 'v2', UNKNOWN),
      on(9).get([last + 5, last + 6], found('v1', 1, revision + 2)),
      on(9).get([last + 7, last + 8], notFound(revision + 2)),
      on(9).get([last + 9, last + 10], notFound(revision + 2)),
    ];
    expect(explanations(history)).toMatchInlineSnapshot(`
     "order: no order of these operations on "key-0" gives these results (whatever it held before)
       client  via   operation            result                        call  return
     ? c8      rest  put "key-0"  = "v2"  unknown: COMMIT_UNKNOWN      0.000       ?  [--------------------------------------->
       c9      rest  get "key-0"          "v1" version 1 mod 67 at 67  1.500   2.500             [------]
       c9      rest  get "key-0"          not found at 67              3.500   4.500                           [------]
     ? may or may not have happened, at any time after its call"
    `);
  });

  test('a key that began with something', () => {
    const history = [a.put([0, 1], 'v2', written(2, 2))];
    expect(explanations(history)).toMatchInlineSnapshot(`
     "order: no order of these operations on "k" gives these results (a key that does not exist at first)
       client  via   operation          result            call  return
       c1      rest  put "k"    = "v2"  version 2 mod 2  0.000   1.000  [--------------------------------------]"
    `);
  });
});

test('a search that is given up is no success', () => {
  const history = simulate({ seed: 1, clients: 8, operations: 100, keys: 1 });
  const result: CheckResult = checkLinearizability(history, { configurationsMax: 10 });
  expect(result.kind).toBe('gave-up');
  expect(result.gaveUp).toEqual([{ key: 'key-0', operations: 100, configurations: 11 }]);
  expect(describeCheck(result)).toContain('gave up on key "key-0": 100 operations');
});

test('a violation elsewhere counts more than a search that is given up', () => {
  const history = [
    ...simulate({ seed: 1, clients: 8, operations: 100, keys: 1 }),
    a.put([1e6, 1e6 + 1], 'v2', written(2, 1e6)),
  ];
  const result = checkLinearizability(history, { configurationsMax: 10 });
  expect(result.kind).toBe('violation');
  expect(result.gaveUp).toHaveLength(1);
});

test.each([1, 20])('64 clients and 50,000 operations on %i keys are checked', (keys) => {
  const history = simulate({
    seed: 5,
    clients: 64,
    operations: 50_000,
    keys,
    unknownPercent: 1,
    refusedPercent: 1,
  });
  const { kind, counts } = checkLinearizability(history);
  expect(kind).toBe('ok');
  expect(counts.operations).toBe(50_000);
  expect(counts.unknown).toBeGreaterThan(100);
});
