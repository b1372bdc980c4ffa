/**
 * Crash images at every disk operation of a workload, with every fate of what was not synced: what
 * is recovered must be the log after some number of the records in the order of their appends, no
 * fewer than were acknowledged, behind the base before or after a cut under way. Then the same again
 * during that recovery.
 */
import { equalBytes, LOG_START, logIndex, SeededRandom } from '@kvstore/std';
import type { Disk, LogPosition } from '@kvstore/std';
import type { Entry, LogBase } from '@kvstore/raft';
import {
  FaultyDisk,
  makeBase,
  makeBody,
  makeEntries,
  ManualTimers,
  MemoryDisk,
  UNSYNCED_FATES,
} from '@kvstore/testing';
import { openSegmentedLog } from './open-segmented-log.ts';
import type { SegmentedLog } from './segmented-log.ts';

const SEGMENT_BYTES = 12 * 1024;
const none = logIndex(0);

function open(disk: Disk, timers = new ManualTimers()): Promise<SegmentedLog> {
  const options = { disk, directory: 'log', label: 'c/g0', timers, segmentBytes: SEGMENT_BYTES };
  return openSegmentedLog(options);
}

/** An entry, or a base that took the place of everything before. */
type Step = Entry | LogBase;

/** Every step in the order of its call, and how many were acknowledged; and where it was cut. */
class History {
  readonly records: Step[] = [];
  acknowledged = 0;
  /** The bases that may be found now: the last that is certainly durable first. */
  bases: readonly number[] = [0];
  #tail: Entry[] = [];
  #base: LogPosition = LOG_START;
  #acknowledgedIndex = none;

  async append(log: SegmentedLog, entries: readonly Entry[]): Promise<void> {
    this.records.push(...entries);
    const count = this.records.length;
    this.#tail.length = (entries[0]?.index ?? 1) - this.#base.index - 1;
    this.#tail.push(...entries);
    await log.append(entries, this.#acknowledgedIndex);
    this.acknowledged = count;
    this.#acknowledgedIndex = logIndex(entries.at(-1)?.index ?? 0);
  }

  async cut(log: SegmentedLog): Promise<void> {
    const place = log.cutPlace(logIndex(this.length), 0);
    if (place === undefined) throw new Error('nothing to cut off');
    this.bases = [...this.bases, place];
    await log.cut(makeBase(this.#tail[place - this.#base.index - 1] as Entry));
    this.bases = [place];
  }

  async install(log: SegmentedLog, base: LogBase): Promise<void> {
    this.records.push(base);
    this.#tail = [];
    this.#base = base.position;
    this.bases = [...this.bases, base.position.index];
    await log.install(base);
    this.acknowledged = this.records.length;
    this.bases = [base.position.index];
  }

  /** Entries that follow index `after` of the log as it is. */
  next(after: number, inTerm: number, lengths: readonly number[]): Entry[] {
    const bodies = lengths.map((length, i) => makeBody(length, this.records.length + i));
    const previous = this.#tail[after - this.#base.index - 1] ?? this.#base;
    return makeEntries(previous, inTerm, bodies);
  }

  get length(): number {
    return this.#base.index + this.#tail.length;
  }
}

interface Log {
  readonly base: number;
  readonly entries: readonly Entry[];
}

function logAfter(records: readonly Step[], count: number): Log {
  let base = 0;
  const entries: Entry[] = [];
  for (const step of records.slice(0, count)) {
    if ('position' in step) {
      base = step.position.index;
      entries.length = 0;
    } else {
      entries.length = step.index - base - 1;
      entries.push(step);
    }
  }
  return { base, entries };
}

interface Image {
  readonly disk: MemoryDisk;
  readonly acknowledged: number;
  readonly called: number;
  readonly bases: readonly number[];
  readonly what: string;
}

/** Opens, groups, a mark, cuts within and across segments, rollovers, a reopen. */
async function workload(disk: Disk, history: History): Promise<void> {
  const timers = new ManualTimers();
  let log = await open(disk, timers);
  const push = (inTerm: number, lengths: readonly number[], after = history.length) =>
    history.append(log, history.next(after, inTerm, lengths));
  await push(1, [5]);
  await push(1, [150, 0, 350]);
  await Promise.all([push(1, [20]), push(1, [1000, 750]), push(1, [450])]);
  timers.fire();
  await push(1, [1500, 1500]);
  await push(2, [50, 50], 6);
  await Promise.all([push(2, [1500, 1250, 600]), push(2, [2500]), push(3, [350, 5], 10)]);
  await push(3, [2000, 2000, 400]);
  await push(4, [25], 3);
  await log.close();
  log = await open(disk, timers);
  await push(4, [3000, 2500, 3000]);
  await push(5, [10], 0);
  timers.fire();
  await push(5, [10, 15]);
  await push(5, [3000, 3000, 3000, 2500, 3000]);
  await history.cut(log);
  await Promise.all([push(5, [3000, 3000, 4000]), push(6, [3000, 3000, 3000], 7)]);
  await Promise.all([history.cut(log), push(6, [3000, 200, 3000])]);
  timers.fire();
  const elsewhere = makeEntries(
    undefined,
    7,
    Array.from({ length: 40 }, () => makeBody(8, 8)),
  );
  await history.install(log, makeBase(elsewhere[29] as Entry));
  await push(7, [20, 3000, 3000]);
  await log.close();
  log = await open(disk, timers);
  await push(7, [3000, 3000, 3000]);
  await history.cut(log);
  await history.install(log, makeBase(elsewhere[39] as Entry));
  await log.close();
}

/**
 * A log whose newest segment holds nothing: its first group came to `fate` in a crash. A base takes its
 * place, the log goes on, rolls over and is cut.
 */
async function emptyTail(history: History, fate: 'lost' | 'torn'): Promise<MemoryDisk> {
  const memory = new MemoryDisk();
  let image: MemoryDisk | undefined;
  const disk = new FaultyDisk(memory, ({ kind, path }) => {
    if (kind !== 'sync' || !path.endsWith('3.log')) return;
    image ??= memory.crashImage(new SeededRandom(3), { unsynced: fate });
  });
  const log = await open(disk);
  await history.append(log, history.next(0, 1, [3000, 3000]));
  await log.append(history.next(2, 1, [3000]), none);
  await log.close();
  if (image === undefined) throw new Error('no third record in a segment of its own');
  return image;
}

async function installOverEmptyTail(disk: Disk, history: History): Promise<void> {
  let log = await open(disk);
  expect(log.recovered.last.index).toBe(2);
  const bodies = Array.from({ length: 40 }, () => makeBody(8, 8));
  const elsewhere = makeEntries(undefined, 7, bodies);
  await history.install(log, makeBase(elsewhere[29] as Entry));
  await history.append(log, history.next(30, 7, [20, 3000, 3000, 3000, 3000]));
  await history.cut(log);
  await log.close();
  log = await open(disk);
  await history.install(log, makeBase(elsewhere[39] as Entry));
  await history.append(log, history.next(40, 7, [3000]));
  await log.close();
}

async function crashImages(
  history: History,
  memory = new MemoryDisk(),
  work = workload,
): Promise<Image[]> {
  const random = new SeededRandom(7);
  const images: Image[] = [];
  const disk = new FaultyDisk(memory, (operation) => {
    const at = `operation ${operation.number} (${operation.kind} ${operation.path})`;
    const { acknowledged, records, bases } = history;
    const called = records.length;
    const add = (image: MemoryDisk, fate: string): void => {
      images.push({ disk: image, acknowledged, called, bases, what: `${fate} at ${at}` });
    };
    for (const fate of UNSYNCED_FATES) add(memory.crashImage(random, { unsynced: fate }), fate);
    add(memory.killImage(), 'killed');
  });
  await work(disk, history);
  return images;
}

function sameEntry(a: Entry, b: Entry | undefined): boolean {
  return (
    b !== undefined &&
    a.index === b.index &&
    a.term === b.term &&
    a.kind === b.kind &&
    a.chain === b.chain &&
    equalBytes(a.body, b.body)
  );
}

/** Returns how many records the recovered log stands for. */
async function verify(log: SegmentedLog, records: readonly Step[], image: Image): Promise<number> {
  const base = log.recovered.base?.position.index ?? 0;
  if (!image.bases.includes(base)) throw new Error(`${image.what}: the base is ${base}`);
  const found = await log.read(logIndex(base + 1), Number.MAX_SAFE_INTEGER);
  const last: LogPosition | undefined = found.at(-1) ?? log.recovered.base?.position;
  for (let count = image.called; count >= image.acknowledged; count--) {
    const whole = logAfter(records, count);
    const expected = whole.entries.filter(({ index }) => index > base);
    if (whole.base > base || expected.length !== found.length) continue;
    if (expected.length > 0 && expected.at(-1)?.chain !== last?.chain) continue;
    if (expected.length === 0 && whole.base !== base && whole.entries.at(-1)?.index !== base)
      continue;
    expect(found.every((entry, i) => sameEntry(entry, expected[i]))).toBe(true);
    expect(log.recovered.last.index).toBe(base + found.length);
    return count;
  }
  throw new Error(
    `${image.what}: not the log after ${image.acknowledged}..${image.called} records`,
  );
}

async function opened(image: Image): Promise<SegmentedLog> {
  try {
    return await open(image.disk);
  } catch (error) {
    throw new Error(`${image.what}: ${String(error)}`, { cause: error });
  }
}

/** What a reopened log reports survives a power cut right then, and what it appends, one later. */
async function expectDurable(
  log: SegmentedLog,
  logDisk: MemoryDisk,
  image: Image,
  records: readonly Step[],
): Promise<void> {
  const count = records.length;
  const reported = { ...image, acknowledged: count, called: count };
  await (await opened(reported)).close();
  const again = await opened(reported);
  await verify(again, records, reported);
  await again.close();

  const { last } = log.recovered;
  const more = makeEntries(last.index === 0 ? undefined : last, 9, [makeBody(600, 9)]);
  await log.append(more, none);
  const disk = logDisk.crashImage(new SeededRandom(1), { unsynced: 'lost' });
  const later = { ...image, disk, acknowledged: count + 1, called: count + 1 };
  const reopened = await opened(later);
  await verify(reopened, [...records, ...more], later);
  await reopened.close();
}

test('every crash leaves a prefix of the records with all that was acknowledged', async () => {
  const history = new History();
  const images = await crashImages(history);
  expect(images.length).toBeGreaterThan(500);
  const random = new SeededRandom(11);
  let cuts = 0;
  for (const image of images) {
    const log = await opened(image);
    const after = image.disk.crashImage(random, { unsynced: 'lost' });
    const count = await verify(log, history.records, image);
    if (log.recovered.cut !== undefined) cuts += 1;
    if (random.below(3) === 0 || image.what.includes('killed')) {
      await expectDurable(
        log,
        image.disk,
        { ...image, disk: after },
        history.records.slice(0, count),
      );
    }
    await log.close();
  }
  expect(cuts).toBeGreaterThan(10);
}, 60_000);

test.each(['lost', 'torn'] as const)(
  'a base is put in place over an empty segment, whose first group was %s, through every crash',
  async (fate) => {
    const history = new History();
    const images = await crashImages(history, await emptyTail(history, fate), installOverEmptyTail);
    expect(images.length).toBeGreaterThan(100);
    for (const image of images) {
      const log = await opened(image);
      const after = image.disk.crashImage(new SeededRandom(5), { unsynced: 'lost' });
      const count = await verify(log, history.records, image);
      const reopened = { ...image, disk: after };
      await expectDurable(log, image.disk, reopened, history.records.slice(0, count));
      await log.close();
    }
  },
  60_000,
);

test('a crash during recovery changes nothing', async () => {
  const history = new History();
  const images = await crashImages(history);
  const random = new SeededRandom(13);
  let compound = 0;
  for (const image of images) {
    if (random.below(24) !== 0) continue;
    const second: Image[] = [];
    const disk = new FaultyDisk(image.disk, (operation) => {
      if (operation.kind === 'read' || operation.kind === 'list') return;
      const fate = UNSYNCED_FATES[random.below(4)] ?? 'lost';
      const what = `${image.what}, then ${fate} at ${operation.kind} ${operation.path}`;
      const crashed = image.disk.crashImage(random, { unsynced: fate });
      second.push({ ...image, disk: crashed, what });
    });
    await (await open(disk)).close();
    for (const next of second) {
      const log = await opened(next);
      await verify(log, history.records, next);
      await log.close();
      compound += 1;
    }
  }
  expect(compound).toBeGreaterThan(200);
}, 60_000);
