import { LOG_START, logIndex, nodeId } from '@kvstore/std';
import { logOf } from '../../testdata/entries.ts';
import { positionAt } from '../../testdata/replica.ts';
import { ENTRY_OVERHEAD_BYTES } from '../entry.ts';
import { Progress } from './progress.ts';

const LOG = logOf(1, 1, 1, 1, 1, 1, 1, 1);
const LAST = logIndex(LOG.length);
const NONE = logIndex(0);
const limits = {
  appendBytesMax: ENTRY_OVERHEAD_BYTES,
  inflightBytesMax: 2 * ENTRY_OVERHEAD_BYTES,
  inflightAppendsMax: 1_000,
};

function probing(next: number): Progress {
  return new Progress(nodeId('f'), logIndex(next), 0, limits);
}

/** Sends the entries `from`..`to`. */
function send(progress: Progress, from: number, to: number): void {
  progress.sent(positionAt(LOG, from - 1), LOG.slice(from - 1, to));
}

function stateOf(progress: Progress): unknown {
  const [mode, , , , , loadingFrom] = progress.inspect();
  return loadingFrom === undefined ? mode : 'loading';
}

function inflightBytesOf(progress: Progress): unknown {
  return progress.inspect().at(-1);
}

function replicating(match: number): Progress {
  const progress = probing(match + 1);
  send(progress, match + 1, match);
  progress.acknowledged(logIndex(match));
  return progress;
}

describe('a follower that is probed', () => {
  test('is sent one append, and another one only after an answer or a heartbeat response', () => {
    const progress = probing(5);
    expect(progress.wantsAppend(LAST)).toBe(true);
    send(progress, 5, 6);
    expect(progress.wantsAppend(LAST)).toBe(false);
    expect(progress.nextIndex).toBe(5);
    progress.answeredHeartbeat(0, LAST, 1);
    expect(progress.wantsAppend(LAST)).toBe(true);
  });

  test('is asked again at most once per tick', () => {
    const progress = probing(5);
    progress.answeredHeartbeat(0, LAST, 1);
    send(progress, 5, 6);
    progress.answeredHeartbeat(0, LAST, 1);
    expect(progress.wantsAppend(LAST)).toBe(false);
    progress.answeredHeartbeat(0, LAST, 2);
    expect(progress.wantsAppend(LAST)).toBe(true);
  });

  test('replicates from what it acknowledged', () => {
    const progress = probing(5);
    send(progress, 5, 6);
    expect(progress.acknowledged(logIndex(6))).toBe(true);
    expect([stateOf(progress), progress.matchIndex, progress.nextIndex]).toEqual([
      'replicate',
      6,
      7,
    ]);
  });

  test('stays probed when it acknowledges less than the place that is probed', () => {
    const progress = probing(5);
    send(progress, 5, 6);
    expect(progress.acknowledged(logIndex(2))).toBe(true);
    expect([stateOf(progress), progress.matchIndex, progress.nextIndex]).toEqual(['probe', 2, 5]);
  });

  test('is probed below the refused place, at the highest place that may agree', () => {
    const progress = probing(7);
    send(progress, 7, 8);
    progress.rejected(logIndex(6), logIndex(3));
    expect([stateOf(progress), progress.nextIndex]).toEqual(['probe', 4]);
    expect(progress.wantsAppend(LAST)).toBe(true);
  });

  test('a rejection always makes progress, whatever it says', () => {
    const progress = probing(7);
    progress.rejected(logIndex(6), logIndex(6));
    expect(progress.nextIndex).toBe(6);
  });

  test('rejections of another place than the one that is probed are stale', () => {
    const progress = probing(5);
    progress.rejected(logIndex(6), logIndex(1));
    progress.rejected(logIndex(3), logIndex(1));
    expect(progress.nextIndex).toBe(5);
  });
});

describe('a follower that replicates', () => {
  test('is sent appends one behind the other, up to the bytes in flight', () => {
    const progress = replicating(2);
    send(progress, 3, 3);
    expect(progress.wantsAppend(LAST)).toBe(true);
    send(progress, 4, 4);
    expect([progress.nextIndex, inflightBytesOf(progress)]).toEqual([5, 2 * ENTRY_OVERHEAD_BYTES]);
    expect(progress.wantsAppend(LAST)).toBe(false);
    progress.acknowledged(logIndex(3));
    expect(inflightBytesOf(progress)).toBe(ENTRY_OVERHEAD_BYTES);
    expect(progress.wantsAppend(LAST)).toBe(true);
  });

  test('one entry above the bound goes when nothing else is in flight', () => {
    const progress = new Progress(nodeId('f'), logIndex(1), 0, {
      appendBytesMax: 1,
      inflightBytesMax: 1,
      inflightAppendsMax: 9,
    });
    progress.sent(LOG_START, []);
    progress.acknowledged(NONE);
    expect(progress.hasRoom).toBe(true);
    progress.sent(LOG_START, LOG.slice(0, 1));
    expect(progress.hasRoom).toBe(false);
  });

  test('match never goes down, and an older acknowledgement is no news', () => {
    const progress = replicating(4);
    expect(progress.acknowledged(logIndex(3))).toBe(false);
    expect(progress.acknowledged(logIndex(4))).toBe(false);
    expect(progress.matchIndex).toBe(4);
  });

  test('an acknowledgement beyond next moves next', () => {
    const progress = replicating(2);
    progress.acknowledged(logIndex(6));
    expect([progress.matchIndex, progress.nextIndex]).toEqual([6, 7]);
    progress.check(LAST);
  });

  test('a heartbeat response makes it owe an append only while something is missing', () => {
    const progress = replicating(6);
    send(progress, 7, 7);
    send(progress, 8, 8);
    progress.answeredHeartbeat(0, LAST, 1);
    expect(progress.wantsAppend(LAST)).toBe(true);
    send(progress, 9, 8);
    progress.acknowledged(LAST);
    progress.answeredHeartbeat(0, LAST, 2);
    expect(progress.wantsAppend(LAST)).toBe(false);
  });

  test('a rejection returns it to probe, with nothing in flight and next above match', () => {
    const progress = replicating(2);
    send(progress, 3, 3);
    send(progress, 4, 4);
    progress.rejected(logIndex(4), logIndex(1));
    expect([stateOf(progress), progress.nextIndex]).toEqual(['probe', 3]);
    expect(inflightBytesOf(progress)).toBe(0);
    progress.check(LAST);
  });

  test('a stale rejection at or below match moves nothing', () => {
    const progress = replicating(5);
    progress.rejected(logIndex(5), logIndex(1));
    progress.rejected(logIndex(2), logIndex(1));
    expect([stateOf(progress), progress.matchIndex, progress.nextIndex]).toEqual([
      'replicate',
      5,
      6,
    ]);
  });
});

describe('a follower whose entries are loaded', () => {
  test('is sent nothing until they are there', () => {
    const progress = replicating(2);
    expect(progress.startLoading()).toBe(3);
    expect(stateOf(progress)).toBe('loading');
    expect(progress.wantsAppend(LAST)).toBe(false);
    expect(progress.finishLoading(logIndex(3))).toBe(true);
    expect(stateOf(progress)).toBe('replicate');
  });

  test('ignores entries that it does not wait for, or no longer', () => {
    const progress = probing(5);
    progress.startLoading();
    expect(progress.finishLoading(logIndex(4))).toBe(false);
    progress.rejected(logIndex(4), logIndex(1));
    expect(stateOf(progress)).toBe('probe');
    expect(progress.finishLoading(logIndex(5))).toBe(false);
  });
});
