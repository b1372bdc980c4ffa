import { median, percentiles } from './statistics.ts';

test('the median of an even number of values is the mean of the two in the middle', () => {
  expect(median([9, 1, 4])).toBe(4);
  expect(median([9, 1, 4, 5])).toBe(4.5);
  expect(median([])).toBeNaN();
});

test('percentiles are values that were measured, by nearest rank', () => {
  const values = Array.from({ length: 200 }, (_, at) => 200 - at);
  expect(percentiles(values)).toEqual({ p50: 100, p95: 190, p99: 198 });
  expect(percentiles([7])).toEqual({ p50: 7, p95: 7, p99: 7 });
});
