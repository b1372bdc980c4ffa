/**
 * The directory of files that are received from another storage: `IncomingFiles` over a `Disk`.
 *
 * A file grows under the name of its SHA-256. Once it is synced and its SHA-256 is right it is renamed,
 * so a whole one is verified whatever happened since; a partial one may hold anything after a power
 * cut, and is verified when it is whole. Adopted files move among the segments before the manifest
 * lists them: until then they are orphans like those of a flush.
 */
import { join } from 'node:path';
import type { IncomingFiles, SegmentMetadata, SnapshotSegment } from '@kvstore/lsm';
import { DiskError, type Disk, type DiskFile } from '@kvstore/std';
import { SEGMENT_SUFFIX, segmentName, syncing } from './segment-names.ts';
import type { SegmentThread } from './segment-thread.ts';

const PARTIAL = '.partial';
const WHOLE = '.whole';

export interface IncomingDirectoryOptions {
  readonly disk: Disk;
  /** Absolute path of the root of `disk`. */
  readonly root: string;
  readonly directory: string;
  /** The directory of live segments. */
  readonly segments: string;
  readonly thread: SegmentThread;
}

export class IncomingDirectory implements IncomingFiles {
  readonly #options: IncomingDirectoryOptions;

  constructor(options: IncomingDirectoryOptions) {
    this.#options = options;
  }

  async prepare(segments: readonly SnapshotSegment[]): Promise<readonly number[]> {
    const { disk, directory } = this.#options;
    await disk.makeDirectory(directory);
    const wanted = new Map(segments.map((segment) => [segment.sha256, segment]));
    const here = new Map<string, number>();
    for (const name of await disk.list(directory)) {
      const sha256 = name.slice(0, name.indexOf('.'));
      const size = (await this.#size(name)) ?? 0;
      const bytes = wanted.get(sha256)?.bytes ?? 0;
      const isUsable = name.endsWith(WHOLE) ? size === bytes : size <= bytes;
      if (isUsable && bytes > 0) here.set(sha256, Math.max(size, here.get(sha256) ?? 0));
      else await disk.unlink(this.#path(name));
    }
    return segments.map(({ sha256 }) => here.get(sha256) ?? 0);
  }

  async write({ sha256 }: SnapshotSegment, offset: number, bytes: Uint8Array): Promise<void> {
    const path = this.#path(sha256 + PARTIAL);
    const file = await this.#openOrCreate(path);
    try {
      await file.write(offset, bytes);
    } finally {
      await file.close();
    }
  }

  async finish(segment: SnapshotSegment): Promise<boolean> {
    const { disk, directory } = this.#options;
    const [partial, whole] = [segment.sha256 + PARTIAL, segment.sha256 + WHOLE];
    if ((await this.#size(whole)) === segment.bytes) return true;
    const file = await disk.open(this.#path(partial));
    try {
      await syncing(partial, () => file.sync());
    } finally {
      await file.close();
    }
    if (!(await this.#isSound(partial, segment))) {
      await disk.unlink(this.#path(partial));
      return false;
    }
    await disk.rename(this.#path(partial), this.#path(whole));
    await syncing(whole, () => disk.syncDirectory(directory));
    return true;
  }

  async adopt(segments: readonly SnapshotSegment[]): Promise<readonly SegmentMetadata[]> {
    const { disk, directory, segments: target } = this.#options;
    const taken = new Set(await disk.list(target));
    const adopted: SegmentMetadata[] = [];
    for (const segment of segments) {
      const file = freeName(segment.id, taken);
      taken.add(file);
      await disk.rename(this.#path(segment.sha256 + WHOLE), `${target}/${file}`);
      adopted.push({ ...segment, file });
    }
    await syncing(target, () => disk.syncDirectory(target));
    await syncing(directory, () => disk.syncDirectory(directory));
    return adopted;
  }

  async clear(): Promise<void> {
    const { disk, directory } = this.#options;
    for (const name of await disk.list(directory)) await disk.unlink(this.#path(name));
  }

  async #isSound(name: string, { bytes, sha256 }: SnapshotSegment): Promise<boolean> {
    if ((await this.#size(name)) !== bytes) return false;
    const { root, directory } = this.#options;
    return (await this.#options.thread.hash(join(root, directory, name))) === sha256;
  }

  /** Undefined when there is no such file. */
  async #size(name: string): Promise<number | undefined> {
    let file: DiskFile;
    try {
      file = await this.#options.disk.open(this.#path(name));
    } catch (error) {
      if (error instanceof DiskError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
    try {
      return await file.size();
    } finally {
      await file.close();
    }
  }

  async #openOrCreate(path: string): Promise<DiskFile> {
    const { disk } = this.#options;
    try {
      return await disk.open(path);
    } catch (error) {
      if (!(error instanceof DiskError && error.code === 'NOT_FOUND')) throw error;
      return disk.create(path);
    }
  }

  #path(name: string): string {
    return `${this.#options.directory}/${name}`;
  }
}

/** The segment's name, with a number when the old state has a file of that name. */
function freeName(id: number, taken: ReadonlySet<string>): string {
  const name = segmentName(id);
  for (let copy = 0; ; copy++) {
    const file = copy === 0 ? name + SEGMENT_SUFFIX : `${name}-${copy}${SEGMENT_SUFFIX}`;
    if (!taken.has(file)) return file;
  }
}
