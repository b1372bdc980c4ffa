/**
 * sqlite: the storage engine's files as SQLite databases, the lock on a data directory, and the
 * composition of both with the engine. The only lib that touches the driver and TypeORM.
 */
export { acquireDirectoryLock, DirectoryInUseError } from './directory-lock.ts';
export type { DirectoryLock } from './directory-lock.ts';
export { openLsmEngine } from './open-lsm-engine.ts';
export type { LsmEngineOptions } from './open-lsm-engine.ts';
