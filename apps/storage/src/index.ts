/** The storage service, as a composition root imports it. */
export { observeStorage } from './storage-metrics.ts';
export { REPLICA, StorageModule } from './storage.module.ts';
export type { StorageOptions } from './storage.module.ts';
