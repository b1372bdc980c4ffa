import { type LogTimeMs, type Revision } from '@kvstore/std';
import * as fc from 'fast-check';
import {
  decodeRecord,
  encodeTombstone,
  encodeValueRecord,
  isValueRecord,
  readExpiresAt,
  readVersion,
  type ValueRecord,
} from './stored-record.ts';

const position = fc.maxSafeNat() as unknown as fc.Arbitrary<Revision>;
const time = fc.maxSafeNat() as unknown as fc.Arbitrary<LogTimeMs>;
const value: fc.Arbitrary<ValueRecord> = fc.record({
  kind: fc.constant('value' as const),
  modRevision: position,
  createRevision: position,
  version: fc.maxSafeNat(),
  createdAt: time,
  updatedAt: time,
  expiresAt: fc.option(
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) as unknown as fc.Arbitrary<LogTimeMs>,
    { nil: undefined },
  ),
  contentType: fc.string({ unit: 'binary', maxLength: 60 }),
  tags: fc.array(fc.record({ name: fc.string(), value: fc.string({ unit: 'binary' }) }), {
    maxLength: 16,
  }),
  value: fc.uint8Array({ maxLength: 400 }),
});

describe('value records', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(value, (record) => {
        expect(decodeRecord(encodeValueRecord(record))).toEqual(record);
      }),
    );
  });

  test('the fields that apply reads are those of the whole record', () => {
    fc.assert(
      fc.property(value, (record) => {
        const bytes = encodeValueRecord(record);
        expect(isValueRecord(bytes)).toBe(true);
        expect(readExpiresAt(bytes)).toBe(record.expiresAt);
        expect(readVersion(bytes)).toEqual({
          modRevision: record.modRevision,
          createRevision: record.createRevision,
          version: record.version,
          createdAt: record.createdAt,
          expiresAt: record.expiresAt,
          valueLength: record.value.length,
        });
      }),
    );
  });

  test('a decoded value is a view into the record', () => {
    const [record] = fc.sample(value, { numRuns: 1, seed: 7 });
    const bytes = encodeValueRecord({ ...(record as ValueRecord), value: Uint8Array.of(1, 2) });
    const decoded = decodeRecord(bytes) as ValueRecord;
    expect(decoded.value.buffer).toBe(bytes.buffer);
  });
});

describe('tombstones', () => {
  test.each(['delete', 'expire'] as const)('remember that it was %s', (cause) => {
    const bytes = encodeTombstone(7 as Revision, cause, 9 as LogTimeMs);
    expect(decodeRecord(bytes)).toEqual({ kind: 'tombstone', modRevision: 7, cause, removedAt: 9 });
    expect(isValueRecord(bytes)).toBe(false);
    expect(readVersion(bytes)).toBeUndefined();
  });
});

describe('damaged records', () => {
  test('throw DecodeError and nothing else', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.nat(255), (record, place, byte) => {
        const bytes = encodeValueRecord(record);
        const cut = bytes.subarray(0, place % bytes.length);
        expect(() => decodeRecord(cut)).toThrow(expect.objectContaining({ code: 'DECODE' }));
        bytes[place % bytes.length] = byte;
        try {
          decodeRecord(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: 'DECODE' });
        }
      }),
    );
  });

  test('trailing bytes and unknown kinds are refused', () => {
    const bytes = encodeTombstone(7 as Revision, 'delete', 9 as LogTimeMs);
    expect(() => decodeRecord(Uint8Array.of(...bytes, 0))).toThrow('trailing');
    bytes[0] = 9;
    expect(() => decodeRecord(bytes)).toThrow('unknown record kind 9');
  });
});
