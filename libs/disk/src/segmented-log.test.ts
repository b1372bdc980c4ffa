import * as fc from 'fast-check';
import { DiskError, equalBytes, logIndex, SeededRandom } from '@kvstore/std';
import type { Disk } from '@kvstore/std';
import type { Entry } from '@kvstore/raft';
import {
  failNext,
  FaultyDisk,
  Gate,
  makeBase,
  makeBody,
  makeEntries,
  ManualTimers,
  MemoryDisk,
  stallSyncs,
} from '@kvstore/testing';
import type { DiskOperation } from '@kvstore/testing';
import { openSegmentedLog } from './open-segmented-log.ts';
import type { SegmentedLog } from './segmented-log.ts';

/** The durable mark and the base: two slots of 4 KiB, and two of 32. */
const SIDE_BYTES = 72 * 1024;
const SEGMENT_BYTES = 16 * 1024;
const none = logIndex(0);
const ALL = Number.MAX_SAFE_INTEGER;

function open(disk: Disk, timers = new ManualTimers()): Promise<SegmentedLog> {
  const options = { disk, directory: 'log', label: 'c/g0', timers, segmentBytes: SEGMENT_BYTES };
  return openSegmentedLog(options);
}

function entriesOf(lengths: readonly number[], previous?: Entry, inTerm = 1): Entry[] {
  return makeEntries(previous, inTerm, lengths.map(makeBody));
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('group commit', () => {
  test('what is appended during a sync goes into one write and one sync', async () => {
    const gate = new Gate();
    const seen: DiskOperation[] = [];
    const disk = new FaultyDisk(new MemoryDisk());
    const log = await open(disk);
    const entries = entriesOf(Array.from({ length: 21 }, () => 50));
    await log.append(entries.slice(0, 1), none);
    const stall = stallSyncs(gate);
    disk.setHook((operation) => {
      if (operation.path.includes('0001.log') || operation.path === 'log/spare')
        seen.push(operation);
      return stall(operation);
    });
    gate.close();
    const appends = entries.slice(1).map(async (entry, i) => {
      if (i > 0) await turn();
      await log.append([entry], none);
    });
    for (let i = 0; i < 5; i++) await turn();
    expect(gate.waiting).toBe(1);
    gate.open();
    await Promise.all(appends);
    const kinds = seen.map((operation) => `${operation.kind} ${operation.bytes}`);
    expect(kinds).toEqual(['write 120', 'sync 0', `write ${19 * 120}`, 'sync 0']);
    await log.close();
  });

  test('appends of one turn share a group', async () => {
    const seen: string[] = [];
    const disk = new FaultyDisk(new MemoryDisk(), ({ kind, path }) => {
      if (path.endsWith('.log')) seen.push(kind);
    });
    const log = await open(disk);
    const entries = entriesOf([10, 10, 10]);
    await log.append(entries.slice(0, 1), none);
    await log.requestSpace();
    seen.length = 0;
    await Promise.all(entries.slice(1).map((entry) => log.append([entry], none)));
    expect(seen).toEqual(['write', 'sync']);
    await log.close();
  });

  test('nothing resolves before its sync', async () => {
    const gate = new Gate();
    const disk = new FaultyDisk(new MemoryDisk());
    const log = await open(disk);
    await log.append(entriesOf([10]), none);
    disk.setHook(stallSyncs(gate));
    gate.close();
    let durable = false;
    const appended = log.append(entriesOf([10, 10]).slice(1), none).then(() => (durable = true));
    for (let i = 0; i < 5; i++) await turn();
    expect([gate.waiting, durable]).toEqual([1, false]);
    expect((await log.read(logIndex(2), 0)).length).toBe(1);
    gate.open();
    await appended;
    await log.close();
  });
});

describe('a failed sync', () => {
  test('fails every waiting append and all that follow, and is not tried again', async () => {
    const memory = new MemoryDisk();
    const disk = new FaultyDisk(memory);
    const log = await open(disk);
    const entries = entriesOf([10, 10, 10, 10]);
    await log.append(entries.slice(0, 1), none);
    disk.setHook(failNext('sync', 'IO', '.log'));
    const appends = entries.slice(1).map((entry) => log.append([entry], none));
    for (const append of appends) {
      await expect(append).rejects.toMatchObject({ code: 'FSYNC_FAILED', retryable: false });
    }
    const operations = disk.operations;
    const later = log.append(entriesOf([10], entries[3]), none);
    await expect(later).rejects.toMatchObject({ code: 'FSYNC_FAILED' });
    await expect(log.read(logIndex(1), 0)).rejects.toMatchObject({ code: 'FSYNC_FAILED' });
    expect(disk.operations).toBe(operations);
    await log.close();
  });

  test('what its page cache still shows is on the disk once a reopen has reported it', async () => {
    // "Can Applications Recover from fsync Failures?": the pages are readable, clean, and not there.
    const memory = new MemoryDisk();
    const log = await open(memory);
    const entries = entriesOf([10, 2000, 3000]);
    await log.append(entries.slice(0, 1), none);
    memory.failNextSync();
    await expect(log.append(entries.slice(1), none)).rejects.toMatchObject({
      code: 'FSYNC_FAILED',
    });
    const reopened = await open(memory);
    const reported = reopened.recovered.last.index;
    expect(reported).toBe(3);
    const afterPowerCut = await open(memory.crashImage(new SeededRandom(1), { unsynced: 'lost' }));
    expect(afterPowerCut.recovered.last.index).toBe(reported);
    expect(afterPowerCut.recovered.cut).toBeUndefined();
  });

  test('of the mark fails the log too', async () => {
    const timers = new ManualTimers();
    const disk = new FaultyDisk(new MemoryDisk());
    const log = await open(disk, timers);
    const entries = entriesOf([10, 10]);
    await log.append(entries.slice(0, 1), none);
    disk.setHook(failNext('sync', 'IO', 'durable-mark'));
    timers.fire();
    for (let i = 0; i < 5; i++) await turn();
    const later = log.append(entries.slice(1), none);
    await expect(later).rejects.toMatchObject({ code: 'FSYNC_FAILED' });
    await log.close();
  });

  test('an invariant of the caller broken in an append breaks nothing durable', async () => {
    const log = await open(new MemoryDisk());
    const entries = entriesOf([10, 10], undefined, 5);
    await log.append(entries, none);
    expect(() => log.append(entriesOf([10], entries[1], 4), none)).toThrow('term');
    expect((await log.read(logIndex(1), ALL)).length).toBe(2);
    await log.close();
  });
});

describe('a full disk', () => {
  test('an empty log opens on a full disk, says why, and goes on when there is space', async () => {
    const timers = new ManualTimers();
    const disk = new FaultyDisk(new MemoryDisk());
    disk.setSpace(SIDE_BYTES + 1_000);
    const log = await open(disk, timers);
    expect(log.roomBytes).toBe(0);
    expect(log.spaceError).toContain('no space');
    const entries = entriesOf([10]);
    const appended = log.append(entries, none);
    for (let i = 0; i < 5; i++) await turn();
    expect(timers.pending.filter((delayMs) => delayMs === 1000)).toEqual([1000]);
    timers.fire();
    for (let i = 0; i < 20; i++) await turn();
    expect(log.spaceError).toBeDefined();
    disk.setSpace(100_000);
    timers.fire();
    await appended;
    expect(log.spaceError).toBeUndefined();
    expect(log.roomBytes).toBeGreaterThan(0);
    await log.close();
  });

  test('whatever fits into roomBytes is written without asking for space', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(6000), { minLength: 1, maxLength: 40 }),
        fc.nat(8),
        async (lengths, before) => {
          const disk = new FaultyDisk(new MemoryDisk());
          const log = await open(disk);
          const entries = entriesOf(lengths);
          for (const entry of entries.slice(0, before)) await log.append([entry], none);
          await log.requestSpace();
          disk.setSpace(0);
          const appends: Promise<void>[] = [];
          for (const entry of entries.slice(before)) {
            if (entry.body.length + 72 > log.roomBytes) break;
            appends.push(log.append([entry], none));
            if (entry.body.length % 3 === 0) await appends.at(-1);
          }
          await Promise.all(appends);
          await log.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('an append beyond the room waits for space, also when only asked for', async () => {
    const disk = new FaultyDisk(new MemoryDisk());
    const log = await open(disk);
    disk.setSpace(0);
    const entries = entriesOf(Array.from({ length: 9 }, () => 4000));
    let durable = 0;
    const appends = entries.map((entry) => log.append([entry], none).then(() => (durable += 1)));
    expect(log.roomBytes).toBe(0);
    for (let i = 0; i < 30; i++) await turn();
    expect(durable).toBe(3);
    expect(log.spaceError).toContain('no space');
    expect((await log.read(logIndex(1), ALL)).length).toBe(9);
    disk.setSpace(10 * SEGMENT_BYTES);
    await log.requestSpace();
    await Promise.all(appends);
    expect(log.spaceError).toBeUndefined();
    await log.close();
    const reopened = await open(disk);
    expect(reopened.recovered.last.index).toBe(9);
    await reopened.close();
  });

  test('a half made spare gives its space back', async () => {
    const disk = new FaultyDisk(new MemoryDisk());
    const log = await open(disk);
    disk.setSpace(5000);
    await log.append(entriesOf([4000]), none);
    await log.requestSpace();
    expect(log.spaceError).toContain('no space');
    expect(disk.spaceBytes).toBe(5000);
    await log.close();
  });

  test('a cut lets an append that waits for space go on', async () => {
    const disk = new FaultyDisk(new MemoryDisk());
    const log = await open(disk);
    const entries = entriesOf(Array.from({ length: 12 }, () => 4000));
    for (const entry of entries.slice(0, 7)) await log.append([entry], none);
    await log.requestSpace();
    disk.setSpace(0);
    const appends = entries.slice(7).map((entry) => log.append([entry], none));
    while (log.spaceError === undefined) await turn();
    const place = log.cutPlace(logIndex(7), 0) ?? 0;
    await log.cut(makeBase(entries[place - 1] as Entry));
    await Promise.all(appends);
    expectSame(await log.read(logIndex(place + 1), ALL), entries.slice(place));
    await log.close();
  });

  test('closing gives up appends that wait for space', async () => {
    const disk = new FaultyDisk(new MemoryDisk());
    disk.setSpace(SIDE_BYTES + 1_000);
    const log = await open(disk);
    const appended = log.append(entriesOf([10]), none);
    await turn();
    await log.close();
    await expect(appended).rejects.toMatchObject({ code: 'LOG_CLOSED' });
  });

  test('a new log without space for its mark is refused; one that was opened is found again', async () => {
    const memory = new MemoryDisk();
    const full = new FaultyDisk(memory);
    full.setSpace(1_000);
    await expect(open(full)).rejects.toMatchObject({ code: 'DISK_FULL' });
    full.setSpace(SIDE_BYTES + 1_000);
    await open(full);
    const image = memory.crashImage(new SeededRandom(1), { unsynced: 'lost' });
    const options = { directory: 'log', label: 'c/g0', segmentBytes: SEGMENT_BYTES };
    const timers = new ManualTimers();
    const log = await openSegmentedLog({ ...options, timers, disk: image, mustExist: true });
    expect(log.recovered.last.index).toBe(0);
    await log.close();
  });

  test('a mark whose name was not synced before a kill survives a power cut after the next start', async () => {
    const memory = new MemoryDisk();
    const disk = new FaultyDisk(memory, failNext('syncDirectory', 'IO', 'log'));
    await expect(open(disk)).rejects.toMatchObject({ code: 'IO' });
    const killed = memory.killImage();
    await open(killed);
    const image = killed.crashImage(new SeededRandom(1), { unsynced: 'lost' });
    const options = { directory: 'log', label: 'c/g0', segmentBytes: SEGMENT_BYTES };
    const timers = new ManualTimers();
    const log = await openSegmentedLog({ ...options, timers, disk: image, mustExist: true });
    await log.close();
  });

  test('a file system that writes elsewhere and is full delays an append, no more', async () => {
    const timers = new ManualTimers();
    const disk = new FaultyDisk(new MemoryDisk());
    const log = await open(disk, timers);
    const entries = entriesOf([10, 10]);
    await log.append(entries.slice(0, 1), none);
    disk.setHook(failNext('write', 'DISK_FULL'));
    const appended = log.append(entries.slice(1), none);
    for (let i = 0; i < 5; i++) await turn();
    expect(log.spaceError).toBeDefined();
    await log.requestSpace();
    await appended;
    await log.close();
  });

  test('a read-only file system is refused at open', async () => {
    const disk = new FaultyDisk(new MemoryDisk(), (operation) => {
      if (operation.kind === 'create') throw new DiskError('NOT_WRITABLE', 'read-only');
    });
    await expect(open(disk)).rejects.toMatchObject({ code: 'NOT_WRITABLE' });
  });
});

test('there is room at every step while the next segment is begun', async () => {
  const rooms: number[] = [];
  let log: SegmentedLog | undefined;
  const disk = new FaultyDisk(new MemoryDisk(), () => {
    if (log !== undefined) rooms.push(log.roomBytes);
  });
  log = await open(disk);
  const entries = entriesOf(Array.from({ length: 20 }, () => 3000));
  for (const entry of entries) {
    await log.requestSpace();
    await log.append([entry], none);
  }
  expect(log.sizeBytes).toBeGreaterThan(4 * SEGMENT_BYTES);
  expect(Math.min(...rooms)).toBeGreaterThan(3000);
  await log.close();
});

describe('a read', () => {
  test('that a cut overtakes gives the log before the cut or after it, never a mixture', async () => {
    const gate = new Gate();
    const disk = new FaultyDisk(new MemoryDisk());
    const log = await open(disk);
    const old = entriesOf(Array.from({ length: 20 }, () => 2000));
    await log.append(old, none);
    await log.requestSpace();
    for (const cutAt of [3, 6, 12]) {
      const before = await log.read(logIndex(1), ALL);
      disk.setHook(async ({ kind, path, offset }) => {
        if (kind === 'read' && path.includes('0001.log') && offset > 0) await gate.pass();
      });
      gate.close();
      const reading = log.read(logIndex(1), ALL);
      await turn();
      expect(gate.waiting).toBe(1);
      const lengths = Array.from({ length: 18 - cutAt }, () => 1000);
      const replacement = entriesOf(lengths, before[cutAt - 1], 2 + cutAt);
      await log.append(replacement, none);
      gate.open();
      expectSame(await reading, [...before.slice(0, cutAt), ...replacement]);
      disk.setHook(undefined);
    }
    await log.close();
  });
});

describe('segments', () => {
  test('are named after their first record and preallocated in full', async () => {
    const memory = new MemoryDisk();
    const log = await open(memory);
    for (const entry of entriesOf([5000, 5000, 5000, 100])) await log.append([entry], none);
    await log.requestSpace();
    const names = await memory.list('log');
    expect(names).toEqual([
      '00000000000000000001.log',
      '00000000000000000003.log',
      'base',
      'durable-mark',
      'durable-note',
      'spare',
    ]);
    for (const name of names) {
      if (name.endsWith('.log') || name === 'spare')
        expect(memory.peek(`log/${name}`).length).toBe(SEGMENT_BYTES);
    }
    expect(log.sizeBytes).toBe(3 * SEGMENT_BYTES + SIDE_BYTES);
    await log.close();
  });

  test('an append changes no file size', async () => {
    const disk = new FaultyDisk(new MemoryDisk());
    const log = await open(disk);
    disk.setSpace(0);
    for (const entry of entriesOf([500, 500, 500])) await log.append([entry], none);
    expect(disk.spaceBytes).toBe(0);
    await log.close();
  });

  test('may change their size with the configuration', async () => {
    const disk = new MemoryDisk();
    const entries = entriesOf(Array.from({ length: 12 }, () => 3000));
    for (const [i, segmentBytes] of [8192, 32768, 12288].entries()) {
      const timers = new ManualTimers();
      const log = await openSegmentedLog({
        disk,
        directory: 'log',
        label: 'c',
        timers,
        segmentBytes,
      });
      await log.append(entries.slice(i * 4, i * 4 + 4), none);
      expect((await log.read(logIndex(1), ALL)).length).toBe(i * 4 + 4);
      await log.close();
    }
  });

  test('a spare of an earlier run is used again, an unfinished one is removed', async () => {
    const memory = new MemoryDisk();
    await (await open(memory)).close();
    await (await memory.create('log/spare.tmp')).close();
    const seen: string[] = [];
    const disk = new FaultyDisk(memory, ({ kind, path }) => void seen.push(`${kind} ${path}`));
    const log = await open(disk);
    expect(seen).toContain('unlink log/spare.tmp');
    expect(seen).not.toContain('create log/spare.tmp');
    expect(log.roomBytes).toBe(SEGMENT_BYTES - 4096);
    await log.close();
  });
});

type Step =
  | { readonly kind: 'append'; readonly back: number; readonly lengths: readonly number[] }
  | { readonly kind: 'wait' }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'mark' }
  | { readonly kind: 'read'; readonly from: number; readonly maxBytes: number };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        back: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(12)),
        lengths: fc.array(fc.nat(2500), { minLength: 1, maxLength: 4 }),
      }),
    },
    fc.record({ kind: fc.constant('wait' as const) }),
    fc.record({ kind: fc.constant('reopen' as const) }),
    fc.record({ kind: fc.constant('mark' as const) }),
    fc.record({ kind: fc.constant('read' as const), from: fc.nat(40), maxBytes: fc.nat(5000) }),
  ),
  { maxLength: 25 },
);

test('any appends, cuts, reads and reopens give what a list of entries gives', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const disk = new MemoryDisk();
      const timers = new ManualTimers();
      let log = await open(disk, timers);
      let model: Entry[] = [];
      let pending: Promise<void>[] = [];
      let inTerm = 1;
      for (const step of script) {
        switch (step.kind) {
          case 'append': {
            const kept = Math.max(0, model.length - step.back);
            if (kept < model.length) inTerm += 1;
            model = model.slice(0, kept);
            const added = makeEntries(model.at(-1), inTerm, step.lengths.map(makeBody));
            model.push(...added);
            pending.push(log.append(added, none));
            break;
          }
          case 'wait':
            await Promise.all(pending.splice(0));
            break;
          case 'mark':
            timers.fire();
            break;
          case 'reopen':
            await log.close();
            log = await open(disk, timers);
            expect(log.recovered.last.index).toBe(model.length);
            expect(log.recovered.last.chain).toBe(model.at(-1)?.chain ?? 0);
            break;
          case 'read': {
            const found = await log.read(logIndex(step.from + 1), step.maxBytes);
            expectSame(found, cutByBytes(model.slice(step.from), step.maxBytes));
          }
        }
      }
      await Promise.all(pending);
      expectSame(await log.read(logIndex(1), ALL), model);
      for (const { index, term, chain } of model) {
        expect(await log.position(index)).toEqual({ term, chain });
      }
      pending = [];
      await log.close();
    }),
    { numRuns: 150 },
  );
}, 30_000);

function cutByBytes(entries: readonly Entry[], maxBytes: number): Entry[] {
  let bytes = 0;
  const end = entries.findIndex((entry, i) => i > 0 && (bytes += entry.body.length) > maxBytes);
  return entries.slice(0, end < 0 ? entries.length : end);
}

function expectSame(found: readonly Entry[], expected: readonly Entry[]): void {
  expect(found.map(({ chain }) => chain)).toEqual(expected.map(({ chain }) => chain));
  expect(found.every((entry, i) => equalBytes(entry.body, (expected[i] as Entry).body))).toBe(true);
}
