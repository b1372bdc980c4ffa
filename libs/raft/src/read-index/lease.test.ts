import { Lease } from './lease.ts';

/** Election timeout of 100 ms in ticks of 10: the lease lasts 0.9 × 90 ms. */
const lease = (): Lease => new Lease(10, 10);

describe('a lease', () => {
  test('runs from the time at which the heartbeats left that were answered, not from the answers', () => {
    const held = lease();
    held.sent(1, 1_000);
    expect(held.isValidAt(1_000)).toBe(false);
    held.confirm(1);
    expect([1_000, 1_080, 1_081, 5_000].map((now) => held.isValidAt(now))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('an answer to older heartbeats does not count for newer ones', () => {
    const held = lease();
    held.sent(1, 1_000);
    held.sent(2, 1_050);
    held.confirm(1);
    expect(held.isValidAt(1_090)).toBe(false);
    held.confirm(2);
    expect(held.isValidAt(1_090)).toBe(true);
    held.confirm(1);
    expect(held.isValidAt(1_090)).toBe(true);
  });

  test('that was given up never comes back', () => {
    const held = lease();
    held.sent(1, 1_000);
    held.confirm(1);
    held.giveUp();
    held.sent(2, 1_010);
    held.confirm(2);
    expect(held.isValidAt(1_020)).toBe(false);
  });

  test('remembers a bounded number of rounds, the newest', () => {
    const held = lease();
    for (let round = 1; round <= 1_000; round++) held.sent(round, round);
    held.confirm(10);
    expect(held.isValidAt(11)).toBe(false);
    held.confirm(1_000);
    expect(held.isValidAt(1_080)).toBe(true);
  });
});
