/**
 * Reads a log back at open: every segment, every record, in the order of writing.
 *
 * A record is taken only when its checksums, its sequence, its index, its term and its chain fit
 * what was read before. The first one that does not is either a torn tail, which is cut, or damage
 * to something that was durable, which is LOG_CORRUPT. It was durable, and may have been
 * acknowledged, when any of these says so:
 *   - a later segment: a segment is begun only when everything before it is durable;
 *   - a later record header in the file whose `synced` is not below it (records of its own group
 *     say nothing: blocks of one write reach the disk in any order);
 *   - the durable mark or note, or the acknowledged index of the newest record.
 *
 * Segments before the one that the base names are what a crash left of a cut; they are removed first.
 * The one it names must continue the base.
 *
 * Damage ends the open, unless its caller has the log go on without what is lost (`damage.ts`): then
 * everything behind the last good record is cut off.
 *
 * What is found is made durable before it is reported: the last group may be in the page cache of
 * a killed process only, or even be taken for clean there after a failed sync, so it is written
 * again and synced.
 */
import { nextChain } from '@kvstore/std';
import type { Disk, DiskFile, LogIndex, LogPosition } from '@kvstore/std';
import { LogError } from '@kvstore/sequencer';
import type { RecoveredLog } from '@kvstore/sequencer';
import type { Damage } from './damage.ts';
import { basePosition } from './log-base-file.ts';
import type { StoredBase } from './log-base-file.ts';
import { EntryIndex } from './entry-index.ts';
import { readEntries } from './entry-reader.ts';
import { RECORD_HEADER_BYTES } from './log-record.ts';
import type { DecodedRecord, LogRecord, RecordHeader } from './log-record.ts';
import type { LogSegment } from './log-segment.ts';
import { RecordWindow } from './record-window.ts';
import {
  decodeHeader,
  firstSequenceOf,
  isSegmentName,
  SEGMENT_HEADER_BYTES,
} from './segment-header.ts';
import { joinPath } from './slot-file.ts';

const SCAN_CHUNK_BYTES = 4 << 20;
const REWRITE_CHUNK_BYTES = 1 << 20;
export const PLACE_SPACING_BYTES = 64 << 10;

export interface RecoveredSegments {
  readonly segments: LogSegment[];
  readonly index: EntryIndex;
  readonly nextSequence: number;
  /** Where the next record goes in the last segment. */
  readonly tailOffset: number;
  readonly cut: RecoveredLog['cut'];
}

/** `durableSequence`: every record up to it had been synced. Rejects with `LogError` LOG_CORRUPT. */
export async function recoverSegments(
  disk: Disk,
  directory: string,
  label: string,
  durableSequence: number,
  stored: StoredBase,
  damage: Damage,
): Promise<RecoveredSegments> {
  const all = (await disk.list(directory)).filter(isSegmentName);
  const names = all.filter((name) => firstSequenceOf(name) >= stored.firstSequence);
  if (names.length < all.length) {
    const left = all.slice(0, all.length - names.length);
    for (const name of left) await disk.unlink(joinPath(directory, name));
    await disk.syncDirectory(directory);
  }
  const recovery = new LogRecovery(disk, directory, label, durableSequence, stored);
  try {
    for (const [number, name] of names.entries()) {
      await recovery.readSegment(name, names[number + 1]);
    }
    recovery.mustReachMark();
  } catch (error) {
    await damage.accept(error);
    await recovery.cutOffDamage(names);
  }
  return recovery.result();
}

class LogRecovery {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #label: string;
  readonly #markSequence: number;
  readonly #segments: LogSegment[] = [];
  readonly #index: EntryIndex;
  #nextSequence: number;
  #acknowledged = 0;
  /** The newest `synced` in this segment, and where the records that were written with it begin. */
  #synced = 0;
  #groupOffset = 0;
  #offset = 0;
  #cut: RecoveredLog['cut'];

  constructor(
    disk: Disk,
    directory: string,
    label: string,
    markSequence: number,
    stored: StoredBase,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#label = label;
    this.#markSequence = markSequence;
    this.#index = new EntryIndex(PLACE_SPACING_BYTES, basePosition(stored));
    this.#nextSequence = stored.firstSequence;
  }

  async readSegment(name: string, nextName: string | undefined): Promise<void> {
    const path = joinPath(this.#directory, name);
    const file = await this.#disk.open(path);
    try {
      const segment = await this.#readHeader(file, path, name);
      this.#segments.push(segment);
      this.#offset = SEGMENT_HEADER_BYTES;
      this.#groupOffset = SEGMENT_HEADER_BYTES;
      this.#synced = this.#nextSequence - 1;
      const window = new RecordWindow(file, segment.fingerprint, SCAN_CHUNK_BYTES);
      const until = nextName === undefined ? Infinity : firstSequenceOf(nextName);
      const end = await this.#readRecords(segment, window, until);
      if (nextName === undefined) await this.#finishTail(segment, file, window, end);
      else if (this.#nextSequence !== until) {
        const gap = `the next segment begins with record ${until}: one is damaged or missing`;
        throw this.#corrupt(path, `${describe(end)}, but ${gap}`);
      }
    } finally {
      await file.close();
    }
  }

  mustReachMark(): void {
    if (this.#nextSequence <= this.#markSequence) {
      throw this.#corrupt(this.#directory, this.#beyondMark());
    }
  }

  /**
   * Everything behind the last good record goes: later segments, then the rest of its own. A crash
   * on the way leaves damage again, or a log that ends below its mark, which is damage too.
   */
  async cutOffDamage(names: readonly string[]): Promise<void> {
    for (const name of names.slice(this.#segments.length).toReversed()) {
      await this.#disk.unlink(joinPath(this.#directory, name));
    }
    await this.#disk.syncDirectory(this.#directory);
    this.#cut = undefined;
    const tail = this.#segments.at(-1);
    if (tail === undefined) return;
    const file = await this.#disk.open(tail.path);
    try {
      await this.#rewriteLastGroup(file);
      await writeZeros(file, this.#offset, tail.bytes - this.#offset);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  result(): RecoveredSegments {
    return {
      segments: this.#segments,
      index: this.#index,
      nextSequence: this.#nextSequence,
      tailOffset: this.#offset,
      cut: this.#cut,
    };
  }

  async #readHeader(file: DiskFile, path: string, name: string): Promise<LogSegment> {
    const decoded = decodeHeader(await file.read(0, SEGMENT_HEADER_BYTES));
    if (decoded.kind === 'bad') throw this.#corrupt(path, decoded.reason, 0);
    if (decoded.kind === 'foreign') throw foreign(path, decoded.reason);
    const { header, fingerprint } = decoded;
    const bytes = await file.size();
    if (header.label !== this.#label) {
      const owner = `the segment belongs to "${header.label}", this node to "${this.#label}"`;
      throw foreign(path, owner);
    }
    if (header.segmentBytes !== bytes) {
      const what = `the file has ${bytes} bytes instead of ${header.segmentBytes}`;
      throw this.#corrupt(path, what, 0);
    }
    if (header.firstSequence !== firstSequenceOf(name)) {
      throw this.#corrupt(path, `the file holds the segment of record ${header.firstSequence}`, 0);
    }
    if (header.firstSequence !== this.#nextSequence) {
      throw this.#corrupt(
        path,
        `record ${this.#nextSequence} should come first: a file is missing`,
        0,
      );
    }
    if (!samePosition(header.previous, this.#index.last)) {
      throw this.#corrupt(path, 'the segment does not continue the one before', 0);
    }
    const { firstSequence, previous } = header;
    return { path, firstSequence, previous, fingerprint, bytes, lowestIndex: Infinity };
  }

  /** Takes records until one does not fit; returns what was found there. */
  async #readRecords(
    segment: LogSegment,
    window: RecordWindow,
    until: number,
  ): Promise<DecodedRecord> {
    while (this.#nextSequence < until) {
      if (segment.bytes - this.#offset < RECORD_HEADER_BYTES) break;
      const decoded = window.peek(this.#offset) ?? (await window.load(this.#offset));
      if (decoded.kind !== 'record') return decoded;
      const { record } = decoded;
      const { entry } = record;
      const follows = entry.index === this.#index.last.index + 1;
      const previous = follows ? this.#index.last : await this.#before(segment, entry.index);
      this.#check(segment, record, previous);
      this.#take(record, segment);
    }
    return { kind: 'unused' };
  }

  #take(record: LogRecord, segment: LogSegment): void {
    if (record.synced !== this.#synced) {
      this.#synced = record.synced;
      this.#groupOffset = this.#offset;
    }
    this.#acknowledged = record.acknowledged;
    this.#index.add(record.entry, segment, this.#offset, record.bytes);
    this.#nextSequence += 1;
    this.#offset += record.bytes;
  }

  #check(segment: LogSegment, record: LogRecord, previous: LogPosition | undefined): void {
    const { entry, sequence, synced } = record;
    const fail = (what: string): LogError => this.#corrupt(segment.path, what);
    if (sequence !== this.#nextSequence) throw fail(`record ${sequence} stands here`);
    if (synced >= sequence)
      throw fail('the record claims to have been durable before it was written');
    if (previous === undefined) throw fail(`entry ${entry.index} does not continue the log`);
    if (entry.term < previous.term) throw fail(`the term goes back to ${entry.term}`);
    const { index, term, kind, body } = entry;
    if (nextChain(previous.chain, index, term, kind, body) !== entry.chain) {
      throw fail(`the chain breaks at entry ${index}`);
    }
  }

  /** The position before an entry that cuts the log off at its own index. */
  async #before(segment: LogSegment, index: LogIndex): Promise<LogPosition | undefined> {
    const { base, last } = this.#index;
    if (index === base.index + 1) return base;
    if (index <= base.index || index > last.index) return undefined;
    const before = (index - 1) as LogIndex;
    const { entries } = await readEntries(this.#disk, this.#index, before, before, 0);
    const entry = entries[0];
    if (entry === undefined) throw this.#corrupt(segment.path, `entry ${before} cannot be found`);
    return { index: entry.index, term: entry.term, chain: entry.chain };
  }

  async #finishTail(
    segment: LogSegment,
    file: DiskFile,
    window: RecordWindow,
    end: DecodedRecord,
  ): Promise<void> {
    let proof: RecordHeader | undefined;
    const usedEnd = await window.search(this.#offset, (header) => {
      if (header.synced < this.#nextSequence) return false;
      proof = header;
      return true;
    });
    if (proof !== undefined) {
      const what = `${describe(end)}, but record ${proof.sequence} behind it says that it was durable`;
      throw this.#corrupt(segment.path, what);
    }
    if (this.#nextSequence <= this.#markSequence) {
      throw this.#corrupt(segment.path, `${describe(end)}; ${this.#beyondMark()}`);
    }
    if (this.#acknowledged > this.#index.last.index) {
      const what = `${describe(end)}, but entry ${this.#acknowledged} had been acknowledged`;
      throw this.#corrupt(segment.path, what);
    }
    await this.#rewriteLastGroup(file);
    const bytes = usedEnd - this.#offset;
    if (bytes > 0) {
      this.#cut = { file: segment.path, offset: this.#offset, bytes };
      await writeZeros(file, this.#offset, bytes);
    }
    await file.sync();
    await this.#disk.syncDirectory(this.#directory);
  }

  async #rewriteLastGroup(file: DiskFile): Promise<void> {
    if (this.#markSequence >= this.#nextSequence - 1) return;
    for (let at = this.#groupOffset; at < this.#offset; at += REWRITE_CHUNK_BYTES) {
      const length = Math.min(REWRITE_CHUNK_BYTES, this.#offset - at);
      await file.write(at, await file.read(at, length));
    }
  }

  #beyondMark(): string {
    return (
      `the log ends after record ${this.#nextSequence - 1}, ` +
      `but record ${this.#markSequence} was durable`
    );
  }

  #corrupt(path: string, what: string, offset = this.#offset): LogError {
    return new LogError(
      'LOG_CORRUPT',
      `the log is damaged in ${path} at byte ${offset}, record ${this.#nextSequence} ` +
        `(entry ${this.#index.last.index + 1}): ${what}. Entries that were acknowledged may be lost here`,
    );
  }
}

function foreign(path: string, what: string): LogError {
  return new LogError('LOG_FOREIGN', `${path} cannot be used: ${what}`);
}

function describe(end: DecodedRecord): string {
  switch (end.kind) {
    case 'unused':
      return 'there is no record here';
    case 'bad':
      return end.header === undefined ? end.reason : `${end.reason} (entry ${end.header.index})`;
    case 'record':
    case 'incomplete':
      return 'a record begins here';
  }
}

async function writeZeros(file: DiskFile, offset: number, bytes: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(bytes, REWRITE_CHUNK_BYTES));
  for (let at = 0; at < bytes; at += zeros.length) {
    await file.write(offset + at, zeros.subarray(0, Math.min(zeros.length, bytes - at)));
  }
}

function samePosition(a: LogPosition, b: LogPosition): boolean {
  return a.index === b.index && a.term === b.term && a.chain === b.chain;
}
