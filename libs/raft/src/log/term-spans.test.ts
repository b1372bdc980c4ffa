import * as fc from 'fast-check';
import { InvariantError, LOG_START, logIndex, term } from '@kvstore/std';
import { logOf } from '../../testdata/entries.ts';
import { spansOf } from '../../testdata/replica.ts';
import { TermSpans } from './term-spans.ts';

function spansFor(terms: readonly number[]): TermSpans {
  return new TermSpans(LOG_START, spansOf(logOf(...terms)));
}

const ascendingTerms = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 30 }).map((steps) => {
  let current = 1;
  return steps.map((step) => (current += step));
});

describe('term spans', () => {
  test('answer like the list of all terms', () => {
    fc.assert(
      fc.property(ascendingTerms, fc.nat(30), fc.nat(70), (terms, at, termMax) => {
        const spans = spansFor(terms);
        terms.forEach((of, i) => expect(spans.termAt(logIndex(i + 1))).toBe(of));
        expect(spans.termAt(logIndex(0))).toBe(0);
        const index = Math.min(at, terms.length);
        let expected = index;
        while (expected > 0 && (terms[expected - 1] as number) > termMax) expected--;
        expect(spans.lastAtMost(logIndex(index), term(termMax))).toBe(expected);
      }),
    );
  });

  test('forget exactly what is truncated', () => {
    fc.assert(
      fc.property(ascendingTerms, fc.nat(30), (terms, at) => {
        const last = Math.min(at, terms.length);
        const spans = spansFor(terms);
        spans.truncate(logIndex(last));
        const next = (terms[last - 1] ?? 0) + 5;
        spans.extend(logIndex(last + 1), term(next));
        for (let i = 1; i <= last; i++) expect(spans.termAt(logIndex(i))).toBe(terms[i - 1]);
        expect(spans.termAt(logIndex(last + 1))).toBe(next);
      }),
    );
  });

  test('refuse terms that go down, indexes out of order and a log that begins late', () => {
    const spans = spansFor([2, 2]);
    expect(() => spans.extend(logIndex(3), term(1))).toThrow(InvariantError);
    expect(() => spans.extend(logIndex(1), term(3))).toThrow(InvariantError);
    expect(() => new TermSpans(LOG_START, [{ term: term(1), firstIndex: logIndex(2) }])).toThrow(
      InvariantError,
    );
  });
});
