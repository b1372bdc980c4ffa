import { LOG_START, logIndex } from '@kvstore/std';
import { makeBody, makeEntries } from '@kvstore/testing';
import { EntryIndex } from './entry-index.ts';
import { firstToKeep } from './log-segment.ts';
import type { LogSegment } from './log-segment.ts';

const entries = makeEntries(
  undefined,
  1,
  Array.from({ length: 10 }, (_, i) => makeBody(4, i)),
);
const replacement = makeEntries(entries[3], 2, [makeBody(4, 99), makeBody(4, 98)]);

function segmentAfter(previous: LogSegment['previous']): LogSegment {
  const firstSequence = previous.index + 1;
  const path = `${firstSequence}`;
  return { path, firstSequence, previous, fingerprint: 0, bytes: 1000, lowestIndex: Infinity };
}

let first: LogSegment;
let second: LogSegment;
let index: EntryIndex;

beforeEach(() => {
  first = segmentAfter(LOG_START);
  second = segmentAfter(entries[7] as (typeof entries)[0]);
  index = new EntryIndex(300);
  for (const [i, entry] of entries.entries()) {
    if (i < 8) index.add(entry, first, 4096 + i * 100, 100);
    else index.add(entry, second, 4096 + (i - 8) * 100, 100);
  }
});

test('there is a place at every segment and every so many bytes', () => {
  expect(index.locate(logIndex(1))).toEqual({
    place: { index: 1, segment: first, offset: 4096 },
    until: 4,
  });
  expect(index.locate(logIndex(5)).place).toEqual({ index: 4, segment: first, offset: 4396 });
  expect(index.locate(logIndex(8))).toEqual({
    place: { index: 7, segment: first, offset: 4696 },
    until: 9,
  });
  expect(index.locate(logIndex(10))).toEqual({
    place: { index: 9, segment: second, offset: 4096 },
    until: 11,
  });
});

test('an entry at or below the last index cuts the log off there and starts a new place', () => {
  index.add(replacement[0] as (typeof entries)[0], second, 4296, 100);
  index.add(replacement[1] as (typeof entries)[0], second, 4396, 100);
  expect(index.last.index).toBe(6);
  expect(index.cuts).toBe(1);
  expect(index.spans).toEqual([
    { term: 1, firstIndex: 1 },
    { term: 2, firstIndex: 5 },
  ]);
  expect(index.locate(logIndex(4))).toEqual({
    place: { index: 4, segment: first, offset: 4396 },
    until: 5,
  });
  expect(index.locate(logIndex(6)).place).toEqual({ index: 5, segment: second, offset: 4296 });
  expect(() => index.locate(logIndex(7))).toThrow('no such entry');
});

test('a gap and a term that goes back are bugs', () => {
  const empty = new EntryIndex(300);
  expect(() => empty.add(entries[1] as (typeof entries)[0], first, 4096, 100)).toThrow('gap');
  for (const entry of [...entries.slice(0, 4), ...replacement]) empty.add(entry, first, 4096, 100);
  const older = makeEntries(replacement[1], 1, [makeBody(1, 1)])[0] as (typeof entries)[0];
  expect(() => empty.add(older, first, 4096, 100)).toThrow('term');
});

test('after a cut nothing at or below the base is found, and all above it is', () => {
  const { previous } = second;
  index.cut(previous, second);
  expect(index.cuts).toBe(1);
  expect(index.base).toEqual(previous);
  expect(() => index.locate(logIndex(8))).toThrow('no such entry');
  expect(index.locate(logIndex(10)).place).toEqual({ index: 9, segment: second, offset: 4096 });
  expect(index.spans).toEqual([{ term: 1, firstIndex: 9 }]);
  expect(() => index.cut(previous, second)).toThrow('nothing');
});

test('a log is cut before a segment that leaves what came before it alone, and nowhere else', () => {
  const cut = (limit: number, keptBytes: number) =>
    firstToKeep([first, second], 500, limit, keptBytes);
  expect(cut(8, 0)).toBe(second);
  expect(cut(7, 0)).toBeUndefined();
  expect(cut(10, 500)).toBe(second);
  expect(cut(10, 501)).toBeUndefined();
  // The entries that stay lie before and behind the boundary now.
  index.add(replacement[0] as (typeof entries)[0], second, 4296, 100);
  expect(cut(10, 0)).toBeUndefined();
});
