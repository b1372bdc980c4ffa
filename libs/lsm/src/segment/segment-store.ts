/** The port to segment files. Implemented by the `sqlite` lib; in memory by tests. */
import type { SharedMemtable } from '../memtable/memtable.ts';
import type { SegmentMetadata, SegmentPart } from './segment-metadata.ts';
import type { SegmentOptions } from './segment-writer.ts';

export interface ChecksummedBytes {
  /** Owned by the caller. */
  readonly bytes: Uint8Array;
  readonly checksum: number;
}

/** An open segment file. Reads block the caller: they are short, and the caches are before them. */
export interface SegmentSource {
  /** Undefined when the file has no such block. Throws `SegmentError` when it cannot be read. */
  block(number: number): ChecksummedBytes | undefined;
  part(part: SegmentPart): ChecksummedBytes | undefined;
  close(): void;
}

export interface SegmentStore {
  /**
   * Writes a segment of the memtable off this thread. When it resolves, the file and its name are
   * durable; it is not live, and is removed at the next open, until a manifest commit lists it.
   * Rejects with `SegmentError` when the process must stop; anything else may be tried again. A call that
   * fails leaves no file that a later call would trip over. It may take its time, and rest.
   */
  write(memtable: SharedMemtable, options: SegmentOptions): Promise<SegmentMetadata>;
  /** Somebody waits for the write that is under way, or that comes next: it takes no rests. */
  hurry(): void;
  /** Opens a segment; rejects with `SegmentError` when it is missing or has another size. */
  open(segment: SegmentMetadata): Promise<SegmentSource>;
  /**
   * Bytes of the file as it is, for a copy of it: shorter than `length` only at its end. Rejects with
   * `SegmentError` when it is missing, or `DiskError`.
   */
  read(segment: SegmentMetadata, offset: number, length: number): Promise<Uint8Array>;
  /** Ends what was begun here. Sources are closed by whoever opened them. */
  close(): Promise<void>;
}
