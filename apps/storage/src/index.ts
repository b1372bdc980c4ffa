/** The storage service, as a composition root imports it. */
export { observeStorage } from './storage-metrics.ts';
export { REPLICA, STORAGE_SELF } from './storage-tokens.ts';
export { StorageModule, storageOptions } from './storage.module.ts';
