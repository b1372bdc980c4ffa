import { logIndex } from '@kvstore/std';
import { MarkPace } from './mark-pace.ts';

/** Heartbeats with a mark, out of `count` while the commit index stands at `index`. */
function marked(pace: MarkPace, index: number, count: number): number[] {
  const heartbeats: number[] = [];
  for (let heartbeat = 1; heartbeat <= count; heartbeat++) {
    if (!pace.isDue(logIndex(index))) continue;
    pace.published(logIndex(index));
    heartbeats.push(heartbeat);
  }
  return heartbeats;
}

test('news go out at once and three times more, then with every third heartbeat', () => {
  const pace = new MarkPace();
  expect(marked(pace, 7, 13)).toEqual([1, 2, 3, 4, 7, 10, 13]);
  expect(marked(pace, 8, 5)).toEqual([1, 2, 3, 4]);
});

test('a mark outside of a heartbeat is repeated three times too, however long nothing was new', () => {
  const pace = new MarkPace();
  marked(pace, 7, 20);
  pace.published(logIndex(8));
  expect(marked(pace, 8, 6)).toEqual([1, 2, 3, 6]);
});

test('a leader that leads again marks what it has marked before', () => {
  const pace = new MarkPace();
  marked(pace, 7, 20);
  pace.reset();
  expect(marked(pace, 7, 6)).toEqual([1, 2, 3, 4]);
});
