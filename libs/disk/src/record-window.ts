/**
 * Records of one segment file, decoded out of big chunks. Reads no byte twice in a forward scan
 * except a record that the end of a chunk cuts through. Memory: one chunk, or one record.
 */
import type { DiskFile } from '@kvstore/std';
import { decodeRecord, findHeader, RECORD_ALIGNMENT } from './log-record.ts';
import type { DecodedRecord, RecordHeader } from './log-record.ts';

export class RecordWindow {
  readonly #file: DiskFile;
  readonly #fingerprint: number;
  readonly #chunkBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(file: DiskFile, fingerprint: number, chunkBytes: number) {
    this.#file = file;
    this.#fingerprint = fingerprint;
    this.#chunkBytes = chunkBytes;
  }

  /** What is at `offset`, if the chunk in memory says so; else `load` first. Never 'incomplete'. */
  peek(offset: number): DecodedRecord | undefined {
    if (offset < this.#start || offset > this.#start + this.#bytes.length) return undefined;
    const decoded = decodeRecord(this.#bytes, offset - this.#start, this.#fingerprint);
    return decoded.kind === 'incomplete' ? undefined : decoded;
  }

  /** What is at `offset`. A record that the end of the file cuts through is 'bad'. */
  async load(offset: number): Promise<DecodedRecord> {
    await this.#fill(offset, this.#chunkBytes);
    const decoded = decodeRecord(this.#bytes, 0, this.#fingerprint);
    if (decoded.kind !== 'incomplete') return decoded;
    await this.#fill(offset, decoded.bytes);
    const whole = decodeRecord(this.#bytes, 0, this.#fingerprint);
    return whole.kind === 'incomplete' ? { kind: 'bad', reason: 'the file ends within it' } : whole;
  }

  /**
   * Looks at everything from `offset` (a place where a record could begin) to the end of the file:
   * the end of what is not zero, and every whole record header, until `visit` returns true.
   */
  async search(
    offset: number,
    visit: (header: RecordHeader, at: number) => boolean,
  ): Promise<number> {
    let usedEnd = offset;
    let at = offset;
    for (;;) {
      await this.#fill(at, this.#chunkBytes);
      const bytes = this.#bytes;
      const last = lastUsed(bytes);
      if (last >= 0) usedEnd = at + last + 1;
      for (let i = 0; i <= last; i += RECORD_ALIGNMENT) {
        const header = findHeader(bytes, i, this.#fingerprint);
        if (header !== undefined && visit(header, at + i)) return usedEnd;
      }
      if (bytes.length < this.#chunkBytes) return usedEnd;
      // Why the overlap: a header may lie across the end of the chunk.
      at += bytes.length - OVERLAP_BYTES;
    }
  }

  async #fill(offset: number, length: number): Promise<void> {
    this.#bytes = await this.#file.read(offset, length);
    this.#start = offset;
  }
}

const OVERLAP_BYTES = 64;

function lastUsed(bytes: Uint8Array): number {
  let last = bytes.length - 1;
  while (last >= 0 && bytes[last] === 0) last--;
  return last;
}
