import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { NodeDisk } from '@kvstore/disk';
import { Memtable, type SegmentOptions } from '@kvstore/lsm';
import { DiskError, encodeUtf8 } from '@kvstore/std';
import { FaultyDisk, positionAt, type DiskOperationKind } from '@kvstore/testing';
import { removeTemporaryRoots, temporaryRoot } from './engine.test-support.ts';
import { SegmentDirectory } from './segment-directory.ts';
import { SegmentThread } from './segment-thread.ts';

const threads: SegmentThread[] = [];

afterAll(async () => {
  for (const thread of threads) await thread.close();
  removeTemporaryRoots();
});

const options: SegmentOptions = {
  id: 1,
  label: 'label',
  level: 0,
  position: positionAt(1),
  blockBytes: 4_096,
};

function memtable(): Memtable {
  const filled = new Memtable(() => 0);
  for (let i = 0; i < 100; i++) filled.put(encodeUtf8(`key ${i}`), new Uint8Array(100).fill(i));
  return filled;
}

function open(): { readonly directory: SegmentDirectory; readonly disk: FaultyDisk } {
  const root = temporaryRoot();
  mkdirSync(join(root, 'segments'));
  const disk = new FaultyDisk(new NodeDisk(root));
  const thread = new SegmentThread();
  threads.push(thread);
  return { directory: new SegmentDirectory(disk, root, 'segments', thread), disk };
}

describe('writing a segment', () => {
  test('syncs the file before its name, and its name before it returns', async () => {
    const { directory, disk } = open();
    const steps: string[] = [];
    disk.setHook(({ kind, path }) => void steps.push(`${kind} ${path}`));
    await directory.write(memtable().share(), options);
    expect(steps.slice(1)).toEqual([
      'create segments/000000000001.segment.partial',
      'write segments/000000000001.segment.partial',
      'sync segments/000000000001.segment.partial',
      'close segments/000000000001.segment.partial',
      'rename segments/000000000001.segment.partial',
      'syncDirectory segments',
    ]);
    await directory.close();
  });

  test.each<[DiskOperationKind]>([['create'], ['write'], ['rename']])(
    'whose %s fails leaves no file, and succeeds when tried again',
    async (failing) => {
      const { directory, disk } = open();
      disk.setHook(({ kind }) => {
        if (kind === failing) throw new DiskError('DISK_FULL', 'no space');
      });
      await expect(directory.write(memtable().share(), options)).rejects.toMatchObject({
        code: 'DISK_FULL',
      });
      expect(await directory.files()).toEqual([]);
      disk.setHook(undefined);
      const metadata = await directory.write(memtable().share(), options);
      expect(await directory.files()).toEqual(['000000000001.segment']);
      await directory.verify([metadata]);
      (await directory.open(metadata)).close();
      await directory.close();
    },
  );

  test.each<[DiskOperationKind]>([['sync'], ['syncDirectory']])(
    'whose %s fails must end the process',
    async (failing) => {
      const { directory, disk } = open();
      disk.setHook(({ kind }) => {
        if (kind === failing) throw new DiskError('IO', 'fsync');
      });
      await expect(directory.write(memtable().share(), options)).rejects.toMatchObject({
        code: 'SYNC_FAILED',
      });
      await directory.close();
    },
  );
});

describe('the segment thread', () => {
  test('runs tasks in turn, and a task that fails fails alone', async () => {
    const thread = new SegmentThread();
    const empty = new Memtable(() => 0).share();
    const results = await Promise.allSettled([
      thread.build(memtable().share(), options),
      thread.build(empty, options),
      thread.hash('/nowhere/at/all'),
      thread.build(memtable().share(), options),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    await thread.close();
    await thread.close();
    await expect(thread.hash(__filename)).rejects.toMatchObject({ code: 'SEGMENT_THREAD_FAILED' });
  });

  test('is closed under a running task, which fails', async () => {
    const thread = new SegmentThread();
    const running = expect(thread.build(memtable().share(), options)).rejects.toMatchObject({
      code: 'SEGMENT_THREAD_FAILED',
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await thread.close();
    await running;
  });
});
