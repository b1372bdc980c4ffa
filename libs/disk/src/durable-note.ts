/**
 * What the durable mark does not know yet: the sequence of the last synced record, written after
 * every group and never synced itself.
 *
 * A killed process leaves it in the page cache, so that after a kill damage to the last group is
 * recognised at once; after a power cut it may be missing, old or torn, and the mark decides. It is
 * written after the sync of the records it stands for, so it is never ahead of the log.
 *
 *   u64 sequence · u32 CRC-32C of it
 */
import { ByteReader, ByteWriter, crc32c, DiskError } from '@kvstore/std';
import type { Disk, DiskFile } from '@kvstore/std';
import { joinPath } from './slot-file.ts';

const DURABLE_NOTE_FILE = 'durable-note';
const NOTE_BYTES = 12;

export class DurableNote {
  /** The sequence that was found at open; 0 when there was none. */
  readonly found: number;
  readonly #file: DiskFile | undefined;
  readonly #onError: (error: unknown) => void;
  #wanted = 0;
  #writing: Promise<void> | undefined;

  private constructor(
    file: DiskFile | undefined,
    found: number,
    onError: (error: unknown) => void,
  ) {
    this.#file = file;
    this.found = found;
    this.#onError = onError;
  }

  /** On a full disk the note is done without. */
  static async open(
    disk: Disk,
    directory: string,
    onError: (error: unknown) => void,
  ): Promise<DurableNote> {
    const path = joinPath(directory, DURABLE_NOTE_FILE);
    const exists = (await disk.list(directory)).includes(DURABLE_NOTE_FILE);
    try {
      const file = exists ? await disk.open(path) : await disk.create(path);
      return new DurableNote(file, decodeNote(await file.read(0, NOTE_BYTES)), onError);
    } catch (error) {
      if (error instanceof DiskError && error.code === 'DISK_FULL') {
        return new DurableNote(undefined, 0, onError);
      }
      throw error;
    }
  }

  /** Every record up to `sequence` is durable. Returns at once; the newest wins. */
  write(sequence: number): void {
    this.#wanted = sequence;
    if (this.#file !== undefined) this.#writing ??= this.#write(this.#file);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
  }

  async #write(file: DiskFile): Promise<void> {
    let written = 0;
    try {
      while (written < this.#wanted) {
        const sequence = this.#wanted;
        await file.write(0, encodeNote(sequence));
        written = sequence;
      }
    } catch (error) {
      const full = error instanceof DiskError && error.code === 'DISK_FULL';
      if (!full) this.#onError(error);
    }
    this.#writing = undefined;
  }
}

function encodeNote(sequence: number): Uint8Array {
  const writer = new ByteWriter(NOTE_BYTES).u64(sequence);
  return writer.u32(crc32c(writer.view())).finish();
}

function decodeNote(bytes: Uint8Array): number {
  if (bytes.length !== NOTE_BYTES) return 0;
  const reader = new ByteReader(bytes);
  const body = reader.raw(8);
  return reader.u32() === crc32c(body) ? new ByteReader(body).u64() : 0;
}
