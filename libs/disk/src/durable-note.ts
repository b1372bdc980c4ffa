/**
 * What the durable mark does not know yet: the sequence of the last synced record, written after
 * its group, at most every 20 ms, and never synced itself.
 *
 * A killed process leaves it in the page cache, so that after a kill damage to the last groups is
 * recognised but for those of the last 20 ms; after a power cut it may be missing, old or torn, and
 * the mark decides. It is written after the sync of the records it stands for, so it is never ahead
 * of the log. Why not after every group: its write costs half as much as the group's write and sync.
 *
 *   u64 sequence · u32 CRC-32C of it
 */
import { ByteReader, ByteWriter, crc32c, DecodeError, DiskError } from '@kvstore/std';
import type { Disk, DiskFile, Timer, Timers } from '@kvstore/std';
import { joinPath } from './slot-file.ts';

const DURABLE_NOTE_FILE = 'durable-note';
const NOTE_BYTES = 12;
const PERIOD_MS = 20;

export class DurableNote {
  /** The sequence that was found at open; 0 when there was none. */
  readonly found: number;
  readonly #file: DiskFile | undefined;
  readonly #timers: Timers;
  readonly #onError: (error: unknown) => void;
  #wanted = 0;
  #written = 0;
  #writing: Promise<void> | undefined;
  /** Runs from the beginning of a write on: no other one begins meanwhile. */
  #pause: Timer | undefined;

  private constructor(
    file: DiskFile | undefined,
    found: number,
    timers: Timers,
    onError: (error: unknown) => void,
  ) {
    this.#file = file;
    this.found = found;
    this.#timers = timers;
    this.#onError = onError;
  }

  /** On a full disk the note is done without. */
  static async open(
    disk: Disk,
    directory: string,
    timers: Timers,
    onError: (error: unknown) => void,
  ): Promise<DurableNote> {
    const path = joinPath(directory, DURABLE_NOTE_FILE);
    const exists = (await disk.list(directory)).includes(DURABLE_NOTE_FILE);
    try {
      const file = exists ? await disk.open(path) : await disk.create(path);
      return new DurableNote(file, decodeNote(await file.read(0, NOTE_BYTES)), timers, onError);
    } catch (error) {
      if (error instanceof DiskError && error.code === 'DISK_FULL') {
        return new DurableNote(undefined, 0, timers, onError);
      }
      throw error;
    }
  }

  /** Every record up to `sequence` is durable. Returns at once; the newest wins. */
  write(sequence: number): void {
    this.#wanted = sequence;
    if (this.#pause === undefined) this.#writeOnce();
  }

  /** The log was cut off below what was durable. Durable when it resolves, before any `write`. */
  async reset(sequence: number): Promise<void> {
    await this.#file?.write(0, encodeNote(sequence));
    await this.#file?.sync();
  }

  async close(): Promise<void> {
    this.#pause?.cancel();
    await this.#writing;
    await this.#file?.close();
  }

  #writeOnce(): void {
    if (this.#file === undefined || this.#writing !== undefined) return;
    if (this.#written === this.#wanted) return;
    this.#pause = this.#timers.after(PERIOD_MS, () => {
      this.#pause = undefined;
      this.#writeOnce();
    });
    this.#writing = this.#write(this.#file, this.#wanted);
  }

  async #write(file: DiskFile, sequence: number): Promise<void> {
    try {
      await file.write(0, encodeNote(sequence));
    } catch (error) {
      const full = error instanceof DiskError && error.code === 'DISK_FULL';
      if (!full) this.#onError(error);
    }
    this.#written = sequence;
    this.#writing = undefined;
    if (this.#pause === undefined) this.#writeOnce();
  }
}

export function encodeNote(sequence: number): Uint8Array {
  const writer = new ByteWriter(NOTE_BYTES).u64(sequence);
  return writer.u32(crc32c(writer.view())).finish();
}

/** 0: there is none that makes sense. */
export function decodeNote(bytes: Uint8Array): number {
  try {
    const reader = new ByteReader(bytes);
    const sequence = reader.u64();
    const checksum = reader.u32();
    reader.end();
    return checksum === crc32c(bytes.subarray(0, 8)) ? sequence : 0;
  } catch (error) {
    if (error instanceof DecodeError) return 0;
    throw error;
  }
}
