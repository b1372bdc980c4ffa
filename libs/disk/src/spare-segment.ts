/**
 * The next segment, made ahead of its need: a file of real zeros, written and synced, so that the
 * file system has given the blocks and an append can neither be refused for want of space nor
 * change any metadata. (A hole made by `truncate` promises nothing.)
 *
 * The file is written under the name `spare.tmp` and renamed to `spare` when it is whole: what is
 * found under that name at a start can be used at once.
 */
import { assert, DiskError } from '@kvstore/std';
import type { Disk, DiskFile } from '@kvstore/std';
import { LogError } from '@kvstore/sequencer';
import type { SpareFile } from './log-segment.ts';
import { joinPath } from './slot-file.ts';
import type { SpaceRetry } from './space-retry.ts';

const SPARE = 'spare';
const UNFINISHED = 'spare.tmp';
/** Synced one by one, so that an append's sync never queues behind more than this. */
const CHUNK_BYTES = 1 << 20;

export interface SpareSegmentOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly segmentBytes: number;
  readonly retry: SpaceRetry;
}

export class SpareSegment {
  readonly #options: SpareSegmentOptions;
  #ready: SpareFile | undefined;
  #filling: Promise<void> | undefined;
  #stopped = false;

  constructor(options: SpareSegmentOptions) {
    this.#options = options;
  }

  /** Bytes that are certainly there for the next segment, its header included; 0 while there is none. */
  get readyBytes(): number {
    return this.#ready?.bytes ?? 0;
  }

  /** Takes over what an earlier run left. Call once, first. */
  async adopt(): Promise<void> {
    const { disk, directory, segmentBytes } = this.#options;
    const names = await disk.list(directory);
    if (names.includes(UNFINISHED)) await disk.unlink(joinPath(directory, UNFINISHED));
    if (!names.includes(SPARE)) return;
    const path = joinPath(directory, SPARE);
    const file = await disk.open(path);
    const bytes = await file.size();
    if (bytes === segmentBytes) {
      this.#ready = { path, file, bytes };
      return;
    }
    await file.close();
    await disk.unlink(path);
  }

  /** Resolves when a spare is ready, however long the file system refuses. */
  prepare(): Promise<void> {
    if (this.#ready !== undefined) return Promise.resolve();
    this.#filling ??= this.#options.retry
      .run(() => this.#fill())
      .finally(() => {
        this.#filling = undefined;
      });
    return this.#filling;
  }

  async take(): Promise<SpareFile> {
    await this.prepare();
    const spare = this.#ready;
    assert(spare !== undefined, 'a prepared spare is ready');
    this.#ready = undefined;
    return spare;
  }

  async close(): Promise<void> {
    this.#stopped = true;
    await this.#filling?.catch(() => undefined);
    await this.#ready?.file.close();
    this.#ready = undefined;
  }

  async #fill(): Promise<void> {
    const { disk, directory, segmentBytes } = this.#options;
    const unfinished = joinPath(directory, UNFINISHED);
    const path = joinPath(directory, SPARE);
    const file = await disk.create(unfinished);
    try {
      await this.#writeZeros(file);
      await disk.rename(unfinished, path);
    } catch (error) {
      await this.#discard(file, unfinished);
      throw error;
    }
    this.#ready = { path, file, bytes: segmentBytes };
  }

  async #writeZeros(file: DiskFile): Promise<void> {
    const { segmentBytes } = this.#options;
    const zeros = new Uint8Array(Math.min(CHUNK_BYTES, segmentBytes));
    for (let at = 0; at < segmentBytes; at += zeros.length) {
      if (this.#stopped) throw new LogError('LOG_CLOSED', 'the log was closed');
      await file.write(at, zeros.subarray(0, Math.min(zeros.length, segmentBytes - at)));
      await file.sync();
    }
  }

  /** Gives the space back: whoever else needs it, needs it more than half a spare. */
  async #discard(file: DiskFile, path: string): Promise<void> {
    try {
      await file.close();
      await this.#options.disk.unlink(path);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }
}
