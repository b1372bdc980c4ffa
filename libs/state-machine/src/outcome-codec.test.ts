import { ByteWriter, type LogTimeMs, type Revision } from '@kvstore/std';
import * as fc from 'fast-check';
import { beginApplied, decodeOutcomes, encodeOutcome, encodeOutcomes } from './outcome-codec.ts';
import type { BatchOutcome, Outcome } from './outcome.ts';

const revision = fc.maxSafeNat() as unknown as fc.Arbitrary<Revision>;
const time = fc.maxSafeNat() as unknown as fc.Arbitrary<LogTimeMs>;
const end = fc.integer({ min: 1, max: 2 ** 50 }) as unknown as fc.Arbitrary<LogTimeMs>;
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({
    kind: fc.constant('put' as const),
    revision,
    version: fc.maxSafeNat(),
    createRevision: revision,
    createdAt: time,
    updatedAt: time,
    expiresAt: fc.option(end, { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('deleted' as const), revision, existed: fc.boolean() }),
  fc.record({ kind: fc.constant('session-registered' as const), session: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('kept-alive' as const) }),
  fc.record({
    kind: fc.constant('rejected' as const),
    code: fc.constantFrom(1 as const, 2 as const, 3 as const),
    revision,
    actualModRevision: revision,
    actualVersion: fc.maxSafeNat(),
    detail: fc.string({ unit: 'binary' }),
  }),
);
const batch: fc.Arbitrary<BatchOutcome> = fc.oneof(
  fc.record({ kind: fc.constant('applied' as const), outcomes: fc.array(outcome) }),
  fc.record({
    kind: fc.constantFrom('session-expired' as const, 'stale' as const, 'window-exceeded' as const),
  }),
);

test('batch outcomes come back as they were', () => {
  fc.assert(
    fc.property(batch, (each) => {
      expect(decodeOutcomes(encodeOutcomes(each))).toEqual(each);
    }),
  );
});

test('outcomes written one by one are the bytes of the whole', () => {
  fc.assert(
    fc.property(fc.array(outcome), (outcomes) => {
      const writer = new ByteWriter();
      beginApplied(writer, outcomes.length);
      for (const each of outcomes) encodeOutcome(writer, each);
      expect(writer.finish()).toEqual(encodeOutcomes({ kind: 'applied', outcomes }));
    }),
  );
});

test('damaged bytes throw DecodeError and nothing else', () => {
  fc.assert(
    fc.property(batch, fc.nat(), fc.nat(255), (each, place, byte) => {
      const bytes = encodeOutcomes(each).slice();
      const cut = bytes.subarray(0, place % bytes.length);
      expect(() => decodeOutcomes(cut)).toThrow(expect.objectContaining({ code: 'DECODE' }));
      bytes[place % bytes.length] = byte;
      try {
        decodeOutcomes(bytes);
      } catch (error) {
        expect(error).toMatchObject({ code: 'DECODE' });
      }
    }),
  );
});

test.each([
  ['a count beyond the bytes', Uint8Array.of(1, 0xff, 0xff, 0xff, 0xff), 'truncated'],
  ['an unknown outcome', Uint8Array.of(1, 0, 0, 0, 1, 9), 'unknown outcome 9'],
  ['an unknown batch outcome', Uint8Array.of(9), 'unknown batch outcome 9'],
  ['a flag that is none', Uint8Array.of(1, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 2), 'not a flag'],
  ['trailing bytes', Uint8Array.of(2, 0), 'trailing'],
])('%s is refused', (_, bytes, message) => {
  expect(() => decodeOutcomes(bytes)).toThrow(message);
});
