/**
 * One process per data directory: an exclusive lock of the operating system on the file `lock` in
 * it, held through a SQLite connection that stays in a transaction. The kernel releases it when
 * the process ends, however it ends, so there is no stale lock to recognise and no process id to
 * trust. Nothing else in the process may open that file: closing it would drop the lock (POSIX).
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DiskError } from '@kvstore/std';
import { openConnection, sqliteCode, type Connection } from './driver.ts';

export class DirectoryInUseError extends Error {
  override readonly name = 'DirectoryInUseError';
  readonly code = 'DIRECTORY_IN_USE';
  readonly retryable = false;

  constructor(path: string, cause: unknown) {
    super(`${path} is in use by another process`, { cause });
  }
}

/** Why: a connection that nobody refers to is closed by the garbage collector, and its lock lost. */
const held = new Set<Connection>();

export interface DirectoryLock {
  /** Lets another process take the directory. No effect the second time. */
  release(): void;
}

/**
 * Locks the directory at an absolute path, creating it when it does not exist. Throws
 * `DirectoryInUseError`, or `DiskError` NOT_WRITABLE when nothing can be written there.
 */
export function acquireDirectoryLock(path: string): DirectoryLock {
  let connection: Connection | undefined;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    connection = openConnection(join(path, 'lock'));
    chmodSync(join(path, 'lock'), 0o600);
    connection.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    connection?.close();
    const code = sqliteCode(error) ?? '';
    if (code.startsWith('SQLITE_BUSY')) throw new DirectoryInUseError(path, error);
    throw new DiskError('NOT_WRITABLE', `${path} cannot be written to`, error);
  }
  return hold(connection);
}

function hold(connection: Connection): DirectoryLock {
  held.add(connection);
  return {
    release: () => {
      held.delete(connection);
      connection.close();
    },
  };
}
