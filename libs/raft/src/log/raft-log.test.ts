import * as fc from 'fast-check';
import { InvariantError, LOG_START, logIndex, term } from '@kvstore/std';
import { entryAfter, logOf } from '../../testdata/entries.ts';
import { LOG_OPTIONS, positionAt, restoredFrom } from '../../testdata/replica.ts';
import { ENTRY_OVERHEAD_BYTES, EntryKind, positionOf, type Entry } from '../entry.ts';
import { RaftLog } from './raft-log.ts';

function restored(entries: readonly Entry[], tailBytesMax = 1_000): RaftLog {
  return new RaftLog(restoredFrom(entries), { ...LOG_OPTIONS, tailBytesMax });
}

function filled(entries: readonly Entry[], tailBytesMax = 1_000): RaftLog {
  const log = restored([], tailBytesMax);
  for (const entry of entries) log.append(entry);
  return log;
}

/** Makes everything durable and committed, and takes both. */
function settle(log: RaftLog): void {
  log.takeAppend();
  log.persisted(log.last.index, log.last.term);
  log.commitTo(log.last.index);
  log.takeCommitted();
}

describe('the log', () => {
  test('knows after a restart the terms of all entries, and the chain of the last only', () => {
    const entries = logOf(1, 1, 4);
    const log = restored(entries);
    expect([0, 1, 2, 3, 4].map((i) => log.termAt(logIndex(i)))).toEqual([0, 1, 1, 4, undefined]);
    expect(log.chainAt(logIndex(3))).toBe(entries[2]?.chain);
    expect(log.chainAt(logIndex(2))).toBeUndefined();
    expect(log.durableIndex).toBe(3);
    expect(log.commitIndex).toBe(0);
    expect(log.hasAppend).toBe(false);
  });

  test('after a restart lists only committed entries that are in memory', () => {
    const log = restored(logOf(1, 1));
    log.commitTo(logIndex(1));
    expect(log.takeCommitted()).toEqual([]);
    const entry = log.appendNew(term(2), EntryKind.data, Uint8Array.of(1));
    log.commitTo(logIndex(3));
    expect(log.takeCommitted()).toEqual([entry]);
  });

  test('a new entry continues the chain', () => {
    const log = restored(logOf(1, 1));
    const entry = log.appendNew(term(2), EntryKind.data, Uint8Array.of(7));
    expect(entry).toEqual(entryAfter(positionAt(logOf(1, 1), 2), 2, Uint8Array.of(7)));
    expect(log.last).toEqual(positionOf(entry));
  });

  test('a log is more up to date by its last term, then by its length (§3.6.1)', () => {
    const log = filled(logOf(1, 2, 2));
    const isUpToDate = (index: number, of: number): boolean =>
      log.isUpToDate(logIndex(index), term(of));
    expect(isUpToDate(3, 2)).toBe(true);
    expect(isUpToDate(4, 2)).toBe(true);
    expect(isUpToDate(2, 2)).toBe(false);
    expect(isUpToDate(1, 3)).toBe(true);
    expect(isUpToDate(9, 1)).toBe(false);
  });

  test('hands entries out once, and again from where they were cut', () => {
    const entries = logOf(1, 1, 1);
    const log = filled(entries);
    expect(log.takeAppend()).toEqual(entries);
    expect(log.takeAppend()).toEqual([]);
    log.truncate(positionAt(entries, 1));
    const entry = log.appendNew(term(2), EntryKind.data, new Uint8Array(0));
    expect(log.takeAppend()).toEqual([entry]);
  });

  test('a report of an entry that was overwritten meanwhile is ignored', () => {
    const entries = logOf(1, 1, 1);
    const log = filled(entries);
    log.takeAppend();
    log.truncate(positionAt(entries, 1));
    log.appendNew(term(2), EntryKind.data, new Uint8Array(0));
    log.takeAppend();
    expect(log.persisted(logIndex(3), term(1))).toBe(true);
    expect(log.durableIndex).toBe(1);
    expect(log.persisted(logIndex(3), term(1))).toBe(false);
    expect(log.persisted(logIndex(2), term(2))).toBe(true);
    expect(log.durableIndex).toBe(2);
  });

  test('truncation takes durability back', () => {
    const entries = logOf(1, 1, 1);
    const log = filled(entries);
    log.takeAppend();
    log.persisted(logIndex(3), term(1));
    log.truncate(positionAt(entries, 2));
    expect(log.durableIndex).toBe(2);
  });

  test('truncation below what is in memory leaves an empty tail that can be continued', () => {
    const entries = logOf(1, 1, 1, 1);
    const log = restored(entries);
    log.truncate(positionAt(entries, 2));
    expect(log.last).toEqual(positionOf(entries[1] as Entry));
    const entry = log.appendNew(term(3), EntryKind.data, new Uint8Array(0));
    expect(log.entriesFrom(logIndex(3), 1_000)).toEqual([entry]);
    expect(log.termAt(logIndex(3))).toBe(3);
    log.check();
  });

  test('truncation to before the first entry', () => {
    const log = restored(logOf(1, 1));
    log.truncate(LOG_START);
    expect(log.last).toEqual(LOG_START);
    log.appendNew(term(2), EntryKind.data, new Uint8Array(0));
    expect(log.termAt(logIndex(1))).toBe(2);
  });

  test('a committed entry is never truncated', () => {
    const entries = logOf(1, 1, 1);
    const log = filled(entries);
    log.commitTo(logIndex(2));
    expect(() => log.truncate(positionAt(entries, 1))).toThrow(InvariantError);
    log.truncate(positionAt(entries, 2));
  });

  test('the commit index does not go down, and not beyond the last entry', () => {
    const log = filled(logOf(1, 1));
    log.commitTo(logIndex(2));
    log.commitTo(logIndex(1));
    expect(log.commitIndex).toBe(2);
    expect(() => log.commitTo(logIndex(3))).toThrow(InvariantError);
  });

  test('an append that leaves a gap or goes back in terms is a bug', () => {
    const log = filled(logOf(1, 2));
    expect(() => log.append(logOf(1, 2, 2, 2)[3] as Entry)).toThrow(InvariantError);
    expect(() => log.append(entryAfter(log.last, 1))).toThrow(InvariantError);
  });

  test('drops the oldest settled entries above the byte bound, and keeps the chain before the tail', () => {
    const entries = logOf(1, 1, 1, 1);
    const log = filled(entries, 2 * ENTRY_OVERHEAD_BYTES);
    settle(log);
    log.trim();
    expect(log.entryAt(logIndex(2))).toBeUndefined();
    expect(log.entryAt(logIndex(3))).toBe(entries[2]);
    expect(log.chainAt(logIndex(2))).toBe(entries[1]?.chain);
    expect(log.chainAt(logIndex(1))).toBeUndefined();
    log.check();
  });

  test('drops nothing that is not durable, not committed or not handed out', () => {
    const undurable = filled(logOf(1, 1), 0);
    undurable.commitTo(logIndex(2));
    undurable.takeCommitted();
    undurable.trim();
    expect(undurable.entryAt(logIndex(1))).toBeDefined();

    const uncommitted = filled(logOf(1, 1), 0);
    uncommitted.takeAppend();
    uncommitted.persisted(logIndex(2), term(1));
    uncommitted.trim();
    expect(uncommitted.entryAt(logIndex(1))).toBeDefined();
    uncommitted.commitTo(logIndex(2));
    uncommitted.trim();
    expect(uncommitted.takeCommitted()).toHaveLength(2);
    uncommitted.trim();
    expect(uncommitted.entryAt(logIndex(2))).toBeUndefined();
  });

  test('memory stays bounded over many settled entries', () => {
    const log = restored([], 10 * ENTRY_OVERHEAD_BYTES);
    for (let i = 0; i < 5_000; i++) {
      log.appendNew(term(1), EntryKind.data, new Uint8Array(0));
      settle(log);
      log.trim();
      log.check();
    }
    expect(log.unsettledBytes).toBe(0);
    expect(log.entryAt(logIndex(4_990))).toBeUndefined();
    expect(log.entriesFrom(logIndex(4_991), 1_000_000)).toHaveLength(10);
  });

  test('entries for a follower: at least one, then as many as fit', () => {
    const log = filled(logOf(1, 1, 1, 1));
    const indexes = (bytes: number): number[] =>
      log.entriesFrom(logIndex(2), bytes).map((entry) => entry.index);
    expect(indexes(0)).toEqual([2]);
    expect(indexes(2 * ENTRY_OVERHEAD_BYTES)).toEqual([2, 3]);
    expect(indexes(1_000)).toEqual([2, 3, 4]);
    expect(log.entriesFrom(logIndex(5), 1_000)).toEqual([]);
  });

  test('behaves like a plain array of entries under any order of operations', () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), bytes: fc.nat(40), step: fc.nat(1) }),
      fc.record({ kind: fc.constant('truncate' as const), back: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant('write' as const) }),
      fc.record({ kind: fc.constant('persist' as const) }),
      fc.record({ kind: fc.constant('commit' as const), by: fc.nat(3) }),
      fc.record({ kind: fc.constant('take' as const) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), fc.nat(200), (operations, tailBytes) => {
        const log = restored(logOf(1, 1), tailBytes);
        let model: Entry[] = logOf(1, 1);
        let disk: Entry[] = [...model];
        let durable = 2;
        let memoryFrom = 3;
        let committed = 0;
        const applied: Entry[] = [];
        const pending: { entries: readonly Entry[]; last: Entry }[] = [];
        for (const op of operations) {
          if (op.kind === 'append') {
            const next = entryAfter(
              positionAt(model, model.length),
              Math.max(1, log.last.term + op.step),
              new Uint8Array(op.bytes),
            );
            model.push(next);
            log.append(next);
          } else if (op.kind === 'truncate') {
            const last = Math.max(committed, model.length - op.back);
            if (last === model.length) continue;
            model = model.slice(0, last);
            log.truncate(positionAt(model, last));
            durable = Math.min(durable, last);
            memoryFrom = Math.min(memoryFrom, last + 1);
          } else if (op.kind === 'write') {
            const entries = log.takeAppend();
            const last = entries[entries.length - 1];
            if (last !== undefined) pending.push({ entries, last });
          } else if (op.kind === 'persist') {
            const write = pending.shift();
            if (write === undefined) continue;
            disk = [...disk.slice(0, (write.entries[0]?.index ?? 0) - 1), ...write.entries];
            log.persisted(write.last.index, write.last.term);
            expect(log.durableIndex).toBeGreaterThanOrEqual(durable);
            durable = log.durableIndex;
          } else if (op.kind === 'commit') {
            committed = Math.min(model.length, committed + op.by);
            log.commitTo(logIndex(committed));
          } else {
            applied.push(...log.takeCommitted());
            log.trim();
          }
          log.check();
          expect(log.last.index).toBe(model.length);
          // Whatever is called durable is on the disk and stays there under the writes under way.
          const future = pending.reduce(
            (on, write) => [...on.slice(0, (write.entries[0]?.index ?? 0) - 1), ...write.entries],
            disk,
          );
          expect(disk.slice(0, durable)).toEqual(model.slice(0, durable));
          expect(future.slice(0, durable)).toEqual(model.slice(0, durable));
          for (const entry of model) {
            expect(log.termAt(entry.index)).toBe(entry.term);
            const held = log.entryAt(entry.index);
            if (held !== undefined) expect(held).toBe(entry);
            if (entry.index >= memoryFrom && entry.index > Math.min(durable, committed))
              expect(held).toBe(entry);
          }
        }
        expect(applied).toEqual(
          model.filter(
            ({ index }) =>
              index >= memoryFrom && index <= (applied[applied.length - 1]?.index ?? 0),
          ),
        );
      }),
      { numRuns: 500 },
    );
  });
});
