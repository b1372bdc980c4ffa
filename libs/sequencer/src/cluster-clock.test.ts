import fc from 'fast-check';
import { type Clock, logTimeMs } from '@kvstore/std';
import { ClusterClock } from './cluster-clock.ts';

class HandClock implements Clock {
  monotonic = 0;
  wall = 1_000_000;

  monotonicMs(): number {
    return this.monotonic;
  }

  wallMs(): number {
    return this.wall;
  }

  pass(ms: number, wallMs = ms): void {
    this.monotonic += ms;
    this.wall += wallMs;
  }
}

describe('log time', () => {
  test('follows the wall clock while both run alike', () => {
    const hand = new HandClock();
    const clock = new ClusterClock(hand, () => hand.wallMs());
    clock.lead();
    expect(clock.stamp()).toBe(1_000_000);
    hand.pass(1234);
    expect(clock.stamp()).toBe(1_001_234);
  });

  test('never goes below the last stamp of the log, also when a new leader is behind', () => {
    const hand = new HandClock();
    const clock = new ClusterClock(hand, () => hand.wallMs());
    clock.observe(logTimeMs(2_000_000));
    clock.lead();
    expect(clock.stamp()).toBe(2_000_000);
    hand.pass(100);
    expect(clock.stamp()).toBeGreaterThanOrEqual(2_000_000 + 90);
    expect(clock.stamp()).toBeLessThanOrEqual(2_000_000 + 100);
  });

  test('a wall clock that jumps bends it by at most a tenth, either way', () => {
    const hand = new HandClock();
    const clock = new ClusterClock(hand, () => hand.wallMs());
    clock.lead();
    hand.pass(1000, 1000 + 3_600_000);
    expect(clock.stamp()).toBe(1_000_000 + 1100);
    hand.pass(1000, 1000 - 2 * 3_600_000);
    expect(clock.stamp()).toBe(1_000_000 + 1100 + 900);
  });

  test('steps forward, never back, when leadership begins', () => {
    const hand = new HandClock();
    const clock = new ClusterClock(hand, () => hand.wallMs());
    clock.lead();
    hand.pass(1000, 3_600_000);
    clock.lead();
    expect(clock.stamp()).toBe(1_000_000 + 3_600_000);
    hand.pass(1000, -3_600_000);
    clock.lead();
    expect(clock.stamp()).toBe(1_000_000 + 3_600_000);
  });

  test('stands on the log alone while too few clocks are known, and steps once when they are', () => {
    const hand = new HandClock();
    let reference: number | undefined;
    const clock = new ClusterClock(hand, () => reference);
    clock.observe(logTimeMs(5_000));
    clock.lead();
    hand.pass(100);
    expect(clock.stamp()).toBe(5_100);
    reference = 900_000;
    expect(clock.stamp()).toBe(900_000);
    reference = 2_000_000;
    hand.pass(100);
    expect(clock.stamp()).toBe(900_110);
  });

  test('stamps never decrease, whatever the clocks do', () => {
    const step = fc.record({
      ms: fc.nat(1000),
      wall: fc.integer({ min: -100_000, max: 100_000 }),
      lead: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const hand = new HandClock();
        const clock = new ClusterClock(hand, () => hand.wallMs());
        clock.lead();
        let last = clock.stamp();
        for (const { ms, wall, lead } of steps) {
          hand.pass(ms, wall);
          hand.wall = Math.max(0, hand.wall);
          if (lead) clock.lead();
          const stamp = clock.stamp();
          expect(stamp).toBeGreaterThanOrEqual(last);
          last = stamp;
        }
      }),
    );
  });
});
