/**
 * One segment file, open for reading. A failure of SQLite to make sense of the file is corruption
 * of that file; whether what it returns is what was written, the engine checks by checksum.
 */
import {
  SegmentError,
  type ChecksummedBytes,
  type SegmentPart,
  type SegmentSource,
} from '@kvstore/lsm';
import { openConnection, sqliteCode, type Connection, type Statement } from './driver.ts';

/** Kept small: the engine caches blocks, and a connection per segment adds up. */
const PAGE_CACHE_KIB = 64;

export class SegmentFile implements SegmentSource {
  readonly #file: string;
  readonly #connection: Connection;
  readonly #block: Statement;
  readonly #part: Statement;

  /** `path` is absolute, `file` is what errors call it. */
  constructor(path: string, file: string) {
    this.#file = file;
    this.#connection = this.#reading('the file', () => openConnection(path, { readonly: true }));
    try {
      this.#reading('the header', () => this.#connection.pragma(`cache_size = -${PAGE_CACHE_KIB}`));
      this.#block = this.#prepare('block');
      this.#part = this.#prepare('part');
    } catch (error) {
      this.#connection.close();
      throw error;
    }
  }

  block(number: number): ChecksummedBytes | undefined {
    return this.#row(this.#block, number, 'block');
  }

  part(part: SegmentPart): ChecksummedBytes | undefined {
    return this.#row(this.#part, part, 'part');
  }

  close(): void {
    this.#connection.close();
  }

  #prepare(table: 'block' | 'part'): Statement {
    return this.#reading(`table ${table}`, () =>
      this.#connection.prepare(`SELECT bytes, checksum FROM ${table} WHERE id = ?`).raw(),
    );
  }

  #row(statement: Statement, id: number, table: string): ChecksummedBytes | undefined {
    let row: unknown;
    try {
      row = statement.get(id);
    } catch (error) {
      throw this.#corrupt(`${table} ${id}`, error);
    }
    if (row === undefined) return undefined;
    const [bytes, checksum] = row as [unknown, unknown];
    if (!(bytes instanceof Uint8Array) || typeof checksum !== 'number') {
      throw this.#corrupt(`${table} ${id}`, undefined);
    }
    return { bytes, checksum };
  }

  #reading<Result>(what: string, step: () => Result): Result {
    try {
      return step();
    } catch (error) {
      throw this.#corrupt(what, error);
    }
  }

  #corrupt(what: string, cause: unknown): SegmentError {
    const code = sqliteCode(cause) ?? 'wrong type';
    return new SegmentError(
      'SEGMENT_CORRUPT',
      this.#file,
      `${what} cannot be read (${code})`,
      cause,
    );
  }
}
