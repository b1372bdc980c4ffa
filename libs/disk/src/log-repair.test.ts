/**
 * A damaged log that goes on without what is lost: what is left is a beginning of what was written,
 * nothing is touched before its caller has agreed, and a crash on the way leaves the same or less.
 */
import { equalBytes, logIndex, SeededRandom } from '@kvstore/std';
import type { Disk } from '@kvstore/std';
import type { Entry } from '@kvstore/raft';
import type { LogError } from '@kvstore/sequencer';
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

const none = logIndex(0);
const LENGTHS = [0, 500, 900, 30, 900, 900, 700, 900, 900, 900, 20, 900, 600, 40];
const entries = makeEntries(
  undefined,
  1,
  LENGTHS.map((length, i) => makeBody(length, i)),
);

function open(disk: Disk, onDamage?: (error: LogError) => Promise<void>): Promise<SegmentedLog> {
  return openSegmentedLog({
    disk,
    directory: 'log',
    label: 'c/g0',
    timers: new ManualTimers(),
    segmentBytes: 8 * 1024,
    mustExist: true,
    ...(onDamage === undefined ? {} : { onDamage }),
  });
}

const agree = (): Promise<void> => Promise.resolve();

/** Three segments, the last one half full; cut at its beginning when told to. */
async function written(isCut = false): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = await open(disk, agree);
  for (const entry of entries) await log.append([entry], logIndex(entry.index - 1));
  if (isCut) await log.cut(makeBase(entries[(log.cutPlace(logIndex(9), 0) ?? 0) - 1] as Entry));
  await log.close();
  return disk;
}

/** What is left, which is a beginning of what was written; it takes more, and is found whole again. */
async function expectBeginning(disk: MemoryDisk, log: SegmentedLog): Promise<number> {
  const base = log.recovered.base?.position.index ?? 0;
  const { last } = log.recovered;
  const found = await log.read(logIndex(base + 1), Number.MAX_SAFE_INTEGER);
  expect(last.index).toBe(base + found.length);
  for (const entry of found) {
    const expected = entries[entry.index - 1] as Entry;
    expect(entry.chain).toBe(expected.chain);
    expect(equalBytes(entry.body, expected.body)).toBe(true);
  }
  const more = makeEntries(last, 9, [makeBody(700, 3), makeBody(700, 4)]);
  await log.append(more, none);
  await log.close();
  const lost = disk.crashImage(new SeededRandom(1), { unsynced: 'lost' });
  const reopened = await open(lost);
  expect(reopened.recovered.damage).toBeUndefined();
  expect(await reopened.read(logIndex(base + 1), Number.MAX_SAFE_INTEGER)).toEqual([
    ...found,
    ...more,
  ]);
  await reopened.close();
  return last.index;
}

function flip(disk: MemoryDisk, path: string, offset: number): void {
  const bytes = disk.peek(path).slice();
  bytes[offset] = (bytes[offset] ?? 0) ^ 4;
  disk.damage(path, bytes);
}

async function segmentsOf(disk: MemoryDisk): Promise<string[]> {
  return (await disk.list('log'))
    .filter((name) => name.endsWith('.log'))
    .map((name) => `log/${name}`);
}

test.each([false, true])(
  'goes on with what comes before a flipped bit (cut: %s)',
  async (isCut) => {
    const disk = await written(isCut);
    const random = new SeededRandom(2);
    const left = new Set<number>();
    for (const path of await segmentsOf(disk)) {
      const end = disk.peek(path).findLastIndex((byte) => byte !== 0);
      for (let i = 0; i < 20; i++) {
        const image = disk.killImage();
        flip(image, path, i < 6 ? i * 12 : random.below(end));
        let told: LogError | undefined;
        const log = await open(image, async (error) => {
          told = error;
        });
        expect(told?.message).toContain(path);
        expect(log.recovered.damage).toBe(told?.message);
        left.add(await expectBeginning(image, log));
      }
    }
    expect(left.size).toBeGreaterThan(4);
  },
);

test('goes on without files that are gone, and with copies that are damaged', async () => {
  const disk = await written(true);
  const paths = (await disk.list('log')).map((name) => `log/${name}`);
  const vital = paths.filter((path) => /\.log$|base$|mark$/.test(path));
  expect(vital.length).toBeGreaterThan(3);
  for (const path of vital) {
    const missing = disk.killImage();
    await missing.unlink(path);
    await expectBeginning(missing, await open(missing, agree));
    const damaged = disk.killImage();
    const { length } = disk.peek(path);
    for (const offset of [20, length / 2 + 20]) flip(damaged, path, offset);
    await expectBeginning(damaged, await open(damaged, agree));
  }
  const empty = disk.killImage();
  for (const path of paths) await empty.unlink(path);
  expect(await expectBeginning(empty, await open(empty, agree))).toBe(0);
});

test('touches nothing when its caller does not agree', async () => {
  const disk = await written();
  const [path = ''] = await segmentsOf(disk);
  flip(disk, path, 4096 + 200);
  const before = disk.peek(path).slice();
  const names = await disk.list('log');
  const refused = open(disk, () => Promise.reject(new Error('a single voter')));
  await expect(refused).rejects.toThrow('a single voter');
  expect(disk.peek(path)).toEqual(before);
  expect(await disk.list('log')).toEqual(names);
  await expect(open(disk)).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
});

test('files of another group are refused, whoever agrees', async () => {
  const disk = await written();
  const timers = new ManualTimers();
  const options = { disk, directory: 'log', label: 'c/g1', timers, onDamage: agree };
  await expect(openSegmentedLog(options)).rejects.toMatchObject({ code: 'LOG_FOREIGN' });
});

test('a crash at any moment of it leaves the same beginning or less, and damage or a whole log', async () => {
  const random = new SeededRandom(4);
  let again = 0;
  for (const at of [0, 2]) {
    const disk = await written();
    const path = (await segmentsOf(disk))[at] as string;
    flip(disk, path, 4096 + 700);
    const images: MemoryDisk[] = [];
    const faulty = new FaultyDisk(disk, ({ kind }) => {
      if (kind === 'read' || kind === 'list') return;
      for (const unsynced of UNSYNCED_FATES) images.push(disk.crashImage(random, { unsynced }));
      images.push(disk.killImage());
    });
    const log = await open(faulty, agree);
    const left = log.recovered.last.index;
    await log.close();
    for (const image of images) {
      const reopened = await open(image, async () => {
        again += 1;
      });
      const found = reopened.recovered.last.index;
      expect(found).toBeLessThanOrEqual(left);
      await expectBeginning(image, reopened);
    }
  }
  expect(again).toBeGreaterThan(20);
}, 60_000);
