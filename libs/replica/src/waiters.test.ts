import { type Clock, logIndex, revision, type Timers } from '@kvstore/std';
import { Waiters } from './waiters.ts';

class HandTime implements Clock, Timers {
  now = 0;
  readonly #periodic = new Set<() => void>();

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.now;
  }

  after(): never {
    throw new Error('unused');
  }

  every(_periodMs: number, callback: () => void) {
    this.#periodic.add(callback);
    return { cancel: () => void this.#periodic.delete(callback) };
  }

  endOfTurn(): never {
    throw new Error('unused');
  }

  get timers(): number {
    return this.#periodic.size;
  }

  pass(ms: number): void {
    this.now += ms;
    for (const callback of [...this.#periodic]) callback();
  }
}

const at = (index: number, rev: number) => ({ index: logIndex(index), revision: revision(rev) });

describe('waiters', () => {
  test('are called once both index and revision are reached', () => {
    const time = new HandTime();
    const waiters = new Waiters(time, time);
    const called: string[] = [];
    waiters.add(at(5, 0), 100, (reached) => called.push(`index ${reached}`));
    waiters.add(at(5, 9), 100, (reached) => called.push(`both ${reached}`));
    waiters.reached(at(4, 9));
    expect(called).toEqual([]);
    waiters.reached(at(5, 3));
    expect(called).toEqual(['index true']);
    waiters.reached(at(6, 9));
    expect(called).toEqual(['index true', 'both true']);
    expect(time.timers).toBe(0);
  });

  test('for a revision leave places for those that wait for an index', () => {
    const time = new HandTime();
    const waiters = new Waiters(time, time);
    let taken = 0;
    while (taken < 10_000 && waiters.add(at(0, 9), 100, () => undefined)) taken += 1;
    expect(taken).toBe(2048);
    expect(waiters.add(at(5, 0), 100, () => undefined)).toBe(true);
    waiters.close();
  });

  test('give up at their deadline and when the replica stops, and are bounded', () => {
    const time = new HandTime();
    const waiters = new Waiters(time, time);
    const called: boolean[] = [];
    waiters.add(at(5, 0), 100, (reached) => called.push(reached));
    time.pass(99);
    expect(called).toEqual([]);
    time.pass(1);
    expect(called).toEqual([false]);
    let taken = 0;
    while (taken < 10_000 && waiters.add(at(5, 0), 100, (reached) => called.push(reached)))
      taken += 1;
    expect(taken).toBe(4096);
    waiters.close();
    expect(called).toHaveLength(4097);
    expect(time.timers).toBe(0);
  });
});
