import * as fc from 'fast-check';
import { makeBody, makeEntries } from '@kvstore/testing';
import { decodeRecord, encodeRecord, findHeader, recordBytes } from './log-record.ts';

const marks = { sequence: 9, synced: 7, acknowledged: 6 };
const SEED = 0x1234_5678;

function encoded(bodyBytes: number): Uint8Array {
  const [entry] = makeEntries(undefined, 3, [makeBody(bodyBytes, 1)]);
  const target = new Uint8Array(recordBytes(bodyBytes) + 16).fill(0xaa);
  if (entry !== undefined) encodeRecord(target, 8, entry, marks, SEED);
  return target;
}

test('a record comes back as it was, from any place in a buffer', () => {
  for (const bodyBytes of [0, 1, 7, 8, 9, 1000]) {
    const decoded = decodeRecord(encoded(bodyBytes), 8, SEED);
    expect(decoded).toEqual({
      kind: 'record',
      record: {
        ...marks,
        entry: makeEntries(undefined, 3, [makeBody(bodyBytes, 1)])[0],
        bytes: recordBytes(bodyBytes),
      },
    });
  }
});

test('a record takes a multiple of eight bytes and writes nothing beside them', () => {
  const bytes = encoded(3);
  expect(recordBytes(3)).toBe(72);
  expect(bytes.subarray(0, 8).every((byte) => byte === 0xaa)).toBe(true);
  expect(bytes.subarray(80).every((byte) => byte === 0xaa)).toBe(true);
});

test('every flipped bit is found', () => {
  const bytes = encoded(21);
  for (let bit = 64; bit < (8 + recordBytes(21)) * 8; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(decodeRecord(damaged, 8, SEED).kind).toBe('bad');
  }
});

test('the record of another segment is bad', () => {
  expect(decodeRecord(encoded(5), 8, SEED + 1).kind).toBe('bad');
});

test('a lost body leaves a readable header', () => {
  const damaged = encoded(50);
  damaged[8 + 70] = 0;
  const header = { sequence: 9, synced: 7, index: 1 };
  expect(decodeRecord(damaged, 8, SEED)).toMatchObject({ kind: 'bad', header });
  expect(findHeader(damaged, 8, SEED)).toEqual(header);
});

test('a cut record says how far it goes; nothing but zeros is unused', () => {
  const bytes = encoded(50);
  expect(decodeRecord(bytes.subarray(0, 100), 8, SEED)).toEqual({ kind: 'incomplete', bytes: 120 });
  expect(decodeRecord(bytes.subarray(0, 50), 8, SEED)).toEqual({ kind: 'incomplete', bytes: 64 });
  expect(decodeRecord(new Uint8Array(64), 0, SEED)).toEqual({ kind: 'unused' });
});

test('arbitrary bytes never decode and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 200 }), fc.boolean(), (bytes, magic) => {
      if (magic) bytes.set([0x4b, 0x56, 0x52, 0x31]);
      expect(['bad', 'unused']).toContain(decodeRecord(bytes, 0, SEED).kind);
    }),
  );
});
