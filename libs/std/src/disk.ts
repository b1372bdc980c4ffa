/**
 * The file system as the durable parts use it (log, term and vote, segments). Paths are relative to
 * the root of the data directory, with `/`. Nothing is durable before the call that says so
 * resolves: contents after `DiskFile.sync`, names after `Disk.syncDirectory`.
 *
 * Bytes given to `write` are owned by the call until it resolves; bytes from `read` by the caller.
 */
export interface Disk {
  /** Opens an existing file for reading and writing; code NOT_FOUND when there is none. */
  open(path: string): Promise<DiskFile>;
  /** Creates a file, empty, for reading and writing; code EXISTS when there is one. */
  create(path: string): Promise<DiskFile>;
  /** Atomically replaces `to`. Durable after `syncDirectory` of both directories. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes created, renamed and unlinked names in `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
  /** Names in a directory, sorted; empty when it does not exist. */
  list(directory: string): Promise<readonly string[]>;
  /** Creates a directory and its parents, durably; no effect when it exists. */
  makeDirectory(directory: string): Promise<void>;
}

export interface DiskFile {
  readonly path: string;
  size(): Promise<number>;
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Writes all of `bytes` at `offset`, or fails; a failed write may have written a part. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Makes contents and size durable (fdatasync). After a failure the process must stop. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export type DiskErrorCode = 'NOT_FOUND' | 'EXISTS' | 'DISK_FULL' | 'NOT_WRITABLE' | 'IO';

export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: DiskErrorCode;

  constructor(code: DiskErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }

  /** True when the same call may succeed later without anyone mending the machine's disk. */
  get retryable(): boolean {
    return this.code === 'DISK_FULL';
  }
}
