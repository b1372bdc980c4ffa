import { logIndex } from '@kvstore/std';
import { CommitWatch } from './commit-watch.ts';

const ticks = (watch: CommitWatch, count: number, commit: number, last: number, cutOff = false) =>
  Array.from({ length: count }, () => watch.tick(logIndex(commit), logIndex(last), cutOff));

describe('a commit index that stands still', () => {
  test('with nothing to commit is an idle leader', () => {
    expect(new Set(ticks(new CommitWatch(3), 50, 7, 7))).toEqual(new Set(['wait']));
  });

  test('costs the connection first and the leadership then', () => {
    const watch = new CommitWatch(3);
    ticks(watch, 1, 7, 7);
    expect(ticks(watch, 6, 7, 9)).toEqual(['wait', 'wait', 'reconnect', 'wait', 'wait', 'resign']);
  });

  test('is forgiven with every entry that commits', () => {
    const watch = new CommitWatch(3);
    for (let commit = 1; commit < 20; commit++) {
      expect(ticks(watch, 3, commit, 30)).toEqual(['wait', 'wait', 'wait']);
    }
  });
});

test('a leader without a connection for entries resigns although nothing is to be committed', () => {
  const watch = new CommitWatch(3);
  expect(ticks(watch, 6, 7, 7, true)).toEqual(['wait', 'wait', 'resign', 'wait', 'wait', 'resign']);
  expect(ticks(watch, 2, 7, 7, true)).toEqual(['wait', 'wait']);
  expect(ticks(watch, 9, 7, 7)).not.toContain('resign');
});
