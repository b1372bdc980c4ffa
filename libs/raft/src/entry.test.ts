import { LOG_START } from '@kvstore/std';
import { entryAfter, logOf } from '../testdata/entries.ts';
import { ENTRY_OVERHEAD_BYTES, entryBytes, fitting, positionOf, type Entry } from './entry.ts';

describe('the bytes of an entry', () => {
  test('are its body and a fixed share, so that empty bodies are bounded too', () => {
    expect(entryBytes(entryAfter(LOG_START, 1))).toBe(ENTRY_OVERHEAD_BYTES);
    expect(entryBytes(entryAfter(LOG_START, 1, new Uint8Array(9)))).toBe(ENTRY_OVERHEAD_BYTES + 9);
  });

  test('that fit: at least one entry, then as many as the bound holds', () => {
    const entries = logOf(1, 1, 1);
    expect(fitting(entries, 0)).toEqual(entries.slice(0, 1));
    expect(fitting(entries, 2 * ENTRY_OVERHEAD_BYTES)).toEqual(entries.slice(0, 2));
    expect(fitting(entries, 2 * ENTRY_OVERHEAD_BYTES - 1)).toEqual(entries.slice(0, 1));
    expect(fitting(entries, 1_000)).toEqual(entries);
    expect(fitting([], 1_000)).toEqual([]);
  });
});

test('the position of an entry does not hold on to its body', () => {
  const entry = entryAfter(LOG_START, 3, Uint8Array.of(1)) satisfies Entry;
  expect(positionOf(entry)).toEqual({ index: 1, term: 3, chain: entry.chain });
});
