/** Exactly-once by a client's own idempotency key, through whole entries. */
import type { PutCommand } from './command.ts';
import { del, put, TestMachine } from './machine.test-support.ts';
import { checkStore } from './store-check.test-support.ts';

const DAY_MS = 86_400_000;
const once: Partial<PutCommand> = { idempotencyKey: 'x', digest: 7 };

test('the same request by the same principal applies once, whatever the session', () => {
  const machine = new TestMachine();
  const [first] = machine.run([put('k', 'a', once)], { stamp: 1000 });
  machine.run([put('k', 'b')], { stamp: 2000 });
  expect(machine.run([put('k', 'a', once)], { stamp: 3000 })).toEqual([first]);
  expect(first).toMatchObject({ revision: 1, updatedAt: 1000 });
  expect(machine.text('k')).toBe('b');
});

test('the same request twice in one batch applies once', () => {
  const machine = new TestMachine();
  const [first, second] = machine.run([put('k', 'a', once), put('k', 'a', once)]);
  expect(second).toEqual(first);
  expect(machine.machine.revision).toBe(1);
});

test('another request under the same key is a conflict without effect', () => {
  const machine = new TestMachine();
  const outcomes = machine.run([put('k', 'a', once), put('k', 'b', { ...once, digest: 8 })]);
  expect(outcomes[1]).toMatchObject({ kind: 'rejected', code: 3, revision: 1 });
  expect(machine.text('k')).toBe('a');
  expect(machine.run([put('k', 'a', once)])).toEqual([outcomes[0]]);
});

test('principals and namespaces have keys of their own', () => {
  const machine = new TestMachine();
  const outcomes = machine.run([
    put('k', 'a', once),
    put('k', 'b', { ...once, principal: 'bob' }),
    put('k', 'c', { ...once, namespace: 'other' }),
  ]);
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['put', 'put', 'put']);
});

test('a failed condition is remembered too', () => {
  const machine = new TestMachine();
  const conditional: Partial<PutCommand> = { ...once, conditions: [{ kind: 'exists' }] };
  const [first] = machine.run([put('k', 'a', conditional)]);
  expect(first).toMatchObject({ kind: 'rejected', code: 2 });
  machine.run([put('k', 'b')]);
  expect(machine.run([put('k', 'a', conditional)])).toEqual([first]);
});

test('a delete is remembered with whether there was something', () => {
  const machine = new TestMachine();
  machine.run([put('k', 'a')]);
  const [first] = machine.run([del('k', { idempotencyKey: 'x', digest: 9 })]);
  expect(first).toMatchObject({ existed: true });
  expect(machine.run([del('k', { idempotencyKey: 'x', digest: 9 })])).toEqual([first]);
});

test('an invalid request is not remembered', () => {
  const machine = new TestMachine();
  const [invalid] = machine.run([put('', 'a', once)]);
  expect(invalid).toMatchObject({ kind: 'rejected', code: 1 });
  expect(machine.run([put('k', 'a', once)])[0]).toMatchObject({ kind: 'put' });
});

test('the outcome is kept across a restart, for 24 hours of log time', () => {
  const machine = new TestMachine();
  const [first] = machine.run([put('k', 'a', once)], { stamp: 1000 });
  machine.restart();
  const end = 1000 + DAY_MS;
  expect(machine.run([put('k', 'a', once)], { stamp: end - 1 })).toEqual([first]);
  expect(machine.run([put('k', 'a', once)], { stamp: end })[0]).toMatchObject({ revision: 2 });
  checkStore(machine.store);
});

test('a key past its end that still waits for removal counts as new', () => {
  const machine = new TestMachine();
  const commands = Array.from({ length: 1000 }, (_, n) => put(`k${n}`, '', { ttlMs: 5 }));
  machine.run([put('k', 'a', once)], { stamp: 1000 });
  machine.run(commands, { stamp: 1000 + DAY_MS - 100 });
  const session = machine.register(1e9);
  const batch = {
    session,
    batchNo: 1,
    doneBelow: 1,
    commands: [put('k', 'b', { ...once, digest: 8 })],
  };
  const [outcome] = machine.entry([batch], { stamp: 1000 + DAY_MS });
  expect(outcome).toMatchObject({ kind: 'applied', outcomes: [{ kind: 'put', version: 2 }] });
  checkStore(machine.store);
  machine.entry([]);
  checkStore(machine.store);
  expect(machine.run([put('k', 'b', { ...once, digest: 8 })])[0]).toMatchObject({ version: 2 });
});
