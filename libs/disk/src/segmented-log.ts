/**
 * The durable log of one group on append-only segment files: the `LogStore` of production.
 *
 * Invariants
 *   1. Nothing written is ever overwritten. A conflicting suffix is cut off by the records that
 *      take its place: they come later in the files, and the later record of an index wins.
 *   2. One group at a time: one write, one sync, then the index, then the promises, in order. So
 *      everything before a group is durable when it is written, and its records say so (`synced`).
 *   3. A group lies within one segment, and a segment is begun only when everything before it is
 *      durable.
 *   4. Bytes counted in `roomBytes` are allocated blocks of zeros.
 *   5. After the first failure of a write or sync nothing is written and nothing resolves.
 *   6. A file is deleted only when a base at or above all of its entries is durable.
 *
 * How it is opened is in `open-segmented-log.ts`, which files there are in `segment-files.ts`.
 */
import { assert, DiskError, logIndex } from '@kvstore/std';
import type { Chain, Disk, DiskFile, LogIndex, Term, Timer, Timers } from '@kvstore/std';
import { TermSpans } from '@kvstore/raft';
import type { Entry, LogBase } from '@kvstore/raft';
import { LogError } from '@kvstore/sequencer';
import type { LogStore, RecoveredLog } from '@kvstore/sequencer';
import { AppendQueue } from './append-queue.ts';
import type { DurableMark } from './durable-mark.ts';
import type { EntryIndex } from './entry-index.ts';
import type { DurableNote } from './durable-note.ts';
import { EntryCollector, readEntries } from './entry-reader.ts';
import { GroupBuffer } from './group-buffer.ts';
import type { LogBaseFile } from './log-base-file.ts';
import { BODY_BYTES_MAX, RECORD_BYTES_MAX, recordBytes } from './log-record.ts';
import type { RecoveredSegments } from './log-recovery.ts';
import { beginSegment } from './log-segment.ts';
import type { LogSegment } from './log-segment.ts';
import { SegmentFiles } from './segment-files.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { SLOT_BYTES } from './slot-file.ts';
import { SpaceRetry } from './space-retry.ts';
import { SpareSegment } from './spare-segment.ts';

export interface SegmentedLogOptions {
  readonly disk: Disk;
  /** Made when it does not exist; holds nothing else. */
  readonly directory: string;
  /** Cluster and group: files of another one are refused. At most 255 bytes. */
  readonly label: string;
  readonly timers: Timers;
  /** Size of new segment files, a multiple of 4,096. Default 16 MiB. */
  readonly segmentBytes?: number;
  /** True when this log has held entries before: then an empty directory is damage. */
  readonly mustExist?: boolean;
  /**
   * Called when something that had been durable cannot be read, before anything is written: when it
   * resolves, the log goes on with what comes before the damage. Default: damage ends the open.
   */
  readonly onDamage?: (error: LogError) => Promise<void>;
}

/** The durable mark follows the log within this time. */
const MARK_DELAY_MS = 200;

/** The small files beside the segments. */
export interface SideFiles {
  readonly mark: DurableMark;
  readonly note: DurableNote;
  readonly base: LogBaseFile;
}

interface ActiveSegment {
  readonly segment: LogSegment;
  readonly file: DiskFile;
  /** Where the next record goes. */
  offset: number;
}

export class SegmentedLog implements LogStore {
  readonly recovered: RecoveredLog;
  readonly #options: SegmentedLogOptions & { readonly segmentBytes: number };
  readonly #retry: SpaceRetry;
  readonly #spare: SpareSegment;
  readonly #index: EntryIndex;
  readonly #files: SegmentFiles;
  readonly #queue = new AppendQueue();
  readonly #group = new GroupBuffer();
  /**
   * Terms and last index with all that waits carried out. Why terms, which nobody asks for: one that
   * goes back is refused here, before it is written.
   */
  readonly #terms: TermSpans;
  #lastIndex: LogIndex;
  #nextSequence: number;
  #active: ActiveSegment | undefined;
  /** Size of the segment that is being begun: no spare any more, and not active yet. */
  #beginningBytes = 0;
  readonly #tailOffset: number;
  readonly #note: DurableNote;
  readonly #mark: DurableMark;
  #markTimer: Timer | undefined;
  #marking: Promise<void> = Promise.resolve();
  #pumping: Promise<void> | undefined;
  /** Cuts and installations, one after the other. */
  #rebasing: Promise<void> = Promise.resolve();
  #failure: unknown;
  #closing: Promise<void> | undefined;

  constructor(
    options: SegmentedLogOptions & { readonly segmentBytes: number },
    recovered: RecoveredSegments,
    { mark, note, base }: SideFiles,
    damage: string | undefined,
  ) {
    this.#options = options;
    this.#retry = new SpaceRetry(options.timers);
    this.#spare = new SpareSegment({ ...options, retry: this.#retry });
    this.#index = recovered.index;
    this.#files = new SegmentFiles({ ...options, retry: this.#retry }, base, recovered.segments);
    this.#terms = new TermSpans(recovered.index.base, recovered.index.spans);
    this.#lastIndex = recovered.index.last.index;
    this.#nextSequence = recovered.nextSequence;
    this.#tailOffset = recovered.tailOffset;
    this.#mark = mark;
    this.#note = note;
    this.recovered = {
      base: base.stored.base,
      last: recovered.index.last,
      spans: [...recovered.index.spans],
      configurations: [...recovered.index.configurations],
      cut: recovered.cut,
      damage,
    };
  }

  /** Opens the tail and has room made. Once, before anything else. */
  async start(): Promise<void> {
    try {
      const segment = this.#files.newest;
      if (segment !== undefined) {
        const file = await this.#options.disk.open(segment.path);
        this.#active = { segment, file, offset: this.#tailOffset };
        if (this.#mark.sequence < this.#nextSequence - 1) this.#saveMark();
      }
      await this.#spare.adopt();
      await this.#marking;
      await this.requestSpace();
      if (this.#failure !== undefined) throw this.#failure;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * An entry counts as its body and 72 bytes. Whatever fits is certain to be written: the rest of
   * this segment, and the next one, less what the largest entry may leave unused between them.
   */
  get roomBytes(): number {
    const rest = this.#active === undefined ? 0 : this.#active.segment.bytes - this.#active.offset;
    const next = this.#beginningBytes > 0 ? this.#beginningBytes : this.#spare.readyBytes;
    const spare = Math.max(0, next - SEGMENT_HEADER_BYTES);
    const usable = spare === 0 ? rest : spare + Math.max(0, rest - RECORD_BYTES_MAX);
    return Math.max(0, usable - this.#queue.bytes);
  }

  get sizeBytes(): number {
    return this.#spare.readyBytes + 2 * SLOT_BYTES + this.#files.bytes;
  }

  get spaceError(): string | undefined {
    return this.#retry.error;
  }

  /** Asks the file system for the next segment again; resolves when it has answered either way. */
  async requestSpace(): Promise<void> {
    if (this.#closing !== undefined || this.#failure !== undefined) return;
    this.#retry.retryNow();
    await this.#retry.doneOrRefused(this.#prepare());
  }

  append(entries: readonly Entry[], acknowledged: LogIndex): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#assertContinues(entries);
    const appended = this.#queue.add(entries, acknowledged);
    this.#pumping ??= this.#pump();
    return appended;
  }

  async read(from: LogIndex, maxBytes: number): Promise<readonly Entry[]> {
    assert(from >= 1, 'the log begins at index 1');
    for (;;) {
      this.#assertUsable();
      if (from <= this.#index.base.index) return [];
      const { cuts } = this.#index;
      const waiting = this.#queue.overlay();
      const stored = (waiting[0]?.index ?? this.#index.last.index + 1) - 1;
      const collected =
        from <= stored
          ? await this.#readStored(from, stored, maxBytes)
          : new EntryCollector(from, maxBytes);
      if (collected === undefined || this.#index.cuts !== cuts) continue;
      for (const entry of waiting) {
        if (entry.index !== collected.next || collected.full) continue;
        collected.add({ ...entry, body: entry.body.slice() });
      }
      return collected.entries;
    }
  }

  async position(
    index: LogIndex,
  ): Promise<{ readonly term: Term; readonly chain: Chain } | undefined> {
    const { base } = this.#index;
    if (index === base.index) return { term: base.term, chain: base.chain };
    if (index < base.index || index > this.#lastIndex) return undefined;
    const [entry] = await this.read(index, 0);
    return entry === undefined ? undefined : { term: entry.term, chain: entry.chain };
  }

  cutPlace(limit: LogIndex, keptBytes: number): LogIndex | undefined {
    return this.#files.cutPlace(limit, keptBytes, this.#active?.offset ?? 0);
  }

  cut(base: LogBase): Promise<void> {
    return this.#rebase(async () => {
      const { position } = base;
      if (position.index <= this.#index.base.index) return;
      await this.#files.cut(base, (first) => {
        this.#index.cut(position, first);
        if (position.index < this.#lastIndex) this.#terms.cut(position);
        else this.#terms.reset(position);
      });
      // Why: an append may wait for the space that has just come back.
      this.#retry.retryNow();
    });
  }

  install(base: LogBase): Promise<void> {
    assert(this.#queue.isEmpty, 'a base is put in place while an append is under way');
    return this.#rebase(async () => {
      await this.#pumping;
      const { position } = base;
      await this.#files.install(base, this.#nextSequence, (firstSequence) => {
        this.#nextSequence = firstSequence;
        this.#index.reset(position);
        this.#terms.reset(position);
        this.#lastIndex = position.index;
      });
      const active = this.#active;
      this.#active = undefined;
      await active?.file.close();
      this.#retry.retryNow();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#retry.stop();
    await this.#pumping;
    await this.#rebasing;
    this.#markTimer?.cancel();
    await this.#marking;
    const durable = this.#nextSequence - 1;
    if (this.#failure === undefined && this.#mark.sequence < durable) {
      this.#saveMark();
      await this.#marking;
    }
    await this.#spare.close();
    await this.#active?.file.close();
    await this.#note.close();
    await this.#files.close();
    await this.#mark.close();
  }

  #assertContinues(entries: readonly Entry[]): void {
    const first = entries[0];
    assert(first !== undefined, 'an append without entries');
    assert(first.index > this.#index.base.index, 'an append at or below the base');
    assert(first.index <= this.#lastIndex + 1, 'an append behind a gap');
    this.#terms.truncate(logIndex(first.index - 1));
    let next: number = first.index;
    for (const entry of entries) {
      assert(entry.index === next, 'entries are contiguous');
      assert(entry.body.length <= BODY_BYTES_MAX, 'an entry is at most 1 MiB');
      const bytes = recordBytes(entry.body.length);
      assert(bytes <= this.#options.segmentBytes - SEGMENT_HEADER_BYTES, 'larger than a segment');
      this.#terms.extend(entry.index, entry.term);
      next += 1;
    }
    this.#lastIndex = (next - 1) as LogIndex;
  }

  #assertUsable(): void {
    if (this.#closing !== undefined) throw closed();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Undefined when the log was cut meanwhile: what was read may be void, its file be gone. */
  async #readStored(
    from: LogIndex,
    last: number,
    maxBytes: number,
  ): Promise<EntryCollector | undefined> {
    const { cuts } = this.#index;
    try {
      return await readEntries(this.#options.disk, this.#index, from, last as LogIndex, maxBytes);
    } catch (error) {
      if (error instanceof DiskError && this.#index.cuts !== cuts) return undefined;
      throw error;
    }
  }

  // --- the beginning of the log -----------------------------------------------------------------

  /** A failure fails the log: what is on the disk is not certain any more. */
  #rebase(work: () => Promise<void>): Promise<void> {
    const done = this.#rebasing.then(async () => {
      this.#assertUsable();
      try {
        await work();
      } catch (error) {
        this.fail(error);
        throw this.#failure ?? error;
      }
    });
    this.#rebasing = done.catch(() => undefined);
    return done;
  }

  // --- writing ----------------------------------------------------------------------------------

  async #pump(): Promise<void> {
    // Why: the appends of one turn go into one group.
    await Promise.resolve();
    try {
      while (!this.#queue.isEmpty) await this.#writeGroup();
    } catch (error) {
      this.fail(error);
    }
    this.#pumping = undefined;
  }

  async #writeGroup(): Promise<void> {
    const active = this.#fillGroup() ? this.#active : await this.#beginSegment();
    assert(active !== undefined, 'there is a segment to write to');
    if (this.#group.length === 0) assert(this.#fillGroup(), 'an entry fits into a fresh segment');
    const group = this.#group;
    await this.#retry.run(() => active.file.write(active.offset, group.bytes));
    await active.file.sync();
    if (this.#failure !== undefined) throw this.#failure;
    for (const { entry, offset, bytes } of group.records) {
      this.#index.add(entry, active.segment, active.offset + offset, bytes);
    }
    active.offset += group.length;
    this.#nextSequence += group.records.length;
    this.#queue.complete(group.records.length);
    group.clear();
    this.#note.write(this.#nextSequence - 1);
    this.#markLater();
  }

  /** Encodes what waits, as far as it fits; false when nothing does. */
  #fillGroup(): boolean {
    const active = this.#active;
    if (active === undefined) return false;
    const rest = active.segment.bytes - active.offset;
    const synced = this.#nextSequence - 1;
    let sequence = this.#nextSequence;
    for (const { entry, acknowledged } of this.#queue.waiting()) {
      if (!this.#group.fits(entry, rest)) break;
      const marks = { sequence, synced, acknowledged: Math.min(acknowledged, entry.index - 1) };
      this.#group.add(entry, marks, active.segment.fingerprint);
      sequence += 1;
    }
    return this.#group.length > 0;
  }

  /** Everything before is durable here. Waits for space when there is none. */
  async #beginSegment(): Promise<ActiveSegment> {
    const { disk, directory, label } = this.#options;
    const spare = await this.#spare.take();
    this.#beginningBytes = this.#options.segmentBytes;
    const segment = await beginSegment(
      disk,
      directory,
      spare,
      { label, firstSequence: this.#nextSequence, previous: this.#index.last },
      (operation) => this.#retry.run(operation),
    );
    const file = await disk.open(segment.path);
    await spare.file.close();
    await this.#active?.file.close();
    this.#files.add(segment);
    this.#active = { segment, file, offset: SEGMENT_HEADER_BYTES };
    this.#beginningBytes = 0;
    void this.#prepare();
    return this.#active;
  }

  /** Makes the next segment; a failure that cannot be waited out fails the log. */
  async #prepare(): Promise<void> {
    try {
      await this.#spare.prepare();
    } catch (error) {
      if (this.#closing === undefined) this.fail(error);
    }
  }

  #markLater(): void {
    this.#markTimer ??= this.#options.timers.after(MARK_DELAY_MS, () => {
      this.#markTimer = undefined;
      this.#saveMark();
    });
  }

  #saveMark(): void {
    const sequence = this.#nextSequence - 1;
    const mark = this.#mark;
    this.#marking = this.#marking
      .then(() => (mark.sequence < sequence ? mark.save(sequence) : undefined))
      .catch((error: unknown) => this.fail(error));
  }

  /** The first failure stays; nothing is written or resolved after it. */
  fail(error: unknown): void {
    const ended = error instanceof LogError && error.code === 'LOG_CLOSED';
    if (!ended) {
      const isDisk = error instanceof DiskError;
      this.#failure ??= isDisk ? notDurable(this.#options.directory, error) : error;
      this.#retry.stop();
    }
    this.#queue.fail(this.#failure ?? error);
  }
}

function closed(): LogError {
  return new LogError('LOG_CLOSED', 'the log is closed');
}

function notDurable(directory: string, cause: DiskError): LogError {
  const what = `the log in ${directory} cannot be made durable: ${cause.message}`;
  return new LogError('FSYNC_FAILED', what, cause);
}
