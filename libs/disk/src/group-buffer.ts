/**
 * Collects records into one contiguous write: the group of one fsync. The buffer is used again for
 * the next group, so a group's bytes are valid until `clear`.
 */
import type { Entry } from '@kvstore/raft';
import { encodeRecord, RECORD_BYTES_MAX, recordBytes } from './log-record.ts';
import type { RecordMarks } from './log-record.ts';

/** A group is cut here; the first record always fits. */
export const GROUP_BYTES_MAX = 2 << 20;
const INITIAL_BYTES = 64 << 10;

export interface GroupRecord {
  readonly entry: Entry;
  /** From the beginning of the group. */
  readonly offset: number;
  readonly bytes: number;
}

export class GroupBuffer {
  readonly records: GroupRecord[] = [];
  #bytes: Uint8Array = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Whether a record of this entry still fits below `limitBytes` (the rest of the segment). */
  fits(entry: Entry, limitBytes: number): boolean {
    const end = this.#length + recordBytes(entry.body.length);
    return end <= limitBytes && (this.#length === 0 || end <= GROUP_BYTES_MAX);
  }

  add(entry: Entry, marks: RecordMarks, fingerprint: number): void {
    const bytes = recordBytes(entry.body.length);
    this.#reserve(bytes);
    encodeRecord(this.#bytes, this.#length, entry, marks, fingerprint);
    this.records.push({ entry, offset: this.#length, bytes });
    this.#length += bytes;
  }

  clear(): void {
    this.records.length = 0;
    this.#length = 0;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const limit = GROUP_BYTES_MAX + RECORD_BYTES_MAX;
    const grown = new Uint8Array(Math.max(needed, Math.min(limit, this.#bytes.length * 2)));
    grown.set(this.bytes);
    this.#bytes = grown;
  }
}
