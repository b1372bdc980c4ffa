import { logIndex } from '@kvstore/std';
import { DiskWatch } from './disk-watch.ts';

const ticks = (watch: DiskWatch, count: number, durable: number, last: number) =>
  Array.from({ length: count }, () => watch.tick(logIndex(durable), logIndex(last)));

describe('the disk of a leader that stands still', () => {
  test('with nothing to write is idle', () => {
    expect(new Set(ticks(new DiskWatch(3), 50, 7, 7))).toEqual(new Set(['wait']));
  });

  test('costs the leadership after its patience, and again after as long', () => {
    const watch = new DiskWatch(3);
    ticks(watch, 1, 7, 7);
    expect(ticks(watch, 6, 7, 9)).toEqual(['wait', 'wait', 'resign', 'wait', 'wait', 'resign']);
  });

  test('is forgiven with every entry that becomes durable, and by a new leadership', () => {
    const watch = new DiskWatch(3);
    for (let durable = 1; durable < 20; durable++) {
      expect(ticks(watch, 3, durable, 30)).toEqual(['wait', 'wait', 'wait']);
    }
    watch.reset();
    expect(ticks(watch, 2, 19, 30)).toEqual(['wait', 'wait']);
  });
});
