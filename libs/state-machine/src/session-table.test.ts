/** Exactly-once by session, through whole entries (I17). */
import type { Batch, Command } from './command.ts';
import { applied, put, TestMachine } from './machine.test-support.ts';
import { sessionBatchKey, sessionKey } from './ordered-keys.ts';
import type { BatchOutcome } from './outcome.ts';
import { checkStore } from './store-check.test-support.ts';

const TTL = 60_000;
const keepAlive: Command = { kind: 'keep-alive' };

function batch(session: number, batchNo: number, doneBelow: number, ...commands: Command[]): Batch {
  return { session, batchNo, doneBelow, commands };
}

function kinds(outcomes: readonly BatchOutcome[]): string[] {
  return outcomes.map((outcome) => outcome.kind);
}

describe('registration', () => {
  test('the id is made of the index of the entry and the place of the command in it', () => {
    const machine = new TestMachine();
    machine.clock(1);
    const register: Command = { kind: 'register-session', ttlMs: TTL };
    const outcomes = machine.entry([
      batch(0, 1, 1, register, keepAlive, register),
      batch(77, 1, 1, keepAlive),
      batch(0, 1, 1, register),
    ]);
    const ids = outcomes.map((outcome) => {
      if (outcome.kind !== 'applied') return outcome.kind;
      return outcome.outcomes.map((each) => ('session' in each ? each.session : each.kind));
    });
    expect(ids).toEqual([[2048, 'rejected', 2050], 'session-expired', [2052]]);
  });

  test('without a session nothing but a registration is allowed', () => {
    const machine = new TestMachine();
    const outcomes = applied(machine.entry([batch(0, 1, 1, put('k', 'v'), keepAlive)]));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ kind: 'rejected', code: 1 });
    expect(machine.text('k')).toBe('not-found');
    expect(machine.machine.revision).toBe(0);
  });

  test('a time to live that is none is refused', () => {
    const machine = new TestMachine();
    const register: Command = { kind: 'register-session', ttlMs: 0 };
    expect(applied(machine.entry([batch(0, 1, 1, register)]))[0]).toMatchObject({ code: 1 });
  });

  test('a command beyond the 1,024th of an entry registers nothing', () => {
    const machine = new TestMachine();
    const commands = Array.from({ length: 1025 }, (): Command => ({
      kind: 'register-session',
      ttlMs: TTL,
    }));
    const outcomes = applied(machine.entry([batch(0, 1, 1, ...commands)]));
    expect(outcomes[1023]).toEqual({ kind: 'session-registered', session: 1024 + 1023 });
    expect(outcomes[1024]).toMatchObject({ kind: 'rejected', code: 1 });
  });

  test('a session can be used in the entry that registers it', () => {
    const machine = new TestMachine();
    const outcomes = machine.entry([
      batch(0, 1, 1, { kind: 'register-session', ttlMs: TTL }),
      batch(1024, 1, 1, put('k', 'v')),
    ]);
    expect(kinds(outcomes)).toEqual(['applied', 'applied']);
    expect(machine.text('k')).toBe('v');
  });
});

describe('a batch', () => {
  test('is applied once, and its outcomes are given again', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    const once = batch(session, 1, 1, put('k', 'v'), put('k', 'w'));
    const first = machine.entry([once]);
    expect(machine.entry([once])).toEqual(first);
    expect(machine.entry([once, once])).toEqual([...first, ...first]);
    expect(machine.machine.revision).toBe(2);
  });

  test('is applied once also when both copies are in one entry', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    const once = batch(session, 1, 1, put('k', 'v'));
    const [first, second] = machine.entry([once, once]);
    expect(second).toEqual(first);
    expect(machine.machine.revision).toBe(1);
  });

  test('is applied once also across a restart (M36)', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    const once = batch(session, 1, 1, put('k', 'v'));
    const first = machine.entry([once]);
    machine.restart();
    expect(machine.entry([once])).toEqual(first);
    expect(machine.machine.revision).toBe(1);
  });

  test('is applied in whatever order it comes', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    for (const batchNo of [5, 2, 4, 1, 3]) {
      expect(kinds(machine.entry([batch(session, batchNo, 1, put('k', `${batchNo}`))]))).toEqual([
        'applied',
      ]);
    }
    expect(machine.text('k')).toBe('3');
    expect(machine.machine.revision).toBe(5);
  });

  test('is refused below doneBelow, and the outcomes there are gone', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    machine.entry([1, 2, 3].map((batchNo) => batch(session, batchNo, 1, keepAlive)));
    machine.entry([batch(session, 4, 3, keepAlive)]);
    expect(
      kinds(machine.entry([1, 2, 3].map((no) => batch(session, no, 1, put('k', 'v'))))),
    ).toEqual(['stale', 'stale', 'applied']);
    expect(machine.store.get(sessionBatchKey(session, 2))).toBeUndefined();
    expect(machine.store.get(sessionBatchKey(session, 3))).toBeDefined();
    expect(machine.text('k')).toBe('not-found');
  });

  test('moves doneBelow forward only, and never past itself', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    machine.entry([batch(session, 5, 4, keepAlive), batch(session, 6, 1, keepAlive)]);
    expect(kinds(machine.entry([batch(session, 3, 1)]))).toEqual(['stale']);
    machine.entry([batch(session, 7, 100, keepAlive)]);
    expect(kinds(machine.entry([batch(session, 7, 1), batch(session, 6, 1)]))).toEqual([
      'applied',
      'stale',
    ]);
  });

  test('more than 4,096 outstanding are refused without effect', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    machine.entry([batch(session, 1, 1, keepAlive)]);
    expect(kinds(machine.entry([batch(session, 4097, 1, put('k', 'v'))]))).toEqual([
      'window-exceeded',
    ]);
    expect(machine.text('k')).toBe('not-found');
    expect(kinds(machine.entry([batch(session, 4096, 1, put('k', 'v'))]))).toEqual(['applied']);
    expect(kinds(machine.entry([batch(session, 4097, 2, put('k', 'w'))]))).toEqual(['applied']);
    checkStore(machine.store);
  });

  test('that jumps far ahead costs no more than what is stored', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    machine.entry([batch(session, 1, 1, keepAlive), batch(session, 2, 1, keepAlive)]);
    const before = machine.store.writes;
    const far = Number.MAX_SAFE_INTEGER;
    expect(kinds(machine.entry([batch(session, far, far, keepAlive)]))).toEqual(['applied']);
    expect(machine.store.writes - before).toBeLessThan(10);
    expect(kinds(machine.entry([batch(session, far, far), batch(session, 2, 1)]))).toEqual([
      'applied',
      'stale',
    ]);
    checkStore(machine.store);
  });

  test.each([
    ['number 0', 0, 1],
    ['a broken number', 1.5, 1],
    ['no number', NaN, 1],
    ['a negative doneBelow', 1, -1],
  ])('with %s is refused without effect', (_, batchNo, doneBelow) => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    expect(kinds(machine.entry([batch(session, batchNo, doneBelow, put('k', 'v'))]))).toEqual([
      'stale',
    ]);
    expect(machine.text('k')).toBe('not-found');
  });

  test('without commands is applied like any other', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    expect(machine.entry([batch(session, 1, 1)])).toEqual([{ kind: 'applied', outcomes: [] }]);
    expect(machine.stored(session, 1)).toEqual({ kind: 'applied', outcomes: [] });
  });

  test('writes the header of its session once per entry', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    const before = machine.store.writes;
    machine.entry([1, 2, 3, 4].map((batchNo) => batch(session, batchNo, 1, keepAlive)));
    expect(machine.store.writes - before).toBe(4 + 1 + 1);
  });
});

describe('the end of a session', () => {
  test('an unknown session is refused without effect', () => {
    const machine = new TestMachine();
    const outcomes = machine.entry([
      batch(1024, 1, 1, put('k', 'v')),
      batch(-1, 1, 1),
      batch(0.5, 1, 1),
    ]);
    expect(kinds(outcomes)).toEqual(['session-expired', 'session-expired', 'session-expired']);
    expect(machine.text('k')).toBe('not-found');
  });

  test('comes when log time reaches its time to live, with everything it stored', () => {
    const machine = new TestMachine();
    const session = machine.register(100, { stamp: 1000 });
    machine.entry([batch(session, 1, 1, put('k', 'v'))]);
    machine.clock(1099);
    expect(kinds(machine.entry([batch(session, 1, 1)]))).toEqual(['applied']);
    machine.clock(1100);
    expect(kinds(machine.entry([batch(session, 1, 1), batch(session, 2, 1)]))).toEqual([
      'session-expired',
      'session-expired',
    ]);
    expect(machine.store.get(sessionKey(session))).toBeUndefined();
    expect(machine.store.get(sessionBatchKey(session, 1))).toBeUndefined();
    expect(machine.machine.nextDue).toBeUndefined();
    expect(machine.text('k')).toBe('v');
  });

  test('is moved by every applied batch, and by no refused or repeated one', () => {
    const machine = new TestMachine();
    const session = machine.register(100, { stamp: 1000 });
    machine.entry([batch(session, 1, 1, keepAlive)], { stamp: 1050 });
    machine.entry([batch(session, 1, 1, keepAlive)], { stamp: 1090 });
    machine.entry([batch(session, 9999, 1, keepAlive)], { stamp: 1095 });
    machine.clock(1149);
    expect(machine.stored(session, 2)).toBe('not-applied');
    expect(machine.machine.nextDue).toBe(1150);
    machine.clock(1150);
    expect(machine.stored(session, 2)).toBe('unknown-session');
  });

  test('costs the expiry index one write per time to live, not one per batch', () => {
    const machine = new TestMachine();
    const session = machine.register(1000, { stamp: 1000 });
    let now = 1000;
    let batchNo = 0;
    const before = machine.store.writes;
    for (let i = 0; i < 100; i++) {
      now += 100;
      batchNo += 1;
      machine.entry([batch(session, batchNo, batchNo, keepAlive)], { stamp: now });
    }
    // Per entry: outcome, outcome before it deleted, header, meta. Per move: one delete, one put.
    const moves = (machine.store.writes - before - (100 * 4 - 1)) / 2;
    expect(moves).toBeGreaterThanOrEqual(9);
    expect(moves).toBeLessThanOrEqual(11);
    expect(machine.stored(session, 101)).toBe('not-applied');
    checkStore(machine.store);
  });

  test('with thousands of outcomes is spread over entries, and nothing comes back to life', () => {
    const machine = new TestMachine();
    const session = machine.register(100, { stamp: 1000 });
    machine.entry(Array.from({ length: 2500 }, (_, i) => batch(session, i + 1, 1)));
    const left: number[] = [];
    for (let i = 0; i < 4; i++) {
      machine.entry([], { stamp: 2000, opening: true });
      const bounds = { from: sessionBatchKey(session, 0), to: sessionBatchKey(session + 1, 0) };
      left.push([...machine.store.scan(bounds)].length);
      expect(machine.store.get(sessionKey(session))).toBeDefined();
    }
    expect(left).toEqual([2500, 2500, 2500, 2500]);
    left.length = 0;
    for (let i = 0; i < 3; i++) {
      machine.entry([batch(session, 1, 1), batch(session, 9000, 1)], {
        stamp: 9000,
        opening: i > 0,
      });
      const bounds = { from: sessionBatchKey(session, 0), to: sessionBatchKey(session + 1, 0) };
      left.push([...machine.store.scan(bounds)].length);
      expect(machine.store.get(sessionKey(session))).toBeUndefined();
    }
    expect(left).toEqual([1500, 500, 0]);
    expect(machine.machine.nextDue).toBeUndefined();
    checkStore(machine.store);
  });
});

describe('more than 1,000 removals due at once', () => {
  test('one entry makes 1,000 of them, over as many sessions as that takes', () => {
    const machine = new TestMachine();
    const sessions = [1, 2, 3].map(() => machine.register(100, { stamp: 1000 }));
    for (const session of sessions) {
      machine.entry(Array.from({ length: 800 }, (_, i) => batch(session, i + 1, 1)));
    }
    const left: number[] = [];
    for (let i = 0; i < 4; i++) {
      machine.clock(9000);
      left.push(machine.store.pairs().filter(({ key }) => key[0] === 0 && key[1] === 3).length);
    }
    expect(left).toEqual([1400, 400, 0, 0]);
    expect(machine.machine.nextDue).toBeUndefined();
  });

  test('a session past its end that still waits for removal is refused', () => {
    const machine = new TestMachine();
    const keys = Array.from({ length: 1000 }, (_, n) => put(`k${n}`, '', { ttlMs: 5 }));
    machine.run(keys, { stamp: 1000 });
    const session = machine.register(5, { stamp: 1000 });
    expect(kinds(machine.entry([batch(session, 1, 1, put('k', 'v'))], { stamp: 1005 }))).toEqual([
      'session-expired',
    ]);
    expect(machine.store.get(sessionKey(session))).toBeDefined();
    expect(machine.stored(session, 1)).toBe('unknown-session');
    expect(machine.text('k')).toBe('not-found');
  });
});

describe('the opening of a term', () => {
  test.each([
    [100, 50_100],
    [3000, 53_000],
    [9000, 55_000],
    [1_000_000, 1_001_000],
  ])('lets a session of %d ms, long past its end, live until %d', (ttlMs, end) => {
    const machine = new TestMachine();
    const session = machine.register(ttlMs, { stamp: 1000 });
    machine.entry([], { stamp: 50_000, opening: true });
    machine.clock(end - 1);
    expect(machine.stored(session, 1)).toBe('not-applied');
    machine.restart();
    machine.clock(end);
    expect(machine.stored(session, 1)).toBe('unknown-session');
  });

  test('brings no session back that ended before it', () => {
    const machine = new TestMachine();
    const session = machine.register(100, { stamp: 1000 });
    machine.clock(1100);
    machine.entry([], { stamp: 1100, opening: true });
    expect(machine.stored(session, 1)).toBe('unknown-session');
  });

  test('extends again what an earlier opening extended', () => {
    const machine = new TestMachine();
    const session = machine.register(100, { stamp: 1000 });
    machine.entry([], { stamp: 2000, opening: true });
    machine.entry([], { stamp: 3000, opening: true });
    machine.clock(3099);
    expect(machine.stored(session, 1)).toBe('not-applied');
    machine.clock(3100);
    expect(machine.stored(session, 1)).toBe('unknown-session');
  });

  test('extends no key', () => {
    const machine = new TestMachine();
    machine.run([put('k', 'v', { ttlMs: 100 })], { stamp: 1000 });
    machine.entry([], { stamp: 2000, opening: true });
    expect(machine.text('k')).toBe('not-found');
  });
});

describe('asking for an outcome', () => {
  test('gives the stored bytes, or why there are none', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    const [outcome] = machine.entry([batch(session, 2, 2, put('k', 'v'))]);
    expect(machine.stored(session, 2)).toEqual(outcome);
    expect(machine.stored(session, 1)).toEqual({ kind: 'stale' });
    expect(machine.stored(session, 3)).toBe('not-applied');
    expect(machine.stored(session + 1, 1)).toBe('unknown-session');
    expect(machine.stored(0, 1)).toBe('unknown-session');
  });

  test('gives the very bytes that the entry answered', () => {
    const machine = new TestMachine();
    const session = machine.register(TTL);
    const index = machine.machine.appliedIndex + 1;
    const entry = { term: 1, opening: false, stamp: undefined };
    const batches = [batch(session, 1, 1, put('k', 'v'))];
    const result = machine.machine.apply({ ...entry, index, batches } as never);
    expect(machine.machine.storedOutcome(session, 1)).toEqual(result.encoded[0]);
  });
});
