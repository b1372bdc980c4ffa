import { logIndex, term } from '@kvstore/std';
import { PendingWrites } from './pending-writes.ts';

function writes(...positions: readonly (readonly [index: number, term: number])[]): PendingWrites {
  const pending = new PendingWrites();
  for (const [index, of] of positions) pending.add(logIndex(index), term(of));
  return pending;
}

function complete(pending: PendingWrites, index: number, of: number): number | undefined {
  return pending.complete(logIndex(index), term(of));
}

describe('writes under way', () => {
  test('prove the log durable up to their end', () => {
    const pending = writes([3, 1], [5, 1]);
    expect(complete(pending, 3, 1)).toBe(3);
    expect(complete(pending, 5, 1)).toBe(5);
  });

  test('a report covers every older write', () => {
    const pending = writes([3, 1], [5, 1], [6, 1]);
    expect(complete(pending, 5, 1)).toBe(5);
    expect(complete(pending, 3, 1)).toBeUndefined();
    expect(complete(pending, 6, 1)).toBe(6);
  });

  test('a report of a position that was never handed out, or of another term, proves nothing', () => {
    const pending = writes([3, 1]);
    expect(complete(pending, 2, 1)).toBeUndefined();
    expect(complete(pending, 3, 2)).toBeUndefined();
    expect(complete(pending, 3, 1)).toBe(3);
  });

  test('a write whose end was truncated proves only what is left of it', () => {
    const pending = writes([7, 1]);
    pending.truncate(logIndex(4));
    pending.add(logIndex(6), term(2));
    expect(complete(pending, 7, 1)).toBe(4);
    expect(complete(pending, 6, 2)).toBe(6);
  });

  test('an entry that is overwritten and comes back is proven by its second write only', () => {
    const pending = writes([5, 2]);
    pending.truncate(logIndex(4));
    pending.add(logIndex(5), term(3));
    pending.truncate(logIndex(4));
    pending.add(logIndex(5), term(2));
    // The disk holds 5/2 now, but the write of 5/3 behind it will cut it off.
    expect(complete(pending, 5, 2)).toBe(4);
    expect(complete(pending, 5, 3)).toBe(4);
    expect(complete(pending, 5, 2)).toBe(5);
  });
});
