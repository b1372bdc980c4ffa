import { RefusalReason } from '@kvstore/contract';
import { logIndex } from '@kvstore/std';
import { makeBase, makeBody, makeEntries, MemoryLogStore, realClock } from '@kvstore/testing';
import type { Entry } from '@kvstore/raft';
import { LogRoom } from './log-room.ts';

const entries = makeEntries(
  undefined,
  1,
  Array.from({ length: 10 }, (_, i) => makeBody(936, i)),
);

test('a log at its bound takes no proposal until it is cut, but openings and clock entries', async () => {
  const log = new MemoryLogStore();
  const room = new LogRoom(log, realClock, 10_000);
  await log.append(entries.slice(0, 9), logIndex(0));
  expect(room.refusal(100)).toBeUndefined();
  await log.append(entries.slice(9), logIndex(0));
  expect(room.refusal(100)).toBe(RefusalReason.overloaded);
  expect(room.takesBareEntry).toBe(true);
  await log.cut(makeBase(entries[1] as Entry));
  expect(room.refusal(100)).toBeUndefined();
});

test('a disk that is full is told from room that is still being made', () => {
  const log = new MemoryLogStore();
  const room = new LogRoom(log, realClock, Number.MAX_SAFE_INTEGER);
  log.setCapacity(65 * 1024);
  expect(room.refusal(100)).toBeUndefined();
  expect(room.refusal(2_000)).toBe(RefusalReason.overloaded);
  log.setCapacity(0);
  expect(room.refusal(100)).toBe(RefusalReason.diskFull);
});
