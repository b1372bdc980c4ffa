/**
 * The one way to a SQLite connection. Releases before 3.51.3 can corrupt a database (WAL reset
 * race), so an older library is refused before any file is opened.
 */
import Database from 'better-sqlite3';
import { assert } from '@kvstore/std';

const VERSION_MIN = [3, 51, 3] as const;

export type Connection = Database.Database;
export type Statement = Database.Statement;

export function openConnection(path: string, options: Database.Options = {}): Connection {
  const connection = new Database(path, { timeout: 0, ...options });
  assertRecent(connection);
  return connection;
}

let checked = false;

/** Throws `InvariantError` when the library behind the connection is too old. */
export function assertRecent(connection: Connection): void {
  if (checked) return;
  const version = connection.prepare('SELECT sqlite_version()').pluck().get() as string;
  assert(isRecent(version), `SQLite ${version} is older than ${VERSION_MIN.join('.')}`);
  checked = true;
}

/** The result code of a SQLite failure, e.g. `SQLITE_BUSY`; undefined for any other error. */
export function sqliteCode(error: unknown): string | undefined {
  // Why by its code: the addon throws the class of whichever copy of the wrapper loaded it first.
  const isObject = typeof error === 'object' && error !== null;
  const code: unknown = isObject && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined;
}

export function isRecent(version: string): boolean {
  const parts = version.split('.').map(Number);
  for (let i = 0; i < VERSION_MIN.length; i++) {
    const difference = (parts[i] ?? 0) - (VERSION_MIN[i] as number);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
