import { Backoff } from './backoff.ts';

test('the pause doubles from 100 ms to 5 s', () => {
  const backoff = new Backoff();
  const pauses = Array.from({ length: 8 }, () => backoff.after(0));
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
});

test('a process that was up for 10 s, and one that a person starts, begin at 100 ms again', () => {
  const backoff = new Backoff();
  backoff.after(0);
  expect(backoff.after(9_999)).toBe(200);
  expect(backoff.after(10_000)).toBe(100);
  expect(backoff.after(0)).toBe(200);
  backoff.reset();
  expect(backoff.after(0)).toBe(100);
});
