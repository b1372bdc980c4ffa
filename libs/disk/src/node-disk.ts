/**
 * The `Disk` port over the file system of the machine, rooted at one directory.
 *
 * Every call goes through the thread pool: a disk that stalls holds up a thread, never the event
 * loop (a synchronous `pwrite` may sleep in the kernel on a journal commit or on a page under
 * write-back). Files are 0600, directories 0700.
 *
 * Invariants
 *   1. `write` either writes all bytes or fails: short writes are continued.
 *   2. After a failed `sync` the file takes no further write and no further sync: a later success
 *      would say nothing about the pages that the kernel has dropped.
 *   3. No path leaves the root.
 */
import * as nodeFileSystem from 'node:fs';
import { dirname, join } from 'node:path';
import { assert, DiskError } from '@kvstore/std';
import type { Disk, DiskErrorCode, DiskFile } from '@kvstore/std';

/** The calls of node:fs that are used, so that tests can make them misbehave. */
export type FileSystemCalls = Pick<
  typeof nodeFileSystem,
  | 'open'
  | 'close'
  | 'read'
  | 'write'
  | 'fstat'
  | 'ftruncate'
  | 'fdatasync'
  | 'fsync'
  | 'rename'
  | 'unlink'
  | 'readdir'
  | 'mkdir'
>;

export class NodeDisk implements Disk {
  readonly #root: string;
  readonly #calls: FileSystemCalls;

  /** `root` is created by `makeDirectory('')` when it does not exist; its parent must exist. */
  constructor(root: string, calls: FileSystemCalls = nodeFileSystem) {
    this.#root = root;
    this.#calls = calls;
  }

  open(path: string): Promise<DiskFile> {
    return this.#openFile(path, 'r+');
  }

  create(path: string): Promise<DiskFile> {
    return this.#openFile(path, 'wx+');
  }

  rename(from: string, to: string): Promise<void> {
    const [source, target] = [this.#resolve(from), this.#resolve(to)];
    return call(`rename ${from} to ${to}`, (done) => this.#calls.rename(source, target, done));
  }

  unlink(path: string): Promise<void> {
    const absolute = this.#resolve(path);
    return call(`unlink ${path}`, (done) => this.#calls.unlink(absolute, done));
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#syncAbsolute(this.#resolve(directory));
  }

  async list(directory: string): Promise<readonly string[]> {
    const absolute = this.#resolve(directory);
    try {
      const names = await call<string[]>(`list ${directory}`, (done) =>
        this.#calls.readdir(absolute, done),
      );
      return names.sort();
    } catch (error) {
      if (error instanceof DiskError && error.code === 'NOT_FOUND') return [];
      throw error;
    }
  }

  async makeDirectory(directory: string): Promise<void> {
    await this.#makeRoot();
    let path = this.#root;
    for (const part of checkedParts(directory)) {
      const parent = path;
      path = join(path, part);
      await this.#makeOne(path);
      // Why also for a directory that exists: whoever made it may have been killed before this.
      await this.#syncAbsolute(parent);
    }
  }

  /** The parent of a root that somebody else made may be closed to this process. */
  async #makeRoot(): Promise<void> {
    const made = await this.#makeOne(this.#root);
    try {
      await this.#syncAbsolute(dirname(this.#root));
    } catch (error) {
      if (made || !(error instanceof DiskError && error.code === 'NOT_WRITABLE')) throw error;
    }
  }

  /** False when it existed. */
  async #makeOne(absolute: string): Promise<boolean> {
    try {
      await call<unknown>(`make directory ${absolute}`, (done) =>
        this.#calls.mkdir(absolute, { mode: 0o700 }, done),
      );
      return true;
    } catch (error) {
      if (!(error instanceof DiskError && error.code === 'EXISTS')) throw error;
      return false;
    }
  }

  async #syncAbsolute(absolute: string): Promise<void> {
    const descriptor = await call<number>(`open directory ${absolute}`, (done) =>
      this.#calls.open(absolute, 'r', done),
    );
    try {
      await call(`sync directory ${absolute}`, (done) => this.#calls.fsync(descriptor, done));
    } finally {
      await call(`close directory ${absolute}`, (done) => this.#calls.close(descriptor, done));
    }
  }

  async #openFile(path: string, flags: 'r+' | 'wx+'): Promise<DiskFile> {
    const absolute = this.#resolve(path);
    const descriptor = await call<number>(`open ${path}`, (done) =>
      this.#calls.open(absolute, flags, 0o600, done),
    );
    return new NodeFile(path, descriptor, this.#calls);
  }

  #resolve(path: string): string {
    return join(this.#root, ...checkedParts(path));
  }
}

class NodeFile implements DiskFile {
  readonly path: string;
  readonly #descriptor: number;
  readonly #calls: FileSystemCalls;
  #syncFailure: DiskError | undefined;
  #closed = false;

  constructor(path: string, descriptor: number, calls: FileSystemCalls) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#calls = calls;
  }

  async size(): Promise<number> {
    this.#assertOpen();
    const stats = await call<nodeFileSystem.Stats>(`stat ${this.path}`, (done) =>
      this.#calls.fstat(this.#descriptor, done),
    );
    return stats.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      this.#assertOpen();
      const count = await this.#transfer('read', bytes, filled, offset);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      this.#assertOpen();
      this.#assertSyncable();
      const count = await this.#transfer('write', bytes, written, offset);
      if (count === 0) throw new DiskError('IO', `write ${this.path}: nothing written`);
      written += count;
    }
  }

  async truncate(length: number): Promise<void> {
    this.#assertOpen();
    this.#assertSyncable();
    await call(`truncate ${this.path}`, (done) =>
      this.#calls.ftruncate(this.#descriptor, length, done),
    );
  }

  async sync(): Promise<void> {
    this.#assertOpen();
    this.#assertSyncable();
    try {
      await call(`sync ${this.path}`, (done) => this.#calls.fdatasync(this.#descriptor, done));
    } catch (error) {
      if (error instanceof DiskError) this.#syncFailure = error;
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await call(`close ${this.path}`, (done) => this.#calls.close(this.#descriptor, done));
  }

  /** One system call for the bytes from `done` on; asked again when it was interrupted. */
  async #transfer(
    name: 'read' | 'write',
    bytes: Uint8Array,
    done: number,
    offset: number,
  ): Promise<number> {
    const rest = bytes.length - done;
    for (;;) {
      try {
        return await call<number>(`${name} ${this.path}`, (finish) => {
          if (name === 'read') {
            this.#calls.read(this.#descriptor, bytes, done, rest, offset + done, finish);
          } else {
            this.#calls.write(this.#descriptor, bytes, done, rest, offset + done, finish);
          }
        });
      } catch (error) {
        if (!isInterruption(error)) throw error;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }

  #assertOpen(): void {
    // Why: the number of a closed descriptor may belong to another file by now.
    if (this.#closed) throw new DiskError('IO', `${this.path} is closed`);
  }

  #assertSyncable(): void {
    if (this.#syncFailure === undefined) return;
    throw new DiskError('IO', `${this.path}: an earlier sync failed`, this.#syncFailure);
  }
}

type Callback<Result> = (error: NodeJS.ErrnoException | null, result?: Result) => void;

function call<Result = void>(
  what: string,
  start: (done: Callback<Result>) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error === null) resolve(result as Result);
      else reject(new DiskError(codeOf(error), `${what}: ${error.message}`, error));
    });
  });
}

const CODES: ReadonlyMap<string, DiskErrorCode> = new Map([
  ['ENOSPC', 'DISK_FULL'],
  ['EDQUOT', 'DISK_FULL'],
  ['EACCES', 'NOT_WRITABLE'],
  ['EPERM', 'NOT_WRITABLE'],
  ['EROFS', 'NOT_WRITABLE'],
  ['ENOENT', 'NOT_FOUND'],
  ['EEXIST', 'EXISTS'],
]);

function codeOf(error: NodeJS.ErrnoException): DiskErrorCode {
  return CODES.get(error.code ?? '') ?? 'IO';
}

function isInterruption(error: unknown): boolean {
  if (!(error instanceof DiskError)) return false;
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'EINTR' || code === 'EAGAIN';
}

function checkedParts(path: string): string[] {
  assert(!path.startsWith('/') && !path.includes('\0'), 'a disk path is relative to its root');
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  assert(!parts.includes('..'), 'a disk path stays below its root');
  return parts;
}
