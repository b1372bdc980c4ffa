/** Reading committed entries back from a real JetStream, which may fail and be tampered with. */
import { Limits, type LogEntry, SenderRole } from '@kvstore/contract';
import { logIndex, SeededRandom, term } from '@kvstore/std';
import { eventually } from '@kvstore/testing';
import { sealMessage } from './archive-message.ts';
import { framesOf, Harness, type RunningArchiver, TestLog } from './log-archive.test-support.ts';

let harness: Harness;
let log: TestLog;
let running: RunningArchiver;

/** A log of many messages in the stream of its first epoch. */
beforeEach(async () => {
  harness = await Harness.start();
  log = new TestLog();
  const leader = log.elect();
  running = await harness.archive(leader, { config: { messageBytesMax: 3_000 } });
  for (let i = 0; i < 30; i++) {
    log.append(10 + (i % 3), 200);
    await harness.level(running, log);
  }
});

afterEach(() => harness.end());

function numbers(entries: readonly LogEntry[]): readonly number[] {
  return entries.map(({ index }) => index);
}

test('everything that was archived is read back equal', async () => {
  const { archive } = await harness.reader();
  const read: LogEntry[] = [];
  for (;;) {
    const entries = await archive.read(1, logIndex(read.length + 1), 10_000);
    if (entries.length === 0) break;
    read.push(...entries);
  }
  expect(read).toHaveLength(log.entries.length);
  for (const [place, entry] of read.entries()) {
    const original = log.entries[place];
    expect({ ...entry, body: Buffer.from(entry.body) }).toEqual({
      ...original,
      body: Buffer.from(original?.body ?? []),
    });
  }
});

test('reading on costs about one request per message', async () => {
  const { archive } = await harness.reader();
  const messages = (await harness.messages(1)).length;
  let next = 1;
  for (;;) {
    const entries = await archive.read(1, logIndex(next), 1_000);
    if (entries.length === 0) break;
    next += entries.length;
  }
  expect(next).toBe(log.entries.length + 1);
  expect(archive.counters.searches).toBe(1);
  const search = Math.ceil(Math.log2(messages)) + 1;
  expect(archive.counters.fetches).toBeLessThanOrEqual(messages + search + 3);
});

test('a read begins exactly where it was asked to, and is bounded', async () => {
  const { archive } = await harness.reader();
  const random = new SeededRandom(5);
  for (let i = 0; i < 60; i++) {
    const from = 1 + random.below(log.entries.length);
    const maxBytes = 1 + random.below(8_000);
    const entries = await archive.read(1, logIndex(from), maxBytes);
    expect(entries.length).toBeGreaterThan(0);
    expect(numbers(entries)).toEqual(entries.map((_, place) => from + place));
    const bytes = entries.slice(1).reduce((sum, { body }) => sum + body.length, 0);
    expect(bytes).toBeLessThanOrEqual(maxBytes);
  }
});

test('what is not there yet comes once it is archived', async () => {
  const { archive } = await harness.reader();
  const next = logIndex(log.entries.length + 1);
  expect(await archive.read(1, next, 1_000)).toEqual([]);
  expect(await archive.read(1, logIndex(next - 1), 1_000)).toHaveLength(1);
  expect(await archive.read(1, next, 1_000)).toEqual([]);
  log.append(3);
  await harness.level(running, log);
  expect(numbers(await archive.read(1, next, 10_000))).toEqual([next, next + 1, next + 2]);
  expect(await archive.read(1, logIndex(next + 1_000), 1_000)).toEqual([]);
});

test('a later epoch is read from its own stream', async () => {
  const { archive } = await harness.reader();
  expect(await archive.read(1, logIndex(100), 1_000)).not.toEqual([]);
  await harness.manager.streams.delete(harness.streamName(1));
  await eventually('a second epoch', () => log.epoch === 2);
  await harness.level(running, log);
  expect(await archive.read(1, logIndex(200), 1_000)).toEqual([]);
  expect(numbers(await archive.read(2, logIndex(100), 1))).toEqual([100]);
});

test('a stream that was made shorter and went on otherwise is searched anew', async () => {
  const { archive } = await harness.reader();
  const last = log.entries.length;
  expect(await archive.read(1, logIndex(last), Limits.entryBytesMax)).toHaveLength(1);
  await running.kill();
  log.append(50);
  await harness.manager.streams.delete(harness.streamName(1));
  const subjects = [harness.subject(1)];
  await harness.manager.streams.add({ name: harness.streamName(1), subjects });
  const frames = framesOf(SenderRole.consensus, 'node-1');
  for (let from = 0; from < log.entries.length; from += 100) {
    const frame = sealMessage(frames, term(1), log.entries.slice(from, from + 100));
    await harness.admin.request(harness.subject(1), frame, { timeout: 1_000 });
  }
  const entries = await archive.read(1, logIndex(last + 1), Limits.entryBytesMax);
  expect(numbers(entries)).toEqual(log.entries.slice(last).map(({ index }) => index));
});

test('a message of somebody else ends the read, and is counted', async () => {
  const { archive, frames } = await harness.reader();
  await running.kill();
  await harness.admin.request(harness.subject(1), 'not a frame', { timeout: 1_000 });
  const from = logIndex(log.entries.length - 5);
  const entries = await archive.read(1, from, Limits.entryBytesMax);
  expect(numbers(entries)).toEqual(log.entries.slice(-6).map(({ index }) => index));
  expect(await archive.read(1, logIndex(log.entries.length + 1), 1_000)).toEqual([]);
  expect(archive.counters.refused).toBeGreaterThan(0);
  expect(frames.refused.size).toBe(1);
});

test('without a stream, a server or an epoch it reads nothing, soon, and reads on afterwards', async () => {
  const { archive } = await harness.reader();
  expect(await archive.read(0, logIndex(1), 1_000)).toEqual([]);
  expect(await archive.read(7, logIndex(1), 1_000)).toEqual([]);
  await harness.server.kill();
  const before = performance.now();
  expect(await archive.read(1, logIndex(1), 1_000)).toEqual([]);
  expect(performance.now() - before).toBeLessThan(2_500);
  await harness.server.restart();
  await eventually('it reads again', async () => {
    const entries = await archive.read(1, logIndex(1), 1);
    return entries.length === 1;
  });
  expect([...archive.counters.errors.values()].some((count) => count > 0)).toBe(true);
});
