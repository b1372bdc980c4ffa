/** Every decoder of this lib, from bytes that nobody should have stored. */
import { join } from 'node:path';
import { encodeUtf8, logIndex, type LogTimeMs, type Revision } from '@kvstore/std';
import { hostileBytes } from '@kvstore/testing';
import { ExpiryIndex } from './expiry-index.ts';
import { IdempotencyTable } from './idempotency-table.ts';
import { MemoryStore } from './memory-store.test-support.ts';
import {
  decodeExpiryKey,
  decodeIdentity,
  expiryKey,
  ExpiryKind,
  identityOf,
  idempotencyTableKey,
  META_KEY,
  newestVersionKey,
} from './ordered-keys.ts';
import { decodeOutcomes, encodeOutcomes } from './outcome-codec.ts';
import type { BatchOutcome } from './outcome.ts';
import { decodeSession, encodeSession } from './session-table.ts';
import {
  decodeRecord,
  encodeTombstone,
  encodeValueRecord,
  readVersion,
  type StoredRecord,
} from './stored-record.ts';
import { SystemState } from './system-state.ts';

const corpus = join(import.meta.dirname, '../testdata/hostile');
const revision = 7 as Revision;
const time = 1_700_000_000_000 as LogTimeMs;

const outcomes: readonly BatchOutcome[] = [
  {
    kind: 'applied',
    outcomes: [
      {
        kind: 'put',
        revision,
        version: 3,
        createRevision: revision,
        createdAt: time,
        updatedAt: time,
        expiresAt: time,
      },
      { kind: 'deleted', revision, existed: true },
      { kind: 'session-registered', session: 9 },
      { kind: 'kept-alive' },
      {
        kind: 'rejected',
        code: 1,
        revision,
        actualModRevision: revision,
        actualVersion: 2,
        detail: 'why é',
      },
    ],
  },
  { kind: 'session-expired' },
  { kind: 'stale' },
  { kind: 'window-exceeded' },
];
hostileBytes('outcomes', {
  samples: outcomes.map(encodeOutcomes),
  decode: decodeOutcomes,
  encode: encodeOutcomes,
  corpus,
});

const records: readonly StoredRecord[] = [
  {
    kind: 'value',
    modRevision: revision,
    createRevision: revision,
    version: 1,
    createdAt: time,
    updatedAt: time,
    expiresAt: time,
    contentType: 'text/plain',
    tags: [
      { name: 'a', value: 'é' },
      { name: 'b', value: '' },
    ],
    value: encodeUtf8('value'),
  },
  { kind: 'tombstone', modRevision: revision, cause: 'delete', removedAt: time },
  { kind: 'tombstone', modRevision: revision, cause: 'expire', removedAt: time },
];
const encodeRecord = (record: StoredRecord): Uint8Array =>
  record.kind === 'value'
    ? encodeValueRecord(record)
    : encodeTombstone(record.modRevision, record.cause, record.removedAt);
hostileBytes('stored record', {
  samples: records.map(encodeRecord),
  decode: (bytes) => {
    const record = decodeRecord(bytes);
    const version = readVersion(bytes);
    if (version?.modRevision !== (record.kind === 'value' ? record.modRevision : undefined)) {
      throw new Error('apply reads another record than clients do');
    }
    return record;
  },
  encode: encodeRecord,
  corpus,
});
hostileBytes('version fields', {
  samples: records.map(encodeRecord),
  decode: readVersion,
  isOpenEnded: true,
  corpus,
});

hostileBytes('identity', {
  samples: [identityOf(newestVersionKey('default', Uint8Array.of(0x61, 0, 0xff, 1)))],
  decode: decodeIdentity,
  encode: ({ namespace, key }) => identityOf(newestVersionKey(namespace, key)),
  corpus,
});

test('a namespace that no limit holds is one of an identity all the same', () => {
  const identity = new Uint8Array(200_005).fill(0x61);
  identity.set([0, 1, 0x6b, 0, 1], 200_000);
  expect(decodeIdentity(identity).namespace).toHaveLength(200_000);
});

hostileBytes('expiry key', {
  samples: [
    expiryKey(time, ExpiryKind.key, encodeUtf8('identity')),
    expiryKey(time, ExpiryKind.session, new Uint8Array(8)),
    expiryKey(time, ExpiryKind.idempotency, encodeUtf8('table key')),
  ],
  decode: decodeExpiryKey,
  encode: ({ dueAt, kind, id }) => expiryKey(dueAt, kind, id),
  isOpenEnded: true,
  corpus,
});

const session = { id: 4, ttlMs: 30_000, expiresAt: time, doneBelow: 2, highest: 5, changed: false };
hostileBytes('session', {
  samples: [encodeSession(session)],
  decode: (bytes) => decodeSession(session.id, bytes),
  encode: encodeSession,
  corpus,
});

function saved(state: SystemState): Uint8Array {
  const store = new MemoryStore();
  state.save(store);
  return (store.get(META_KEY) as Uint8Array).slice();
}

const state = new SystemState();
state.appliedIndex = logIndex(12);
state.keys = 3;
hostileBytes('system state', {
  samples: [saved(state)],
  decode: (bytes) => {
    const store = new MemoryStore();
    store.put(META_KEY, bytes.slice());
    return SystemState.load(store);
  },
  encode: saved,
  corpus,
});

const tableKey = idempotencyTableKey('anonymous', 'default', 'once');
hostileBytes('remembered outcome', {
  samples: [Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 4)],
  decode: (bytes) => {
    const store = new MemoryStore();
    store.put(tableKey, bytes.slice());
    return new IdempotencyTable(store, new SystemState(), new ExpiryIndex(store)).find(tableKey);
  },
  refusalOf: (remembered) => (remembered === undefined ? 'past its end' : undefined),
  isOpenEnded: true,
  corpus,
});
