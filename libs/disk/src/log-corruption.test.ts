/**
 * Damage to the files of a log that was closed: it is found and named, or nothing of it is missing.
 * Never a wrong entry, never an endless loop.
 */
import { equalBytes, logIndex, SeededRandom } from '@kvstore/std';
import type { Entry } from '@kvstore/raft';
import { LogError } from '@kvstore/sequencer';
import { makeBase, makeBody, makeEntries, ManualTimers, MemoryDisk } from '@kvstore/testing';
import { openSegmentedLog } from './open-segmented-log.ts';
import type { SegmentedLog } from './segmented-log.ts';

const SEGMENT_BYTES = 8 * 1024;
const none = logIndex(0);
const random = new SeededRandom(5);

function open(
  disk: MemoryDisk,
  label = 'c/g0',
  mustExist = false,
  timers = new ManualTimers(),
): Promise<SegmentedLog> {
  const options = { disk, directory: 'log', label, timers, segmentBytes: SEGMENT_BYTES, mustExist };
  return openSegmentedLog(options);
}

async function readAll(log: SegmentedLog): Promise<readonly Entry[]> {
  return log.read(logIndex(1), Number.MAX_SAFE_INTEGER);
}

interface Written {
  readonly disk: MemoryDisk;
  readonly entries: readonly Entry[];
  readonly segments: readonly string[];
}

const NOTE_PERIOD_MS = 20;

/**
 * Three segments, the last one half full. With `clean`, the log was closed and has its mark; else its
 * note alone is up to date.
 */
async function written(clean = true, seed = 0): Promise<Written> {
  const disk = new MemoryDisk();
  const timers = new ManualTimers();
  const log = await open(disk, 'c/g0', false, timers);
  const lengths = [0, 500, 900, 30, 900, 900, 700, 900, 900, 900, 20, 900, 600, 40];
  const bodies = lengths.map((length, i) => makeBody(length, i + seed));
  const entries = makeEntries(undefined, 1, bodies);
  for (const entry of entries) await log.append([entry], logIndex(entry.index - 1));
  if (clean) {
    await log.close();
  } else {
    timers.fire(NOTE_PERIOD_MS);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const names = (await disk.list('log')).filter((name) => name.endsWith('.log'));
  return { disk, entries, segments: names.map((name) => `log/${name}`) };
}

/** What opening found: every entry unharmed, the count that was left, or a refusal. */
async function outcome(disk: MemoryDisk, entries: readonly Entry[]): Promise<number | LogError> {
  let log: SegmentedLog;
  try {
    log = await open(disk);
  } catch (error) {
    if (error instanceof LogError && error.code === 'LOG_CORRUPT') return error;
    throw error;
  }
  const found = await readAll(log);
  await log.close();
  for (const [i, entry] of found.entries()) {
    const expected = entries[i];
    if (expected?.chain !== entry.chain || !equalBytes(expected.body, entry.body)) {
      throw new Error(`entry ${entry.index} is wrong`);
    }
  }
  return found.length;
}

function flip(bytes: Uint8Array, offset: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[offset] = (flipped[offset] ?? 0) ^ (1 << random.below(8));
  return flipped;
}

async function damaged(base: Written, path: string, bytes: Uint8Array): Promise<number | LogError> {
  const disk = base.disk.killImage();
  disk.damage(path, bytes);
  return outcome(disk, base.entries);
}

/** The end of the last record: its padding is a part of it. */
function recordsEnd(bytes: Uint8Array): number {
  return Math.ceil((bytes.findLastIndex((byte) => byte !== 0) + 1) / 8) * 8;
}

function expectRefused(result: number | LogError, path: string): void {
  if (!(result instanceof LogError)) throw new Error(`not found: damage to ${path}`);
  expect(result.message).toContain(path);
}

test('the base of these tests has several segments', async () => {
  const { segments, disk, entries } = await written();
  expect(segments.length).toBe(3);
  expect(await outcome(disk, entries)).toBe(entries.length);
});

test('a flipped bit in a header or a record is refused by file; elsewhere it is harmless', async () => {
  const base = await written();
  for (const path of base.segments) {
    const bytes = base.disk.peek(path);
    const end = recordsEnd(bytes);
    for (let offset = 0; offset < bytes.length; offset += offset < 96 ? 1 : 1 + random.below(40)) {
      const result = await damaged(base, path, flip(bytes, offset));
      if (offset < end) expectRefused(result, path);
      else expect(result).toBe(base.entries.length);
    }
  }
});

test('every bit of a record counts, the padding included', async () => {
  const base = await written();
  const path = base.segments[2] ?? '';
  const bytes = base.disk.peek(path);
  const end = recordsEnd(bytes);
  for (let offset = 4096; offset < end; offset += 3) {
    expectRefused(await damaged(base, path, flip(bytes, offset)), path);
  }
});

test('the message names file, byte and record', async () => {
  const base = await written();
  const path = base.segments[0] ?? '';
  const result = await damaged(base, path, flip(base.disk.peek(path), 4096 + 64 + 64 + 10));
  expect(String(result)).toContain(
    `${path} at byte 4160, record 2 (entry 2): the checksum of the body`,
  );
});

test('a file cut at any length is refused', async () => {
  const base = await written();
  for (const path of base.segments) {
    const bytes = base.disk.peek(path);
    for (let length = 0; length < bytes.length; length += 1 + random.below(400)) {
      expectRefused(await damaged(base, path, bytes.subarray(0, length)), path);
    }
  }
});

test('a zeroed block is refused wherever it holds records', async () => {
  const base = await written();
  for (const path of base.segments) {
    const bytes = base.disk.peek(path);
    for (let block = 0; block < bytes.length; block += 4096) {
      expectRefused(await damaged(base, path, bytes.slice().fill(0, block, block + 4096)), path);
    }
  }
});

test('swapped, deleted, duplicated and foreign segments are refused', async () => {
  const base = await written();
  const [first = '', second = '', third = ''] = base.segments;
  const contents = base.segments.map((path) => base.disk.peek(path));

  const swapped = base.disk.killImage();
  swapped.damage(first, contents[1] as Uint8Array);
  swapped.damage(second, contents[0] as Uint8Array);
  expectRefused(await outcome(swapped, base.entries), first);

  expectRefused(await damaged(base, second, contents[2] as Uint8Array), second);

  for (const [path, named] of [
    [first, second],
    [second, first],
    [third, second],
  ] as const) {
    const disk = base.disk.killImage();
    await disk.unlink(path);
    expectRefused(await outcome(disk, base.entries), named);
  }
  await expect(open(base.disk.killImage(), 'c/g1')).rejects.toMatchObject({ code: 'LOG_FOREIGN' });
});

test('a whole segment of another history of the same group is refused', async () => {
  const [base, other] = [await written(), await written(true, 50)];
  expect(other.segments).toEqual(base.segments);
  for (const path of base.segments.slice(1)) {
    expectRefused(await damaged(base, path, other.disk.peek(path)), path);
  }
});

test('an older copy of the last segment is refused', async () => {
  const base = await written();
  const path = base.segments[2] ?? '';
  const old = base.disk.peek(path);
  const log = await open(base.disk);
  const more = makeEntries(base.entries.at(-1), 1, [makeBody(60, 77)]);
  await log.append(more, none);
  await log.close();
  expectRefused(await damaged(base, path, old), path);
});

test('without the mark the log is refused when it is missing, and kept when one copy is damaged', async () => {
  const base = await written();
  const path = 'log/durable-mark';
  const missing = base.disk.killImage();
  await missing.unlink(path);
  expectRefused(await outcome(missing, base.entries), path);
  const bytes = base.disk.peek(path);
  expect(await damaged(base, path, flip(bytes, 20))).toBe(base.entries.length);
  expect(await damaged(base, path, flip(bytes, 4096 + 20))).toBe(base.entries.length);
  expectRefused(await damaged(base, path, new Uint8Array(8192)), path);
  expectRefused(await damaged(base, path, bytes.subarray(0, 10)), path);
});

test('a log that must exist is refused when its directory is empty', async () => {
  await expect(open(new MemoryDisk(), 'c/g0', true)).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
});

/** A power cut: what was never synced is gone, the note with it. */
const NO_NOTE = new Uint8Array(0);

test('a damaged last record is refused after a kill, whose note is left in the page cache', async () => {
  const base = await written(false);
  const path = base.segments[2] ?? '';
  const bytes = base.disk.peek(path);
  const end = bytes.findLastIndex((byte) => byte !== 0);
  expectRefused(await damaged(base, path, flip(bytes, end)), path);
});

test('the note is written at once, then at most once in its period, and at last it is level', async () => {
  const disk = new MemoryDisk();
  const timers = new ManualTimers();
  const log = await open(disk, 'c/g0', false, timers);
  const noted = (): number => {
    const bytes = disk.peek('log/durable-note');
    return bytes.length === 0 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const entries = makeEntries(
    undefined,
    1,
    [1, 2, 3].map((length) => makeBody(length, length)),
  );
  for (const entry of entries) {
    await log.append([entry], none);
    await turn();
    expect(noted()).toBe(1);
  }
  timers.fire(NOTE_PERIOD_MS);
  await turn();
  expect(noted()).toBe(3);
  timers.fire(NOTE_PERIOD_MS);
  expect(timers.pending).not.toContain(NOTE_PERIOD_MS);
  await log.close();
});

describe('the tail of a log that crashed before its mark was written', () => {
  test('a damaged last record is cut and reported, and nothing else', async () => {
    const base = await written(false);
    const path = base.segments[2] ?? '';
    const bytes = base.disk.peek(path);
    const end = bytes.findLastIndex((byte) => byte !== 0);
    const disk = base.disk.killImage();
    disk.damage('log/durable-note', NO_NOTE);
    disk.damage(path, flip(bytes, end));
    const log = await open(disk);
    expect(log.recovered.last.index).toBe(base.entries.length - 1);
    expect(log.recovered.cut).toMatchObject({ file: path, bytes: 104 });
    // The cut is done once.
    await log.close();
    const again = await open(disk);
    expect(again.recovered.cut).toBeUndefined();
    expect(again.recovered.last.index).toBe(base.entries.length - 1);
    await again.close();
  });

  test('a damaged record before the last one is refused without any mark', async () => {
    const base = await written(false);
    const path = base.segments[2] ?? '';
    const bytes = base.disk.peek(path);
    const end = bytes.findLastIndex((byte) => byte !== 0);
    expectRefused(await damaged(base, path, flip(bytes, end - 120)), path);
  });

  test('bodies that imitate records do not pass for them, and cost no time', async () => {
    const base = await written(false);
    const path = base.segments[2] ?? '';
    const bytes = base.disk.peek(path);
    const end = bytes.findLastIndex((byte) => byte !== 0);
    // The lost record's place is full of headers of another record, and of lengths without sense.
    const fake = bytes.slice(4096, 4096 + 64);
    fake.fill(0xff, 8, 16);
    const filled = bytes.slice();
    for (let at = end - 39; at + 64 <= bytes.length; at += 64) filled.set(fake, at - (at % 8));
    base.disk.damage('log/durable-note', NO_NOTE);
    expect(await damaged(base, path, filled)).toBe(base.entries.length - 1);
  });
});

test('a bit that rots while the log is open is an error of the read', async () => {
  const base = await written();
  const log = await open(base.disk);
  const path = base.segments[0] ?? '';
  base.disk.damage(path, flip(base.disk.peek(path), 4096 + 64 + 70));
  await expect(readAll(log)).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
  expect((await log.read(logIndex(7), 0))[0]?.index).toBe(7);
  await log.close();
});

describe('a log that was cut', () => {
  const BASE = 'log/base';

  /** Cut right before its last segment. */
  async function cut(): Promise<{ readonly log: Written; readonly firstIndex: number }> {
    const { disk, entries } = await written();
    const log = await open(disk);
    const place = log.cutPlace(logIndex(entries.length), 0) ?? 0;
    await log.cut(makeBase(entries[place - 1] as Entry));
    await log.close();
    const names = (await disk.list('log')).filter((name) => name.endsWith('.log'));
    const segments = names.map((name) => `log/${name}`);
    expect(segments.length).toBe(1);
    return { log: { disk, entries, segments }, firstIndex: place + 1 };
  }

  async function expectWhole(image: MemoryDisk, entries: readonly Entry[], firstIndex: number) {
    const log = await open(image);
    const found = await log.read(logIndex(firstIndex), Number.MAX_SAFE_INTEGER);
    expect(found.map(({ chain }) => chain)).toEqual(
      entries.slice(firstIndex - 1).map(({ chain }) => chain),
    );
    await log.close();
  }

  test('outlives any damage to one copy of its base, not to both', async () => {
    const { log, firstIndex } = await cut();
    const bytes = log.disk.peek(BASE);
    const half = bytes.length / 2;
    for (const slot of [0, 1]) {
      for (let i = 0; i < 40; i++) {
        const offset = i < 30 ? i * 4 : half - 1 - random.below(8);
        const image = log.disk.killImage();
        image.damage(BASE, flip(bytes, slot * half + offset));
        await expectWhole(image, log.entries, firstIndex);
        expect(image.peek(BASE)).toEqual(bytes);
      }
    }
    const image = log.disk.killImage();
    image.damage(BASE, flip(flip(bytes, 20), half + 20));
    expectRefused(await outcome(image, log.entries), BASE);
  });

  test('is refused without its base or its first segment', async () => {
    const { log } = await cut();
    const noBase = log.disk.killImage();
    await noBase.unlink(BASE);
    expectRefused(await outcome(noBase, log.entries), log.segments[0] as string);
    const noSegment = log.disk.killImage();
    await noSegment.unlink(log.segments[0] as string);
    expectRefused(await outcome(noSegment, log.entries), 'log');
  });

  test('is refused with a base of another history', async () => {
    const { log, firstIndex } = await cut();
    const other = await written(true, 77);
    const copy = await open(other.disk);
    await copy.cut(makeBase(other.entries[firstIndex - 2] as Entry));
    await copy.close();
    log.disk.damage(BASE, other.disk.peek(BASE));
    expectRefused(await outcome(log.disk, log.entries), log.segments[0] as string);
  });

  test('segments that a crash left of the cut are removed at the next open', async () => {
    const before = await written();
    const { log, firstIndex } = await cut();
    const left = before.segments[0] as string;
    await (await log.disk.create(left)).write(0, before.disk.peek(left));
    await expectWhole(log.disk, log.entries, firstIndex);
    expect(await log.disk.list('log')).not.toContain(left.slice('log/'.length));
  });
});
