/** Random logs against the model, against themselves on another store, and across crashes. */
import { encodeUtf8, logIndex, logTimeMs, type Revision, term } from '@kvstore/std';
import * as fc from 'fast-check';
import type { Batch, Command, Condition } from './command.ts';
import { del, put } from './machine.test-support.ts';
import { MemoryStore } from './memory-store.test-support.ts';
import { Model, type ModelValue } from './model.test-support.ts';
import { decodeOutcomes } from './outcome-codec.ts';
import { type AppliedEntry, StateMachine } from './state-machine.ts';
import { checkStore } from './store-check.test-support.ts';
import { decodeRecord, type StoredRecord } from './stored-record.ts';

const NAMESPACES = ['a', 'a.b'];
const KEYS = ['k', 'k\0', 'k\0\u0001', 'kk', '\0'];
const SESSIONS = 3;

const revisions = fc.array(fc.nat(12) as unknown as fc.Arbitrary<Revision>, { maxLength: 4 });
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ kind: fc.constant('mod-revision-in' as const), revisions }),
  fc.record({ kind: fc.constant('mod-revision-not-in' as const), revisions }),
  fc.record({ kind: fc.constant('version-is' as const), version: fc.nat(3) }),
  fc.record({ kind: fc.constantFrom('exists' as const, 'absent' as const) }),
);
const onKey = fc.record({
  namespace: fc.constantFrom(...NAMESPACES),
  key: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(...KEYS).map(encodeUtf8) },
    { weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
  ),
  conditions: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 2, arbitrary: fc.array(condition, { maxLength: 2 }) },
  ),
  principal: fc.constantFrom('alice', 'bob'),
  idempotencyKey: fc.option(fc.constantFrom('', 'x', 'x\0'), { nil: undefined, freq: 3 }),
  digest: fc.nat(1),
});
const content = fc.record({
  value: fc.uint8Array({ maxLength: 6 }),
  contentType: fc.constantFrom('text/plain', '', 'ünusual/…'),
  tags: fc.array(fc.record({ name: fc.constant('t'), value: fc.string() }), { maxLength: 2 }),
  ttlMs: fc.option(fc.constantFrom(1, 500, 3000, 90_000_000), { nil: undefined }),
});
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(onKey, content).map(([a, b]): Command => put('', '', { ...a, ...b })),
  },
  { weight: 3, arbitrary: onKey.map((a): Command => del('', a)) },
  { weight: 1, arbitrary: fc.constant<Command>({ kind: 'keep-alive' }) },
  { weight: 1, arbitrary: fc.constant<Command>({ kind: 'malformed', reason: 'truncated' }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(800, 4000, 30_000)
      .map((ttlMs): Command => ({ kind: 'register-session', ttlMs })),
  },
);
/** Sessions 1.. are those that the first entry registers; the last one is never registered. */
const batch: fc.Arbitrary<Batch> = fc.record({
  session: fc.oneof(
    { weight: 1, arbitrary: fc.constant(0) },
    { weight: 9, arbitrary: fc.nat(SESSIONS).map((place) => 1024 + place) },
  ),
  batchNo: fc.oneof(
    { weight: 9, arbitrary: fc.nat(9) },
    { weight: 1, arbitrary: fc.integer({ min: 4094, max: 4104 }) },
  ),
  doneBelow: fc.oneof(
    { weight: 9, arbitrary: fc.nat(5) },
    { weight: 1, arbitrary: fc.constant(8192) },
  ),
  commands: fc.array(command, { maxLength: 4 }),
});
const entryShape = fc.record({
  opening: fc.oneof(
    { weight: 5, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
  advance: fc.oneof(
    { weight: 4, arbitrary: fc.nat(400) },
    { weight: 2, arbitrary: fc.integer({ min: -500, max: 4000 }) },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant(86_400_000) },
  ),
  batches: fc.array(batch, { maxLength: 4 }),
});

const log = fc.array(entryShape, { minLength: 1, maxLength: 14 }).map((shapes): AppliedEntry[] => {
  let now = 1_000_000;
  const ttls = [800, 4000, 1_000_000_000].slice(0, SESSIONS);
  const commands = ttls.map((ttlMs): Command => ({ kind: 'register-session', ttlMs }));
  const registration = { session: 0, batchNo: 1, doneBelow: 1, commands };
  const all = [{ opening: true, advance: 0, batches: [registration] }, ...shapes];
  return all.map(({ opening, advance, batches }, i) => {
    now += Math.max(0, advance ?? 0);
    const stamp = advance === undefined ? undefined : logTimeMs(advance < 0 ? now + advance : now);
    return { index: logIndex(i + 1), term: term(1), opening, stamp, batches };
  });
});

function plain(value: ModelValue | undefined): unknown {
  if (value?.command === undefined) return undefined;
  const { contentType, tags, value: bytes } = value.command;
  return {
    kind: 'value',
    modRevision: value.revision,
    createRevision: value.createRevision,
    version: value.version,
    createdAt: value.createdAt,
    updatedAt: value.updatedAt,
    expiresAt: value.expiresAt,
    contentType,
    tags,
    value: [...bytes],
  };
}

function found(machine: StateMachine, namespace: string, key: Uint8Array, at?: number): unknown {
  const result = machine.get(namespace, key, at as Revision | undefined);
  if (result.kind !== 'found') return result.kind === 'not-found' ? undefined : result;
  const record: StoredRecord = decodeRecord(result.record.slice());
  return record.kind === 'value' ? { ...record, value: [...record.value] } : record;
}

function expectSameState(machine: StateMachine, model: Model): void {
  expect(machine.revision).toBe(model.revision);
  expect(machine.logTime).toBe(model.logTime);
  expect(machine.statistics).toEqual(model.statistics);
  const nextEnd = model.nextEnd;
  if (nextEnd === undefined) expect(machine.nextDue).toBeUndefined();
  else expect(machine.nextDue).toBeLessThanOrEqual(nextEnd);
}

function expectSameHistory(machine: StateMachine, model: Model): void {
  for (const namespace of NAMESPACES) {
    for (const key of KEYS.map(encodeUtf8)) {
      expect(found(machine, namespace, key)).toEqual(
        plain(model.at(namespace, key, model.revision)),
      );
      for (let at = 0; at <= model.revision; at++) {
        expect(found(machine, namespace, key, at)).toEqual(plain(model.at(namespace, key, at)));
      }
      expect(found(machine, namespace, key, model.revision + 1)).toEqual({ kind: 'future' });
    }
  }
}

function expectSameSessions(machine: StateMachine, model: Model): void {
  for (let id = 1024; id <= 1024 + SESSIONS; id++) {
    const session = model.sessions.get(id);
    for (const batchNo of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4094, 4095, 4096, 4097, 4098]) {
      const stored = machine.storedOutcome(id, batchNo);
      const outcome = typeof stored === 'string' ? stored : decodeOutcomes(stored);
      if (session === undefined) expect(outcome).toBe('unknown-session');
      else if (batchNo < session.doneBelow) expect(outcome).toEqual({ kind: 'stale' });
      else expect(outcome).toEqual(session.outcomes.get(batchNo) ?? 'not-applied');
    }
  }
}

const parameters = { numRuns: 400 };

describe('random logs', () => {
  test('outcomes, counters and every revision are those of the model', () => {
    fc.assert(
      fc.property(log, (entries) => {
        const store = new MemoryStore();
        const machine = new StateMachine(store);
        const model = new Model();
        for (const entry of entries) {
          const result = machine.apply(entry);
          expect(result.outcomes).toEqual(model.apply(entry));
          expect(result.revision).toBe(model.revision);
          expectSameState(machine, model);
        }
        expectSameHistory(machine, model);
        expectSameSessions(machine, model);
        checkStore(store);
      }),
      parameters,
    );
  });

  test('a machine made anew for every entry, without a session cache, writes the same bytes (I14)', () => {
    fc.assert(
      fc.property(log, (entries) => {
        const stores = [new MemoryStore(), new MemoryStore()] as const;
        const lasting = new StateMachine(stores[0]);
        for (const entry of entries) {
          const fresh = new StateMachine(stores[1], { sessionCacheEntriesMax: 0 });
          expect(fresh.apply(entry).encoded).toEqual(lasting.apply(entry).encoded);
          expect(stores[1].dump()).toEqual(stores[0].dump());
        }
      }),
      { ...parameters, numRuns: 150 },
    );
  });

  test('a crash at any entry, with the store as of any earlier one, replays to the same bytes (I13)', () => {
    fc.assert(
      fc.property(log, (entries) => {
        const store = new MemoryStore();
        const machine = new StateMachine(store);
        const durable = [store.clone()];
        const outcomes = entries.map((entry) => {
          const { encoded } = machine.apply(entry);
          durable.push(store.clone());
          return encoded;
        });
        durable.forEach((checkpoint, crash) => {
          const recovered = new StateMachine(checkpoint);
          for (const [i, entry] of entries.entries()) {
            if (i >= crash) expect(recovered.apply(entry).encoded).toEqual(outcomes[i]);
          }
          expect(checkpoint.dump()).toEqual(store.dump());
        });
      }),
      { ...parameters, numRuns: 80 },
    );
  });
});
