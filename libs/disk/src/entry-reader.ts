/**
 * Entries read back from segment files by way of the index. Every record is checked again: a bit
 * that rotted since the log was opened is an error, never a wrong entry.
 */
import type { Disk, LogIndex } from '@kvstore/std';
import type { Entry } from '@kvstore/raft';
import { LogError } from '@kvstore/sequencer';
import type { EntryIndex, Place } from './entry-index.ts';
import { RecordWindow } from './record-window.ts';

const CHUNK_BYTES_MIN = 72 << 10;
const CHUNK_BYTES_MAX = 1 << 20;

/**
 * Entries `from`..`to`, in order: at least one, at most `maxBytes` of bodies after the first. The
 * index may be cut meanwhile (`EntryIndex.cuts`): then the answer is void. Bodies are the caller's.
 */
export async function readEntries(
  disk: Disk,
  index: EntryIndex,
  from: LogIndex,
  to: LogIndex,
  maxBytes: number,
): Promise<EntryCollector> {
  const collected = new EntryCollector(from, maxBytes);
  const { cuts } = index;
  while (!collected.full && collected.next <= to && index.cuts === cuts) {
    const { place, until } = index.locate(collected.next);
    await readRun(disk, place, Math.min(until - 1, to), collected);
  }
  return collected;
}

/** Gathers entries up to a budget. */
export class EntryCollector {
  readonly entries: Entry[] = [];
  next: LogIndex;
  full = false;
  #bytesLeft: number;

  constructor(from: LogIndex, maxBytes: number) {
    this.next = from;
    this.#bytesLeft = maxBytes;
  }

  get bytesLeft(): number {
    return this.#bytesLeft;
  }

  add(entry: Entry): void {
    if (this.entries.length > 0) {
      if (entry.body.length > this.#bytesLeft) {
        this.full = true;
        return;
      }
      this.#bytesLeft -= entry.body.length;
    }
    this.entries.push(entry);
    this.next = (entry.index + 1) as LogIndex;
  }
}

/** Reads records that follow each other in one file, from a place on, up to an index. */
async function readRun(
  disk: Disk,
  place: Place,
  last: number,
  collected: EntryCollector,
): Promise<void> {
  const { segment } = place;
  const chunk = Math.min(CHUNK_BYTES_MAX, CHUNK_BYTES_MIN + collected.bytesLeft);
  const file = await disk.open(segment.path);
  try {
    const window = new RecordWindow(file, segment.fingerprint, chunk);
    let { offset } = place;
    for (let index: number = place.index; index <= last && !collected.full; index++) {
      const decoded = window.peek(offset) ?? (await window.load(offset));
      if (decoded.kind !== 'record' || decoded.record.entry.index !== index) {
        throw new LogError(
          'LOG_CORRUPT',
          `entry ${index} in ${segment.path} at byte ${offset} can no longer be read: the disk has damaged it`,
        );
      }
      if (index >= collected.next) collected.add(decoded.record.entry);
      offset += decoded.record.bytes;
    }
  } finally {
    await file.close();
  }
}
