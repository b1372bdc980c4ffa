import {
  chain,
  InvariantError,
  LOG_START,
  logIndex,
  nodeId,
  term,
  type LogPosition,
} from '@kvstore/std';
import { logOf } from '../../testdata/entries.ts';
import { LOG_OPTIONS, positionAt, restoredFrom } from '../../testdata/replica.ts';
import { appendEntries, type AppendOutcome } from './append-entries.ts';
import type { Entry } from '../entry.ts';
import type { AppendRequest } from '../message.ts';
import { RaftLog } from './raft-log.ts';

function logWith(entries: readonly Entry[], isInMemory = true): RaftLog {
  const old = isInMemory ? [] : entries;
  const log = new RaftLog(restoredFrom(old, 9), LOG_OPTIONS);
  if (isInMemory) for (const entry of entries) log.append(entry);
  return log;
}

function request(previous: LogPosition, entries: readonly Entry[], commitIndex = 0): AppendRequest {
  return {
    kind: 'append-request',
    from: nodeId('leader'),
    to: nodeId('follower'),
    term: term(9),
    previousIndex: previous.index,
    previousTerm: previous.term,
    previousChain: previous.chain,
    entries,
    commitIndex: logIndex(commitIndex),
  };
}

/** Sends the entries of `leader` after `previous`, up to `to`. */
function append(
  log: RaftLog,
  leader: readonly Entry[],
  previous: number,
  to: number,
): AppendOutcome {
  return appendEntries(log, request(positionAt(leader, previous), leader.slice(previous, to)));
}

function terms(log: RaftLog): (number | undefined)[] {
  return Array.from({ length: log.last.index }, (_, i) => log.termAt(logIndex(i + 1)));
}

describe('AppendEntries at a follower', () => {
  test('is refused when the log has no entry at previousIndex with previousTerm (§3.5)', () => {
    const leader = logOf(1, 1, 2, 2);
    expect(append(logWith(logOf(1)), leader, 3, 4).kind).toBe('rejected');
    expect(append(logWith(logOf(1, 1, 1)), leader, 3, 4).kind).toBe('rejected');
    expect(append(logWith(logOf(1, 1, 2)), leader, 3, 4).kind).toBe('matched');
  });

  test('deletes a conflicting entry and all that follow it, and appends the rest (§3.5)', () => {
    const log = logWith(logOf(1, 1, 2, 2, 2));
    expect(append(log, logOf(1, 1, 3, 3), 2, 4)).toEqual({ kind: 'matched', matchIndex: 4 });
    expect(terms(log)).toEqual([1, 1, 3, 3]);
  });

  test('a conflict below what is in memory is truncated too', () => {
    const log = logWith(logOf(1, 1, 2, 2, 2), false);
    expect(append(log, logOf(1, 3), 0, 2)).toEqual({ kind: 'matched', matchIndex: 2 });
    expect(terms(log)).toEqual([1, 3]);
    expect(log.takeAppend().map((entry) => entry.index)).toEqual([2]);
  });

  test('truncates nothing when there is no conflict: a delayed request may end early', () => {
    const leader = logOf(1, 1, 2, 2);
    const log = logWith(leader);
    expect(append(log, leader, 1, 2)).toEqual({ kind: 'matched', matchIndex: 2 });
    expect(append(log, leader, 0, 0)).toEqual({ kind: 'matched', matchIndex: 0 });
    expect(terms(log)).toEqual([1, 1, 2, 2]);
    expect(log.takeAppend()).toEqual(leader);
  });

  test('matches exactly the last entry that the request covered, not the end of the log', () => {
    const log = logWith(logOf(1, 1, 1, 1));
    expect(append(log, logOf(1, 1), 0, 2)).toEqual({ kind: 'matched', matchIndex: 2 });
  });

  test('commitIndex becomes min(leaderCommit, last new entry) (§3.5)', () => {
    const leader = logOf(1, 1, 1, 1);
    const log = logWith(logOf(1, 1, 1, 1));
    appendEntries(log, request(positionAt(leader, 1), leader.slice(1, 2), 4));
    expect(log.commitIndex).toBe(2);
    appendEntries(log, request(positionAt(leader, 1), leader.slice(1, 4), 3));
    expect(log.commitIndex).toBe(3);
  });

  test('the hint skips every term above the leader’s at the refused place', () => {
    const log = logWith(logOf(1, 1, 2, 2, 4, 4, 4));
    const refused = append(log, logOf(1, 1, 3, 3, 3, 3, 3), 6, 7);
    expect(refused).toEqual({ kind: 'rejected', rejectedIndex: 6, hintIndex: 4, hintTerm: 2 });
    const short = append(logWith(logOf(1, 1)), logOf(1, 1, 3, 3), 3, 4);
    expect(short).toEqual({ kind: 'rejected', rejectedIndex: 3, hintIndex: 2, hintTerm: 1 });
    const nothing = append(logWith(logOf(5)), logOf(1, 2), 1, 2);
    expect(nothing).toEqual({ kind: 'rejected', rejectedIndex: 1, hintIndex: 0, hintTerm: 0 });
  });

  test('entries whose chains do not continue each other are corrupt and change nothing', () => {
    const leader = logOf(1, 1, 1);
    const damaged = leader.map((entry) =>
      entry.index === 2 ? { ...entry, body: Uint8Array.of(1) } : entry,
    );
    const log = logWith([]);
    expect(appendEntries(log, request(LOG_START, damaged)).kind).toBe('corrupt');
    expect(log.last).toEqual(LOG_START);
  });

  test('equal index and term with another chain is divergence: an assertion', () => {
    const log = logWith(logOf(1, 1));
    const other = { ...positionAt(logOf(1, 1), 2), chain: chain(1) };
    expect(() => appendEntries(log, request(other, []))).toThrow(InvariantError);
    const forked = logOf(1, 1).map((entry, i) => (i === 0 ? entry : { ...entry, chain: chain(1) }));
    expect(appendEntries(log, request(LOG_START, forked)).kind).toBe('corrupt');
  });

  test('a conflict at a committed entry is divergence: an assertion', () => {
    const log = logWith(logOf(1, 1, 1));
    log.commitTo(logIndex(2));
    expect(() => append(log, logOf(1, 2), 1, 2)).toThrow(InvariantError);
    expect(() => append(log, logOf(1, 2, 2), 2, 3)).toThrow(InvariantError);
    expect(append(log, logOf(1, 1, 2), 2, 3).kind).toBe('matched');
  });
});
