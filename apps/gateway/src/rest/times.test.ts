import { logTimeMs } from '@kvstore/std';
import { httpDate, isoTime } from './times.ts';

test('times are written as Date writes them, whatever was written before', () => {
  let state = 12_345;
  for (let i = 0; i < 20_000; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const near = 1_767_323_045_678 + (i % 3) * 31 + (state % 200_000);
    const far = (state * 3_000) % 4_102_444_800_000;
    for (const ms of [near, far]) {
      const date = new Date(ms);
      expect(isoTime(logTimeMs(ms))).toBe(date.toISOString());
      expect(httpDate(logTimeMs(ms))).toBe(date.toUTCString());
    }
  }
});

test.each([0, 1, 59_999, 60_000, 999, 1_000])('%d ms after the epoch', (ms) => {
  expect(isoTime(logTimeMs(ms))).toBe(new Date(ms).toISOString());
});
