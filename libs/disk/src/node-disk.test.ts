import * as nodeFileSystem from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DiskErrorCode } from '@kvstore/std';
import { NodeDisk } from './node-disk.ts';
import type { FileSystemCalls } from './node-disk.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'kvstore-disk-'));
});
afterEach(() => rm(root, { recursive: true }));

type Callback = (error: NodeJS.ErrnoException | null, result?: unknown) => void;

function errno(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected`), { code });
}

/** node:fs with some calls replaced; the last argument of each call is its callback. */
function misbehaving(replaced: Partial<Record<keyof FileSystemCalls, unknown>>): FileSystemCalls {
  return { ...nodeFileSystem, ...replaced } as FileSystemCalls;
}

function failing(code: string): (...rest: unknown[]) => void {
  return (...rest) => (rest.at(-1) as Callback)(errno(code));
}

test('files are 0600, directories 0700', async () => {
  const disk = new NodeDisk(join(root, 'data'));
  await disk.makeDirectory('a/b');
  await (await disk.create('a/b/file')).close();
  const mode = async (path: string): Promise<number> =>
    (await stat(join(root, 'data', path))).mode & 0o777;
  expect([await mode('a/b/file'), await mode('a/b'), await mode('a')]).toEqual([
    0o600, 0o700, 0o700,
  ]);
});

test.each<[string, DiskErrorCode]>([
  ['ENOSPC', 'DISK_FULL'],
  ['EDQUOT', 'DISK_FULL'],
  ['EACCES', 'NOT_WRITABLE'],
  ['EROFS', 'NOT_WRITABLE'],
  ['EPERM', 'NOT_WRITABLE'],
  ['ENOENT', 'NOT_FOUND'],
  ['EEXIST', 'EXISTS'],
  ['EIO', 'IO'],
  ['EMFILE', 'IO'],
])('%s is %s, with its cause', async (code, expected) => {
  const disk = new NodeDisk(root, misbehaving({ write: failing(code) }));
  const file = await disk.create('file');
  await expect(file.write(0, new Uint8Array(1))).rejects.toMatchObject({
    code: expected,
    cause: { code },
    message: expect.stringContaining('write file'),
  });
  await file.close();
});

test('short writes are continued, interrupted ones repeated', async () => {
  let calls = 0;
  const disk = new NodeDisk(
    root,
    misbehaving({
      write: (
        descriptor: number,
        bytes: Uint8Array,
        from: number,
        length: number,
        offset: number,
        done: Callback,
      ) => {
        calls += 1;
        if (calls % 3 === 0) done(errno(calls % 2 === 0 ? 'EINTR' : 'EAGAIN'));
        else nodeFileSystem.write(descriptor, bytes, from, Math.min(length, 7), offset, done);
      },
    }),
  );
  const file = await disk.create('file');
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  await file.write(3, bytes);
  expect(calls).toBeGreaterThan(15);
  expect(await file.read(3, 100)).toEqual(bytes);
  await file.close();
});

test('short reads are continued up to the end of the file', async () => {
  const disk = new NodeDisk(
    root,
    misbehaving({
      read: (
        descriptor: number,
        bytes: Uint8Array,
        from: number,
        length: number,
        offset: number,
        done: Callback,
      ) => nodeFileSystem.read(descriptor, bytes, from, Math.min(length, 3), offset, done),
    }),
  );
  const file = await disk.create('file');
  await file.write(0, Uint8Array.from([1, 2, 3, 4, 5, 6, 7]));
  expect(await file.read(1, 99)).toEqual(Uint8Array.from([2, 3, 4, 5, 6, 7]));
  await file.close();
});

test('a write that writes nothing fails instead of going round', async () => {
  const write = (...rest: unknown[]): void => (rest.at(-1) as Callback)(null, 0);
  const file = await new NodeDisk(root, misbehaving({ write })).create('file');
  await expect(file.write(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'IO' });
  await file.close();
});

test('after a failed sync the file takes no write and no sync any more', async () => {
  let syncs = 0;
  const fdatasync = (descriptor: number, done: Callback): void => {
    syncs += 1;
    if (syncs === 1) done(errno('EIO'));
    else nodeFileSystem.fdatasync(descriptor, done);
  };
  const file = await new NodeDisk(root, misbehaving({ fdatasync })).create('file');
  await file.write(0, new Uint8Array(1));
  await expect(file.sync()).rejects.toMatchObject({ code: 'IO' });
  await expect(file.sync()).rejects.toMatchObject({ code: 'IO' });
  await expect(file.write(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'IO' });
  expect(syncs).toBe(1);
  await file.close();
});

test('makeDirectory syncs every parent, also of directories that exist', async () => {
  const opened: string[] = [];
  const open = (path: string, ...rest: unknown[]): void => {
    opened.push(path);
    (nodeFileSystem.open as (...all: unknown[]) => void)(path, ...rest);
  };
  const data = join(root, 'data');
  const disk = new NodeDisk(data, misbehaving({ open }));
  for (let round = 0; round < 2; round++) {
    opened.length = 0;
    await disk.makeDirectory('a/b');
    expect(opened).toEqual([root, data, join(data, 'a')]);
  }
});

test('the parent of an existing root may be closed to this process', async () => {
  const open = (path: string, ...rest: unknown[]): void => {
    if (path === join(root, '..')) (rest.at(-1) as Callback)(errno('EACCES'));
    else (nodeFileSystem.open as (...all: unknown[]) => void)(path, ...rest);
  };
  const disk = new NodeDisk(root, misbehaving({ open }));
  await disk.makeDirectory('a');
  expect(await disk.list('')).toEqual(['a']);
});

test('no path leaves the root', async () => {
  const disk = new NodeDisk(root);
  for (const path of ['../x', 'a/../../x', '/etc/x', 'a\0b']) {
    await expect(disk.open(path)).rejects.toThrow('path');
  }
});
