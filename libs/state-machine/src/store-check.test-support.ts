/** Checks, from the pairs alone, that what is stored twice agrees: indexes, counters, windows. */
import { assert, equalBytes } from '@kvstore/std';
import { readU64 } from './fixed-fields.ts';
import { hex, type MemoryStore } from './memory-store.test-support.ts';
import {
  changeKey,
  decodeExpiryKey,
  decodeIdentity,
  expiryKey,
  ExpiryKind,
  identityOf,
  newestVersionKeyOf,
  setRevision,
} from './ordered-keys.ts';
import { decodeRecord, type StoredRecord } from './stored-record.ts';
import { SystemState } from './system-state.ts';

export function checkStore(store: MemoryStore): void {
  const state = SystemState.load(store);
  const pairs = store.pairs();
  const all = new Map(pairs.map(({ key, value }) => [hex(key), value]));
  const newest = new Map<
    string,
    { keyLength: number; identity: Uint8Array; record: StoredRecord }
  >();
  let versions = 0;
  for (const { key, value } of pairs.filter((pair) => pair.key[0] === 1)) {
    versions += 1;
    const identity = identityOf(key);
    const { key: userKey } = decodeIdentity(identity);
    const record = decodeRecord(value);
    const revision = record.modRevision;
    const expectedKey = newestVersionKeyOf(identity);
    setRevision(expectedKey, revision);
    assert(equalBytes(key, expectedKey), 'a record under the key of another revision');
    const change = all.get(hex(changeKey(revision, 0)));
    assert(change !== undefined && hex(change) === hex(identity), 'a version without its change');
    const id = hex(identity);
    if (!newest.has(id)) newest.set(id, { keyLength: userKey.length, identity, record });
  }
  assert(versions === state.revision, 'revisions and versions differ in number');
  assert(pairs.filter((pair) => pair.key[0] === 2).length === versions, 'a change without version');
  const expected = new Set<string>();
  let keys = 0;
  let bytes = 0;
  for (const { keyLength, identity, record } of newest.values()) {
    if (record.kind !== 'value') continue;
    keys += 1;
    bytes += keyLength + record.value.length;
    if (record.expiresAt !== undefined) {
      expected.add(hex(expiryKey(record.expiresAt, ExpiryKind.key, identity)));
    }
  }
  assert(keys === state.keys && bytes === state.bytes, 'live keys and bytes are miscounted');
  checkSystem(store, expected);
}

function checkSystem(store: MemoryStore, expected: Set<string>): void {
  const system = store.pairs().filter((pair) => pair.key[0] === 0);
  const sessions = new Map<number, { doneBelow: number; highest: number; expiresAt: number }>();
  for (const { key, value } of system) {
    if (key[1] === 2) {
      const [expiresAt, doneBelow, highest] = [
        readU64(value, 8),
        readU64(value, 16),
        readU64(value, 24),
      ];
      assert(highest < doneBelow + 4096, 'a window of more than 4,096');
      sessions.set(readU64(key, 2), { doneBelow, highest, expiresAt });
    }
    if (key[1] === 3) {
      const session = sessions.get(readU64(key, 2));
      const batchNo = readU64(key, 10);
      assert(session !== undefined, 'an outcome without a session');
      assert(batchNo >= session.doneBelow && batchNo <= session.highest, 'outcome out of window');
    }
    if (key[1] === 4) {
      expected.add(hex(expiryKey(readU64(value, 8), ExpiryKind.idempotency, key)));
    }
  }
  let indexed = 0;
  const sessionEntries = new Set<number>();
  for (const { key } of system.filter((pair) => pair.key[1] === 5)) {
    const item = decodeExpiryKey(key);
    if (item.kind === ExpiryKind.session) {
      const id = readU64(item.id, 0);
      const session = sessions.get(id);
      assert(session !== undefined && !sessionEntries.has(id), 'a stray session entry');
      sessionEntries.add(id);
    } else {
      indexed += 1;
      assert(expected.has(hex(key)), 'an expiry entry without its owner');
    }
  }
  assert(indexed === expected.size, 'an owner without its expiry entry');
  assert(sessionEntries.size === sessions.size, 'a session without its expiry entry');
}
