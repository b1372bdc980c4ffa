/**
 * The directory of segment files: `SegmentStore` over a `Disk`.
 *
 * A file becomes durable in this order: written under a temporary name, synced, renamed, directory
 * synced; only then does the manifest list it. So a file that the manifest does not list is left
 * over from a crash, whole or not, and is removed when the directory is opened.
 */
import { join } from 'node:path';
import {
  SegmentError,
  type SegmentMetadata,
  type SegmentOptions,
  type SegmentSource,
  type SegmentStore,
  type SharedMemtable,
} from '@kvstore/lsm';
import { DiskError, type Disk, type DiskFile } from '@kvstore/std';
import { SegmentFile } from './segment-file.ts';
import { SEGMENT_SUFFIX, segmentName, syncing } from './segment-names.ts';
import type { SegmentThread } from './segment-thread.ts';

const TEMPORARY_SUFFIX = `${SEGMENT_SUFFIX}.partial`;
/** One write call; the disk is free for others between two of them. */
const WRITE_BYTES = 1024 * 1024;

export class SegmentDirectory implements SegmentStore {
  readonly #disk: Disk;
  /** Absolute path of what `Disk` calls its root. */
  readonly #root: string;
  readonly #directory: string;
  /** Of whoever opened the directory: it outlives this. */
  readonly #thread: SegmentThread;
  #closed = false;

  constructor(disk: Disk, root: string, directory: string, thread: SegmentThread) {
    this.#disk = disk;
    this.#root = root;
    this.#directory = directory;
    this.#thread = thread;
  }

  /** Names of segment files, temporary ones included. */
  async files(): Promise<readonly string[]> {
    const names = await this.#disk.list(this.#directory);
    return names.filter((name) => name.endsWith(SEGMENT_SUFFIX) || name.endsWith(TEMPORARY_SUFFIX));
  }

  /** Creates the directory and removes every segment file that is not live. */
  async prepare(live: readonly SegmentMetadata[]): Promise<void> {
    await this.#disk.makeDirectory(this.#directory);
    const names = new Set(live.map(({ file }) => file));
    const orphans = (await this.files()).filter((name) => !names.has(name));
    for (const name of orphans) await this.#disk.unlink(this.#path(name));
    if (orphans.length > 0) await this.#disk.syncDirectory(this.#directory);
  }

  async write(memtable: SharedMemtable, options: SegmentOptions): Promise<SegmentMetadata> {
    const name = segmentName(options.id);
    const file = name + SEGMENT_SUFFIX;
    const { properties, bytes, sha256 } = await this.#thread.build(memtable, options);
    await this.#publish(bytes, name + TEMPORARY_SUFFIX, file);
    return { ...properties, file, bytes: bytes.length, sha256 };
  }

  hurry(): void {
    this.#thread.hurry();
  }

  async open({ file, bytes }: SegmentMetadata): Promise<SegmentSource> {
    const size = await this.#size(file);
    if (size !== bytes) {
      const detail = `has ${size} bytes, the manifest says ${bytes}`;
      throw new SegmentError('SEGMENT_CORRUPT', file, detail);
    }
    return new SegmentFile(this.#absolute(file), file);
  }

  async read({ file }: SegmentMetadata, offset: number, length: number): Promise<Uint8Array> {
    const handle = await this.#handle(file);
    try {
      return await handle.read(offset, length);
    } finally {
      await handle.close();
    }
  }

  /**
   * Reads whole files and compares their SHA-256 with the manifest's, in the worker thread, one at
   * a time. Rejects with `SegmentError` SEGMENT_CORRUPT at the first difference; resolves early
   * when the directory is closed.
   */
  async verify(segments: readonly SegmentMetadata[]): Promise<void> {
    for (const { file, sha256 } of segments) {
      if (this.#closed) return;
      let found: string;
      try {
        found = await this.#thread.hash(this.#absolute(file));
      } catch (error) {
        if (this.#closed) return;
        throw new SegmentError('SEGMENT_CORRUPT', file, 'cannot be read', error);
      }
      if (found !== sha256) {
        throw new SegmentError('SEGMENT_CORRUPT', file, `SHA-256 is ${found}, not ${sha256}`);
      }
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  async #publish(bytes: Uint8Array, temporary: string, file: string): Promise<void> {
    const path = this.#path(temporary);
    await this.#unlinkIfThere(path);
    try {
      const handle = await this.#disk.create(path);
      try {
        for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
          await handle.write(at, bytes.subarray(at, at + WRITE_BYTES));
        }
        await syncing(file, () => handle.sync());
      } finally {
        await handle.close();
      }
      await this.#disk.rename(path, this.#path(file));
      await syncing(file, () => this.#disk.syncDirectory(this.#directory));
    } catch (error) {
      // Why: on a full disk the half of a file would take the space that the next attempt needs.
      await this.#unlinkIfThere(path).catch(() => undefined);
      throw error;
    }
  }

  async #unlinkIfThere(path: string): Promise<void> {
    try {
      await this.#disk.unlink(path);
    } catch (error) {
      if (!(error instanceof DiskError && error.code === 'NOT_FOUND')) throw error;
    }
  }

  async #size(file: string): Promise<number> {
    const handle = await this.#handle(file);
    try {
      return await handle.size();
    } finally {
      await handle.close();
    }
  }

  async #handle(file: string): Promise<DiskFile> {
    try {
      return await this.#disk.open(this.#path(file));
    } catch (error) {
      if (!(error instanceof DiskError && error.code === 'NOT_FOUND')) throw error;
      throw new SegmentError(
        'SEGMENT_MISSING',
        file,
        'is listed in the manifest, but missing',
        error,
      );
    }
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }

  #absolute(name: string): string {
    return join(this.#root, this.#directory, name);
  }
}
