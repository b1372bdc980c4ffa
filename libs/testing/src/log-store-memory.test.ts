import { logIndex, term } from '@kvstore/std';
import { makeBody, makeEntries } from './log-entries.ts';
import { hardStateConformance, logStoreConformance } from './log-store-conformance.ts';
import { MemoryHardState, MemoryLogStore } from './log-store-memory.ts';

logStoreConformance('MemoryLogStore', async () => {
  let store = new MemoryLogStore();
  return { open: async () => (store = store.crash()) };
});
hardStateConformance('MemoryHardState', async () => {
  let store = new MemoryHardState();
  return { open: async () => (store = store.crash()) };
});

const entries = makeEntries(undefined, 1, [makeBody(10, 1), makeBody(10, 2)]);

test('a crash loses what the gate held back', async () => {
  const log = new MemoryLogStore();
  await log.append(entries.slice(0, 1), logIndex(0));
  log.gate.close();
  const held = log.append(entries.slice(1), logIndex(1));
  expect(log.crash().recovered.last.index).toBe(1);
  log.gate.open();
  await held;
  expect(log.crash().recovered.last.index).toBe(2);
});

test('a failed sync rejects the append and all after it', async () => {
  const log = new MemoryLogStore();
  log.failSync();
  await expect(log.append(entries, logIndex(0))).rejects.toMatchObject({ code: 'FSYNC_FAILED' });
  expect(log.crash().recovered.last.index).toBe(0);
  const hardState = new MemoryHardState();
  hardState.failSync();
  const saved = hardState.save({ term: term(1), vote: undefined });
  await expect(saved).rejects.toMatchObject({ code: 'FSYNC_FAILED' });
});

test('an append beyond the capacity waits until there is room', async () => {
  const log = new MemoryLogStore();
  log.setCapacity(100);
  expect(log.roomBytes).toBe(100);
  const appended = log.append(entries, logIndex(0));
  expect(log.roomBytes).toBe(0);
  expect(log.spaceError).toBeDefined();
  log.setCapacity(1000);
  await appended;
  expect(log.spaceError).toBeUndefined();
});
