import { logIndex, logTimeMs, term } from '@kvstore/std';
import { applied, put, TestMachine } from './machine.test-support.ts';
import { MemoryStore } from './memory-store.test-support.ts';
import { META_KEY } from './ordered-keys.ts';
import { type AppliedEntry, StateMachine } from './state-machine.ts';

function entry(index: number, fields: Partial<AppliedEntry> = {}): AppliedEntry {
  return {
    index: logIndex(index),
    term: term(1),
    opening: false,
    stamp: undefined,
    batches: [],
    ...fields,
  };
}

describe('entries', () => {
  test('are applied in order, each once, without a gap (I13)', () => {
    const machine = new StateMachine(new MemoryStore());
    expect(() => machine.apply(entry(2))).toThrow('in order');
    machine.apply(entry(1));
    expect(() => machine.apply(entry(1))).toThrow('in order');
    expect(() => machine.apply(entry(3))).toThrow('in order');
    machine.apply(entry(2));
    expect(machine.appliedIndex).toBe(2);
  });

  test('never go down in term', () => {
    const machine = new StateMachine(new MemoryStore());
    machine.apply(entry(1, { term: term(3) }));
    expect(() => machine.apply(entry(2, { term: term(2) }))).toThrow('terms');
  });

  test('are known to be applied from the store alone (M26)', () => {
    const store = new MemoryStore();
    new StateMachine(store).apply(entry(1, { stamp: logTimeMs(50) }));
    const restarted = new StateMachine(store);
    expect(restarted.appliedIndex).toBe(1);
    expect(restarted.logTime).toBe(50);
    expect(() => restarted.apply(entry(1))).toThrow('in order');
  });

  test('that are empty write the positions and nothing else', () => {
    const store = new MemoryStore();
    new StateMachine(store).apply(entry(1));
    expect(store.pairs().map(({ key }) => key)).toEqual([META_KEY]);
    expect(store.writes).toBe(1);
  });

  test('cost two writes per put, one per batch, one per session and one per entry', () => {
    const machine = new TestMachine();
    const session = machine.register();
    const commands = Array.from({ length: 64 }, (_, n) => put(`k${n}`, 'v'));
    const before = machine.store.writes;
    machine.entry([{ session, batchNo: 1, doneBelow: 1, commands }]);
    expect(machine.store.writes - before).toBe(64 * 2 + 1 + 1 + 1);
  });

  test('answer with one outcome per batch and one per command, in order', () => {
    const machine = new TestMachine();
    const session = machine.register();
    const batch = (batchNo: number, ...keys: string[]) => ({
      session,
      batchNo,
      doneBelow: 1,
      commands: keys.map((key) => put(key, 'v')),
    });
    const outcomes = machine.entry([batch(2, 'a', 'b'), batch(1), batch(3, 'c')]);
    const revisions = outcomes.map((outcome) => {
      if (outcome.kind !== 'applied') return outcome.kind;
      return outcome.outcomes.map((each) => ('revision' in each ? each.revision : each.kind));
    });
    expect(revisions).toEqual([[1, 2], [], [3]]);
  });

  test('give the revision they led to', () => {
    const machine = new TestMachine();
    const session = machine.register();
    const commands = [put('a', ''), put('b', '')];
    const batches = [{ session, batchNo: 1, doneBelow: 1, commands }];
    expect(machine.machine.apply(entry(2, { batches })).revision).toBe(2);
  });
});

describe('a broken command', () => {
  test('has an outcome like any other, and the rest of its batch is applied', () => {
    const machine = new TestMachine();
    const outcomes = machine.run([
      { kind: 'malformed', reason: 'truncated' },
      put('k', 'v'),
      put('', 'v'),
      put('k', 'w', { namespace: 'NO' }),
    ]);
    expect(outcomes[0]).toEqual({
      kind: 'rejected',
      code: 1,
      revision: 0,
      actualModRevision: 0,
      actualVersion: 0,
      detail: 'truncated',
    });
    expect(outcomes[1]).toMatchObject({ kind: 'put', revision: 1 });
    expect(outcomes[2]).toMatchObject({ kind: 'rejected', code: 1, revision: 1 });
    expect(outcomes[3]).toMatchObject({ kind: 'rejected', code: 1 });
    expect(machine.machine.revision).toBe(1);
  });

  test('may have any reason: a long one is cut, a broken one is stored as U+FFFD', () => {
    const machine = new TestMachine();
    const [long, broken] = machine.run([
      { kind: 'malformed', reason: '€'.repeat(100_000) },
      { kind: 'malformed', reason: 'a\ud800' },
    ]);
    expect(long).toMatchObject({ detail: '€'.repeat(256) });
    expect(broken).toMatchObject({ detail: 'a\ufffd' });
  });

  test('is remembered with its batch', () => {
    const machine = new TestMachine();
    const session = machine.register();
    const commands = [{ kind: 'malformed' as const, reason: 'x' }];
    const batch = { session, batchNo: 1, doneBelow: 1, commands };
    const first = applied(machine.entry([batch]));
    expect(applied(machine.entry([batch]))).toEqual(first);
  });
});

describe('the state', () => {
  test('of an empty store is before everything', () => {
    const machine = new StateMachine(new MemoryStore());
    expect(machine.revision).toBe(0);
    expect(machine.logTime).toBe(0);
    expect(machine.appliedIndex).toBe(0);
    expect(machine.statistics).toEqual({ keys: 0, bytes: 0 });
    expect(machine.nextDue).toBeUndefined();
  });

  test('of another feature level is refused', () => {
    const store = new MemoryStore();
    new StateMachine(store).apply(entry(1));
    const meta = store.get(META_KEY)?.slice() as Uint8Array;
    meta[1] = 2;
    store.put(META_KEY, meta);
    expect(() => new StateMachine(store)).toThrow('feature level');
  });

  test('below the watermark is compacted, with the oldest revision that is left', () => {
    const machine = new TestMachine();
    machine.run([put('k', 'a'), put('k', 'b'), put('k', 'c')]);
    const meta = machine.store.get(META_KEY)?.slice() as Uint8Array;
    meta[2 + 5 * 8 + 7] = 2;
    machine.store.put(META_KEY, meta);
    machine.restart();
    expect(machine.text('k', 1)).toBe('compacted');
    expect(machine.text('k', 2)).toBe('b');
    expect(machine.machine.get('default', Uint8Array.of(0x6b), 1 as never)).toEqual({
      kind: 'compacted',
      oldest: 2,
    });
  });

  test('depends on stamps alone, whatever the replica does meanwhile (M34)', () => {
    const run = (restartAt: number): string[] => {
      const machine = new TestMachine();
      machine.run([put('k', 'a', { ttlMs: 10 })], { stamp: 1000 });
      if (restartAt === 1) machine.restart();
      machine.clock(1009);
      if (restartAt === 2) machine.restart();
      machine.clock(1011);
      return machine.store.dump();
    };
    expect(run(1)).toEqual(run(0));
    expect(run(2)).toEqual(run(0));
  });
});
