import { logIndex } from '@kvstore/std';
import { makeBody, makeEntries } from '@kvstore/testing';
import { EntryIndex } from './entry-index.ts';

const entries = makeEntries(
  undefined,
  1,
  Array.from({ length: 10 }, (_, i) => makeBody(4, i)),
);
const replacement = makeEntries(entries[3], 2, [makeBody(4, 99), makeBody(4, 98)]);

function filled(): EntryIndex {
  const index = new EntryIndex(300);
  for (const [i, entry] of entries.entries()) {
    const segment = i < 8 ? 0 : 1;
    index.add(entry, segment, segment === 0 ? 4096 + i * 100 : 4096 + (i - 8) * 100, 100);
  }
  return index;
}

test('there is a place at every segment and every so many bytes', () => {
  const index = filled();
  expect(index.locate(logIndex(1))).toEqual({
    place: { index: 1, segment: 0, offset: 4096 },
    until: 4,
  });
  expect(index.locate(logIndex(5)).place).toEqual({ index: 4, segment: 0, offset: 4396 });
  expect(index.locate(logIndex(8))).toEqual({
    place: { index: 7, segment: 0, offset: 4696 },
    until: 9,
  });
  expect(index.locate(logIndex(10))).toEqual({
    place: { index: 9, segment: 1, offset: 4096 },
    until: 11,
  });
});

test('an entry at or below the last index cuts the log off there and starts a new place', () => {
  const index = filled();
  index.add(replacement[0] as (typeof entries)[0], 1, 4296, 100);
  index.add(replacement[1] as (typeof entries)[0], 1, 4396, 100);
  expect(index.last.index).toBe(6);
  expect(index.cuts).toBe(1);
  expect(index.spans).toEqual([
    { term: 1, firstIndex: 1 },
    { term: 2, firstIndex: 5 },
  ]);
  expect(index.locate(logIndex(4))).toEqual({
    place: { index: 4, segment: 0, offset: 4396 },
    until: 5,
  });
  expect(index.locate(logIndex(6)).place).toEqual({ index: 5, segment: 1, offset: 4296 });
  expect(() => index.locate(logIndex(7))).toThrow('no such entry');
});

test('a gap and a term that goes back are bugs', () => {
  const index = new EntryIndex(300);
  expect(() => index.add(entries[1] as (typeof entries)[0], 0, 4096, 100)).toThrow('gap');
  for (const entry of [...entries.slice(0, 4), ...replacement]) index.add(entry, 0, 4096, 100);
  const older = makeEntries(replacement[1], 1, [makeBody(1, 1)])[0] as (typeof entries)[0];
  expect(() => index.add(older, 0, 4096, 100)).toThrow('term');
});
