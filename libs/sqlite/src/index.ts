/**
 * sqlite: the storage engine's files as SQLite databases, the lock on a data directory, and the
 * composition of both with the engine. The only lib that touches the driver and TypeORM.
 */
export { acquireDirectoryLock, DirectoryInUseError } from './directory-lock.ts';
export type { DirectoryLock } from './directory-lock.ts';
export { openLsmStore } from './open-lsm-store.ts';
export type { LsmStoreOptions } from './open-lsm-store.ts';
