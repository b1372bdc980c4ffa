/** Keys, versions, history and time to live, through whole entries. */
import { decodeUtf8, encodeUtf8, type Revision } from '@kvstore/std';
import type { PutCommand } from './command.ts';
import { applied, del, put, TestMachine } from './machine.test-support.ts';
import { LOG_TIME_MAX } from './log-time.ts';
import { newestVersionKey, setRevision } from './ordered-keys.ts';
import { checkStore } from './store-check.test-support.ts';
import { decodeRecord, type ValueRecord } from './stored-record.ts';

const in10: Partial<PutCommand> = { ttlMs: 10 };

function record(
  machine: TestMachine,
  key: string,
  revision: number,
): ReturnType<typeof decodeRecord> {
  const bytes = newestVersionKey('default', encodeUtf8(key));
  setRevision(bytes, revision as Revision);
  const found = machine.store.first(bytes, bytes.length - 8);
  if (found === undefined) throw new Error('no such version');
  return decodeRecord(found.value);
}

describe('versions', () => {
  test('a put creates a key at version 1 and replaces everything at the next version', () => {
    const machine = new TestMachine();
    const tags = [{ name: 'colour', value: 'blue' }];
    const [created] = machine.run([put('k', 'one', { tags, contentType: 'a/b', ttlMs: 500 })], {
      stamp: 1000,
    });
    expect(created).toEqual({
      kind: 'put',
      revision: 1,
      version: 1,
      createRevision: 1,
      createdAt: 1000,
      updatedAt: 1000,
      expiresAt: 1500,
    });
    const [updated] = machine.run([put('k', 'two')], { stamp: 1200 });
    expect(updated).toEqual({
      kind: 'put',
      revision: 2,
      version: 2,
      createRevision: 1,
      createdAt: 1000,
      updatedAt: 1200,
      expiresAt: undefined,
    });
    expect(machine.get('k')).toMatchObject({ contentType: 'text/plain', tags: [], version: 2 });
    expect(machine.get('k', 1)).toMatchObject({ contentType: 'a/b', tags, expiresAt: 1500 });
    machine.clock(9999);
    expect(machine.text('k')).toBe('two');
  });

  test('a key made again starts at version 1 with a new create revision', () => {
    const machine = new TestMachine();
    machine.run([put('k', 'a'), put('k', 'b'), del('k'), put('k', 'c')], { stamp: 5 });
    expect(machine.get('k')).toMatchObject({ version: 1, createRevision: 4, modRevision: 4 });
    expect(machine.get('k', 2)).toMatchObject({ version: 2, createRevision: 1, modRevision: 2 });
  });

  test('deleting a key leaves a tombstone of its own revision', () => {
    const machine = new TestMachine();
    const outcomes = machine.run([put('k', 'a'), del('k')], { stamp: 40 });
    expect(outcomes[1]).toEqual({ kind: 'deleted', revision: 2, existed: true });
    expect(record(machine, 'k', 2)).toEqual({
      kind: 'tombstone',
      modRevision: 2,
      cause: 'delete',
      removedAt: 40,
    });
    expect(machine.text('k')).toBe('not-found');
    expect(machine.text('k', 2)).toBe('not-found');
    expect(machine.text('k', 1)).toBe('a');
  });

  test('a delete of nothing and a failed condition take no revision', () => {
    const machine = new TestMachine();
    const outcomes = machine.run([
      put('k', 'a'),
      del('missing'),
      put('k', 'b', { conditions: [{ kind: 'absent' }] }),
      del('k', { conditions: [{ kind: 'version-is', version: 9 }] }),
      put('k', 'c'),
    ]);
    expect(outcomes[1]).toEqual({ kind: 'deleted', revision: 1, existed: false });
    expect(outcomes[2]).toEqual({
      kind: 'rejected',
      code: 2,
      revision: 1,
      actualModRevision: 1,
      actualVersion: 1,
      detail: 'absent',
    });
    expect(outcomes[3]).toMatchObject({ kind: 'rejected', code: 2, detail: 'version-is' });
    expect(outcomes[4]).toMatchObject({ kind: 'put', revision: 2, version: 2 });
  });

  test('a condition that fails on a missing key reports revision and version 0', () => {
    const machine = new TestMachine();
    const [first] = machine.run([put('k', 'a', { conditions: [{ kind: 'exists' }] })]);
    expect(first).toMatchObject({
      kind: 'rejected',
      code: 2,
      actualModRevision: 0,
      actualVersion: 0,
    });
    expect(machine.machine.revision).toBe(0);
  });

  test('commands of one batch see each other', () => {
    const machine = new TestMachine();
    const once: Partial<PutCommand> = { conditions: [{ kind: 'absent' }] };
    const outcomes = machine.run([put('k', 'a', once), put('k', 'b', once)]);
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['put', 'rejected']);
  });

  test('namespaces do not meet, and neither do keys that are prefixes of one another', () => {
    const machine = new TestMachine();
    machine.run([
      put('k', '1'),
      put('k\0', '2'),
      put('k\0\u0001', '3'),
      put('k', '4', { namespace: 'defaul' }),
      del('k\0'),
    ]);
    expect(machine.text('k')).toBe('1');
    expect(machine.text('k\0')).toBe('not-found');
    expect(machine.text('k\0\u0001')).toBe('3');
    const other = machine.get('k', undefined, 'defaul') as ValueRecord;
    expect(decodeUtf8(other.value)).toBe('4');
  });

  test('a value is kept byte for byte', () => {
    const machine = new TestMachine();
    const value = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) & 0xff);
    machine.run([put('k', '', { value })]);
    expect((machine.get('k') as ValueRecord).value).toEqual(value);
  });
});

describe('reads', () => {
  test('a read at a revision sees the newest version at or below it', () => {
    const machine = new TestMachine();
    machine.run([put('k', 'a'), put('other', 'x'), put('k', 'b')]);
    const seen = [0, 1, 2, 3].map((revision) => machine.text('k', revision));
    expect(seen).toEqual(['not-found', 'a', 'a', 'b']);
  });

  test('a read above the revision is in the future', () => {
    const machine = new TestMachine();
    machine.run([put('k', 'a')]);
    expect(machine.text('k', 2)).toBe('future');
  });

  test('a key or namespace that cannot exist is not found', () => {
    const { machine } = new TestMachine();
    expect(machine.get('No such', encodeUtf8('k'))).toEqual({ kind: 'not-found' });
    expect(machine.get('default', new Uint8Array(0))).toEqual({ kind: 'not-found' });
    expect(machine.get('default', new Uint8Array(1025))).toEqual({ kind: 'not-found' });
  });
});

describe('statistics', () => {
  test('count live keys and the bytes of keys and values', () => {
    const machine = new TestMachine();
    const { run } = { run: machine.run.bind(machine) };
    run([put('key', '12345')]);
    expect(machine.machine.statistics).toEqual({ keys: 1, bytes: 8 });
    run([put('key', '1'), put('\0\0', '')]);
    expect(machine.machine.statistics).toEqual({ keys: 2, bytes: 6 });
    run([del('key'), del('key'), put('\0\0', 'abc', in10)], { stamp: 100 });
    expect(machine.machine.statistics).toEqual({ keys: 1, bytes: 5 });
    machine.clock(110);
    expect(machine.machine.statistics).toEqual({ keys: 0, bytes: 0 });
  });
});

describe('time to live', () => {
  test('a key ends in the entry whose stamp reaches its end, as a change of its own', () => {
    const machine = new TestMachine();
    machine.run([put('k', 'a', in10)], { stamp: 1000 });
    machine.clock(1009);
    expect(machine.text('k')).toBe('a');
    machine.clock(1010);
    expect(machine.text('k')).toBe('not-found');
    expect(machine.machine.revision).toBe(2);
    expect(record(machine, 'k', 2)).toEqual({
      kind: 'tombstone',
      modRevision: 2,
      cause: 'expire',
      removedAt: 1010,
    });
    expect(machine.text('k', 1)).toBe('a');
  });

  test('keys end before the commands of the entry', () => {
    const machine = new TestMachine();
    machine.run([put('k', 'a', in10)], { stamp: 1000 });
    const [outcome] = machine.run([put('k', 'b')], { stamp: 2000 });
    expect(outcome).toMatchObject({ version: 1, createRevision: 3 });
  });

  test('an entry without a stamp, or with an earlier one, leaves log time', () => {
    const machine = new TestMachine();
    machine.run([put('k', 'a', in10)], { stamp: 1000 });
    machine.entry([]);
    machine.clock(7);
    expect(machine.machine.logTime).toBe(1000);
    const [outcome] = machine.run([put('late', 'a')], { stamp: 8 });
    expect(outcome).toMatchObject({ createdAt: 1000 });
  });

  test('a new put or a delete replaces the end', () => {
    const machine = new TestMachine();
    machine.run([put('a', '1', in10), put('b', '1', in10), put('c', '1', in10)], { stamp: 1000 });
    machine.run([put('a', '2'), put('b', '2', { ttlMs: 50 }), del('c')]);
    machine.clock(1010);
    expect([machine.text('a'), machine.text('b'), machine.text('c')]).toEqual([
      '2',
      '2',
      'not-found',
    ]);
    expect(machine.machine.nextDue).toBe(1050);
    machine.clock(1050);
    expect([machine.text('a'), machine.text('b')]).toEqual(['2', 'not-found']);
    checkStore(machine.store);
  });

  test('an end beyond the year 9999 is its last millisecond', () => {
    const machine = new TestMachine();
    const [outcome] = machine.run([put('k', 'a', { ttlMs: Number.MAX_SAFE_INTEGER })], {
      stamp: 9,
    });
    expect(outcome).toMatchObject({ expiresAt: LOG_TIME_MAX });
    expect(new Date(LOG_TIME_MAX).toISOString()).toBe('9999-12-31T23:59:59.999Z');
  });

  test('keys end in the order of their ends, then of their keys', () => {
    const machine = new TestMachine();
    machine.run([put('b', '', in10), put('a', '', in10), put('c', '', { ttlMs: 5 })], {
      stamp: 1000,
    });
    machine.clock(2000);
    const ended = [4, 5, 6].map((revision) =>
      ['a', 'b', 'c'].find((key) => {
        return record(machine, key, revision).modRevision === revision;
      }),
    );
    expect(ended).toEqual(['c', 'a', 'b']);
  });
});

describe('more than 1,000 keys due at once', () => {
  const name = (n: number): string => `k${String(n).padStart(5, '0')}`;

  function overdue(): TestMachine {
    const machine = new TestMachine();
    const commands = Array.from({ length: 1500 }, (_, n) => put(name(n), 'v', in10));
    machine.run(commands, { stamp: 1000 });
    machine.clock(5000);
    return machine;
  }

  test('an entry ends 1,000 of them, the next one the rest', () => {
    const machine = overdue();
    expect(machine.machine.statistics.keys).toBe(500);
    expect(machine.machine.revision).toBe(2500);
    expect(machine.machine.nextDue).toBe(1010);
    machine.entry([]);
    expect(machine.machine.statistics).toEqual({ keys: 0, bytes: 0 });
    expect(machine.machine.revision).toBe(3000);
    checkStore(machine.store);
  });

  test('a key past its end is not found now, and stays in the past', () => {
    const machine = overdue();
    expect(machine.text(name(1499))).toBe('not-found');
    expect(machine.text(name(1499), 2500)).toBe('v');
    machine.entry([]);
    expect(machine.text(name(1499), 2500)).toBe('v');
    expect(machine.text(name(1499), 3000)).toBe('not-found');
  });

  test('a command that meets such a key ends it first, with a revision of its own', () => {
    const machine = new TestMachine();
    const session = machine.register(1e9, { stamp: 1000 });
    const batch = (batchNo: number, commands: ReturnType<typeof put | typeof del>[]) => ({
      session,
      batchNo,
      doneBelow: 1,
      commands,
    });
    machine.entry([
      batch(
        1,
        Array.from({ length: 1500 }, (_, n) => put(name(n), 'v', in10)),
      ),
    ]);
    const exists: Partial<PutCommand> = { conditions: [{ kind: 'exists' }] };
    const outcomes = applied(
      machine.entry(
        [
          batch(2, [
            put(name(1499), 'new'),
            del(name(1498)),
            put(name(1497), 'new', exists),
            put(name(1499), 'newer'),
          ]),
        ],
        { stamp: 5000 },
      ),
    );
    expect(outcomes[0]).toMatchObject({ revision: 2502, version: 1, createRevision: 2502 });
    expect(record(machine, name(1499), 2501)).toMatchObject({ cause: 'expire', modRevision: 2501 });
    expect(outcomes[1]).toEqual({ kind: 'deleted', revision: 2503, existed: false });
    expect(outcomes[2]).toMatchObject({ kind: 'rejected', revision: 2504, actualVersion: 0 });
    expect(outcomes[3]).toMatchObject({ revision: 2505, version: 2, createRevision: 2502 });
    machine.entry([]);
    expect(machine.machine.statistics.keys).toBe(1);
    expect(machine.machine.revision).toBe(2505 + 497);
    checkStore(machine.store);
  });
});
