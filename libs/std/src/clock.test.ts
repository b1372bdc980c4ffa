import { untilNextBeat } from './clock.ts';

test.each([
  [1_000, 500],
  [1_100, 400],
  [1_249, 251],
  // A timer that fires a little early does not fire again at once.
  [1_499.5, 500.5],
  [1_400, 600],
])('at %d ms the next beat of 500 ms is %d ms away', (nowMs, expected) => {
  expect(untilNextBeat(nowMs, 500)).toBe(expected);
});
