/**
 * The files of a log: its segments, oldest first, and the base before the first of them. What the
 * base makes superfluous is deleted after the base is durable, never before.
 */
import { assert } from '@kvstore/std';
import type { Disk, LogIndex } from '@kvstore/std';
import type { LogBase } from '@kvstore/raft';
import { basePosition } from './log-base-file.ts';
import type { LogBaseFile } from './log-base-file.ts';
import { firstToKeep } from './log-segment.ts';
import type { LogSegment } from './log-segment.ts';
import type { SpaceRetry } from './space-retry.ts';

export interface SegmentFilesOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly retry: SpaceRetry;
}

export class SegmentFiles {
  readonly #options: SegmentFilesOptions;
  readonly #baseFile: LogBaseFile;
  #segments: readonly LogSegment[];
  #bytes: number;

  constructor(
    options: SegmentFilesOptions,
    baseFile: LogBaseFile,
    segments: readonly LogSegment[],
  ) {
    this.#options = options;
    this.#baseFile = baseFile;
    this.#segments = segments;
    this.#bytes = segments.reduce((sum, { bytes }) => sum + bytes, baseFile.bytes);
  }

  get newest(): LogSegment | undefined {
    return this.#segments.at(-1);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get baseIndex(): LogIndex {
    return basePosition(this.#baseFile.stored).index;
  }

  add(segment: LogSegment): void {
    const follows = this.newest === undefined || this.newest.firstSequence < segment.firstSequence;
    assert(follows, 'two segments of one name');
    this.#segments = [...this.#segments, segment];
    this.#bytes += segment.bytes;
  }

  /** See `LogStore.cutPlace`. `activeBytes`: used of the newest segment. */
  cutPlace(limit: LogIndex, keptBytes: number, activeBytes: number): LogIndex | undefined {
    const first = firstToKeep(this.#segments, activeBytes, limit, keptBytes);
    return first === undefined || first.previous.index <= this.baseIndex
      ? undefined
      : first.previous.index;
  }

  /**
   * `base` is right before one of the segments; that one and those after it stay. Between its
   * durability and the deletion of files `onDurable` takes them out of use.
   */
  async cut(base: LogBase, onDurable: (first: LogSegment) => void): Promise<void> {
    const isFirst = ({ previous }: LogSegment): boolean => previous.index === base.position.index;
    // Why the last of them: a segment that was begun, then replaced whole, leaves one like it.
    const first = this.#segments.findLast(isFirst);
    assert(first !== undefined, 'a cut within a segment');
    assert(first.previous.chain === base.position.chain, 'a cut at another chain');
    await this.#save(base, first.firstSequence);
    onDurable(first);
    await this.#dropBefore(first.firstSequence);
  }

  /**
   * All of the log goes. `onDurable` is told with which record goes on what would have gone on with
   * record `nextSequence`.
   */
  async install(
    base: LogBase,
    nextSequence: number,
    onDurable: (firstSequence: number) => void,
  ): Promise<void> {
    // Why one is left out: an empty segment has that record's name, and must be told from the next.
    const isTailEmpty = this.newest?.firstSequence === nextSequence;
    const firstSequence = isTailEmpty ? nextSequence + 1 : nextSequence;
    await this.#save(base, firstSequence);
    onDurable(firstSequence);
    await this.#dropBefore(firstSequence);
    assert(this.#segments.length === 0, 'a segment is left before an installed base');
  }

  close(): Promise<void> {
    return this.#baseFile.close();
  }

  async #save(base: LogBase, firstSequence: number): Promise<void> {
    await this.#options.retry.run(() => this.#baseFile.save({ base, firstSequence }));
  }

  async #dropBefore(sequence: number): Promise<void> {
    const { disk, directory } = this.#options;
    const isBefore = ({ firstSequence }: LogSegment): boolean => firstSequence < sequence;
    const gone = this.#segments.filter(isBefore);
    this.#segments = this.#segments.filter((segment) => !isBefore(segment));
    for (const { path, bytes } of gone) {
      await disk.unlink(path);
      this.#bytes -= bytes;
    }
    await disk.syncDirectory(directory);
  }
}
