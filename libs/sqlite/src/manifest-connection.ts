/**
 * Opens the manifest's database: refuses one that is damaged or of another format before TypeORM
 * touches it, and turns SQLite's failures into the engine's.
 */
import { chmodSync } from 'node:fs';
import { ManifestError } from '@kvstore/lsm';
import { DiskError } from '@kvstore/std';
import { DataSource, QueryFailedError } from 'typeorm';
import { assertRecent, sqliteCode, type Connection } from './driver.ts';
import {
  AddSegmentLabels1764100000000,
  CreateManifest1764000000000,
  MANIFEST_FORMAT_VERSION,
  MANIFEST_FORMAT_VERSION_MIN,
  SegmentEntity,
  StateEntity,
} from './manifest-schema.ts';

export const MANIFEST_FILE = 'manifest.db';

/** Rejects with `ManifestError`, or `DiskError` when the file cannot be reached at all. */
export async function openManifestSource(path: string): Promise<DataSource> {
  let connection: Connection | undefined;
  const source = new DataSource({
    type: 'better-sqlite3',
    database: path,
    timeout: 0,
    entities: [SegmentEntity, StateEntity],
    migrations: [CreateManifest1764000000000, AddSegmentLabels1764100000000],
    migrationsRun: true,
    logging: false,
    prepareDatabase: (opened: Connection) => {
      connection = opened;
      prepare(opened);
    },
  });
  try {
    await source.initialize();
    // SQLite creates files by the umask; the journal takes the mode of the database.
    chmodSync(path, 0o600);
    return source;
  } catch (error) {
    connection?.close();
    throw manifestFailure(error);
  }
}

function prepare(connection: Connection): void {
  assertRecent(connection);
  // TRUNCATE syncs the journal after it is cut: a commit cannot come undone by a power cut, as
  // with DELETE it could until the directory is synced.
  connection.pragma('journal_mode = TRUNCATE');
  connection.pragma('synchronous = EXTRA');
  const version = connection.pragma('user_version', { simple: true }) as number;
  if (version !== 0 && !isKnownFormat(version)) {
    const detail = `format version ${version} is not ${MANIFEST_FORMAT_VERSION}`;
    throw new ManifestError('UNKNOWN_FORMAT', MANIFEST_FILE, detail);
  }
  const verdict = connection.pragma('integrity_check(1)', { simple: true }) as string;
  if (verdict !== 'ok') throw new ManifestError('MANIFEST_CORRUPT', MANIFEST_FILE, verdict);
}

export function isKnownFormat(version: number): boolean {
  return version >= MANIFEST_FORMAT_VERSION_MIN && version <= MANIFEST_FORMAT_VERSION;
}

/** What a failure of SQLite or TypeORM at open means; errors that already say so pass through. */
export function manifestFailure(error: unknown): unknown {
  if (error instanceof ManifestError || error instanceof DiskError) return error;
  const code = failureCode(error) ?? '';
  if (code.startsWith('SQLITE_FULL'))
    return new DiskError('DISK_FULL', `${MANIFEST_FILE}: ${code}`, error);
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/.test(code)) {
    return new DiskError('NOT_WRITABLE', `${MANIFEST_FILE}: ${code}`, error);
  }
  if (/^SQLITE_(IOERR|BUSY|LOCKED|NOMEM)/.test(code)) {
    return new DiskError('IO', `${MANIFEST_FILE}: ${code}`, error);
  }
  const detail = error instanceof Error ? error.message : String(error);
  return new ManifestError('MANIFEST_CORRUPT', MANIFEST_FILE, detail, error);
}

/** True when a commit failed without leaving anything behind, and may be repeated. */
export function isRetryableCommit(error: unknown): boolean {
  return /^SQLITE_(FULL|BUSY|LOCKED|NOMEM|CANTOPEN)/.test(failureCode(error) ?? '');
}

function failureCode(error: unknown): string | undefined {
  return sqliteCode(error instanceof QueryFailedError ? error.driverError : error);
}
