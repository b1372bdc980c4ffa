import { compareBytes, encodeUtf8, revision } from '@kvstore/std';
import * as fc from 'fast-check';
import {
  changeKey,
  decodeExpiryKey,
  decodeIdentity,
  EXPIRY_END,
  expiryFrom,
  expiryKey,
  ExpiryKind,
  filterPrefixLength,
  idempotencyTableKey,
  identityOf,
  META_KEY,
  newestVersionKey,
  newestVersionKeyOf,
  sessionBatchKey,
  sessionKey,
  setRevision,
  versionPrefixLength,
} from './ordered-keys.ts';

interface Place {
  readonly namespace: string;
  readonly key: Uint8Array;
  readonly at: number;
}

/** Bytes that make escaping go wrong if it can. */
const key = fc.uint8Array({ minLength: 1, maxLength: 6 }).map((bytes) => {
  return bytes.map((byte) => [0, 0, 1, 2, 0xfe, 0xff][byte % 6] as number);
});
const place: fc.Arbitrary<Place> = fc.record({
  namespace: fc.constantFrom('a', 'a-', 'a.b', 'a0', 'aa', 'b'),
  key,
  at: fc.oneof(fc.nat(3), fc.maxSafeNat()),
});

function versionKey({ namespace, key: userKey, at }: Place): Uint8Array {
  const bytes = newestVersionKey(namespace, userKey);
  setRevision(bytes, revision(at));
  return bytes;
}

function order(a: Place, b: Place): number {
  const byNamespace = compareBytes(encodeUtf8(a.namespace), encodeUtf8(b.namespace));
  return Math.sign(byNamespace || compareBytes(a.key, b.key) || b.at - a.at);
}

describe('version keys', () => {
  test('sort by namespace, then key, then newest revision first', () => {
    fc.assert(
      fc.property(place, place, (a, b) => {
        expect(Math.sign(compareBytes(versionKey(a), versionKey(b)))).toBe(order(a, b));
      }),
      { numRuns: 2000 },
    );
  });

  test('give their namespace and key back', () => {
    fc.assert(
      fc.property(place, (a) => {
        const bytes = versionKey(a);
        const identity = identityOf(bytes);
        expect(decodeIdentity(identity)).toEqual({ namespace: a.namespace, key: a.key });
        expect(newestVersionKeyOf(identity)).toEqual(newestVersionKey(a.namespace, a.key));
      }),
    );
  });

  test('no key is a prefix of another one', () => {
    fc.assert(
      fc.property(place, place, (a, b) => {
        const prefix = versionKey(a).subarray(0, versionPrefixLength(versionKey(a)));
        const same = a.namespace === b.namespace && compareBytes(a.key, b.key) === 0;
        const shares = compareBytes(versionKey(b).subarray(0, prefix.length), prefix) === 0;
        expect(shares).toBe(same);
      }),
      { numRuns: 2000 },
    );
  });

  test('the newest version at or below a revision is the first pair at or after it', () => {
    const at = (n: number): Uint8Array =>
      versionKey({ namespace: 'a', key: encodeUtf8('k'), at: n });
    expect(compareBytes(newestVersionKey('a', encodeUtf8('k')), at(2 ** 53 - 1))).toBeLessThan(0);
    expect(compareBytes(at(8), at(7))).toBeLessThan(0);
    expect(compareBytes(at(2 ** 32), at(2 ** 32 - 1))).toBeLessThan(0);
  });

  test.each([
    ['nothing', Uint8Array.of()],
    ['an unknown escape', Uint8Array.of(0x61, 0, 2, 0x62, 0, 1)],
    ['no terminator', Uint8Array.of(0x61, 0, 1, 0x62)],
    ['half a terminator', Uint8Array.of(0x61, 0, 1, 0x62, 0)],
    ['bytes behind the key', Uint8Array.of(0x61, 0, 1, 0x62, 0, 1, 7)],
  ])('%s is no identity', (_, bytes) => {
    expect(() => decodeIdentity(bytes)).toThrow(expect.objectContaining({ code: 'DECODE' }));
  });
});

describe('system keys', () => {
  const numbers = fc.oneof(fc.nat(300), fc.maxSafeNat());

  test('changes sort by revision, then place', () => {
    fc.assert(
      fc.property(numbers, fc.nat(300), numbers, fc.nat(300), (r1, n1, r2, n2) => {
        const difference = compareBytes(changeKey(revision(r1), n1), changeKey(revision(r2), n2));
        expect(Math.sign(difference)).toBe(Math.sign(r1 - r2 || n1 - n2));
      }),
    );
  });

  test('batches of a session lie between it and the next one', () => {
    fc.assert(
      fc.property(fc.nat(1e9), numbers, (session, batchNo) => {
        const bytes = sessionBatchKey(session, batchNo);
        expect(compareBytes(sessionBatchKey(session, 0), bytes)).toBeLessThanOrEqual(0);
        expect(compareBytes(bytes, sessionBatchKey(session + 1, 0))).toBeLessThan(0);
      }),
    );
  });

  test('the expiry index sorts by due time and lies within its bounds', () => {
    fc.assert(
      fc.property(numbers, numbers, key, key, (a, b, idA, idB) => {
        const first = expiryKey(a, ExpiryKind.key, idA);
        const second = expiryKey(b, ExpiryKind.session, idB);
        if (a !== b) expect(Math.sign(compareBytes(first, second))).toBe(Math.sign(a - b));
        expect(compareBytes(expiryFrom(a), first)).toBeLessThan(0);
        if (a < b) expect(compareBytes(first, expiryFrom(b))).toBeLessThan(0);
        expect(compareBytes(first, EXPIRY_END)).toBeLessThan(0);
        expect(decodeExpiryKey(first)).toEqual({ dueAt: a, kind: ExpiryKind.key, id: idA });
      }),
    );
  });

  test('idempotency keys of different owners never meet', () => {
    const parts = fc.tuple(
      fc.string({ maxLength: 3 }),
      fc.constantFrom('a', 'ab'),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const equal = compareBytes(idempotencyTableKey(...a), idempotencyTableKey(...b)) === 0;
        expect(equal).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
    expect(idempotencyTableKey('p\0', 'a', 'x')).not.toEqual(idempotencyTableKey('p', 'a', '\0x'));
  });

  test('system keys sort before versions, and versions before changes', () => {
    const version = newestVersionKey('a', Uint8Array.of(0));
    expect(compareBytes(EXPIRY_END, version)).toBeLessThan(0);
    expect(compareBytes(version, changeKey(revision(0), 0))).toBeLessThan(0);
  });
});

describe('filters', () => {
  test('cover a version key up to its revision, a system key wholly, a scanned key not at all', () => {
    const version = newestVersionKey('a', encodeUtf8('key\0'));
    expect(filterPrefixLength(version)).toBe(version.length - 8);
    for (const point of [
      META_KEY,
      sessionKey(5),
      sessionBatchKey(5, 6),
      idempotencyTableKey('p', 'n', 'k'),
    ]) {
      expect(filterPrefixLength(point)).toBe(point.length);
    }
    expect(filterPrefixLength(expiryKey(1, ExpiryKind.session, new Uint8Array(8)))).toBe(0);
    expect(filterPrefixLength(changeKey(revision(1), 0))).toBe(0);
  });

  test('do not fail on bytes that are no key of ours', () => {
    expect(filterPrefixLength(new Uint8Array(0))).toBe(0);
    expect(filterPrefixLength(Uint8Array.of(1, 2))).toBe(0);
    expect(filterPrefixLength(Uint8Array.of(9, 9, 9))).toBe(0);
  });
});
