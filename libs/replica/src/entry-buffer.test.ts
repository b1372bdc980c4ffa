import { chain, logIndex, term } from '@kvstore/std';
import { EntryBuffer } from './entry-buffer.ts';

const live = (index: number, bytes = 10) => ({
  entry: {
    index: logIndex(index),
    term: term(1),
    kind: 1 as const,
    chain: chain(0),
    body: new Uint8Array(bytes),
  },
  routes: [],
});

describe('entries ahead of a gap', () => {
  test('come out in order once the gap is closed; what was applied meanwhile is forgotten', () => {
    const buffer = new EntryBuffer();
    for (const index of [7, 5, 6, 3]) buffer.hold(live(index));
    expect(buffer.takeAfter(logIndex(2))?.entry.index).toBe(3);
    expect(buffer.takeAfter(logIndex(3))).toBeUndefined();
    expect(buffer.takeAfter(logIndex(5))?.entry.index).toBe(6);
    expect(buffer.takeAfter(logIndex(6))?.entry.index).toBe(7);
    expect(buffer.takeAfter(logIndex(7))).toBeUndefined();
  });

  test('are bounded in bytes and number', () => {
    const buffer = new EntryBuffer();
    buffer.hold(live(2, 16 * 1024 * 1024));
    buffer.hold(live(3, 1));
    expect(buffer.takeAfter(logIndex(2))).toBeUndefined();
    const many = new EntryBuffer();
    for (let index = 2; index < 3000; index++) many.hold(live(index, 1));
    expect(many.takeAfter(logIndex(1024))?.entry.index).toBe(1025);
    expect(many.takeAfter(logIndex(1025))).toBeUndefined();
    buffer.clear();
    expect(buffer.takeAfter(logIndex(1))).toBeUndefined();
    buffer.hold(live(2, 16 * 1024 * 1024));
    expect(buffer.takeAfter(logIndex(1))?.entry.index).toBe(2);
  });
});
