/**
 * lsm: the storage engine under a replica, a log-structured merge tree whose write-ahead log is the
 * replicated log. `LsmEngine` is the way in; `DESIGN.md` says how it holds together. Pure: files
 * are reached through `SegmentStore` and `Manifest`, which the `sqlite` lib implements.
 */
export type { Cursor, Layer } from './cursor.ts';
export { DEFAULT_LSM_CONFIG, lsmConfig } from './lsm-config.ts';
export type { LsmConfig } from './lsm-config.ts';
export { LsmEngine } from './lsm-engine.ts';
export type { KeyBounds, KeyValue, LsmOptions, LsmStatistics } from './lsm-engine.ts';
export { LsmStore } from './lsm-store.ts';
export type { LsmStoreOptions } from './lsm-store.ts';
export { Memtable } from './memtable/memtable.ts';
export type { SharedMemtable } from './memtable/memtable.ts';
export { SegmentError } from './segment/segment-error.ts';
export type { SegmentErrorCode } from './segment/segment-error.ts';
export { Compression, SEGMENT_FORMAT_VERSION, SegmentPart } from './segment/segment-metadata.ts';
export type { SegmentMetadata, SegmentProperties } from './segment/segment-metadata.ts';
export type { ChecksummedBytes, SegmentSource, SegmentStore } from './segment/segment-store.ts';
export { writeSegment } from './segment/segment-writer.ts';
export type { SegmentOptions, SegmentSink } from './segment/segment-writer.ts';
export type { EngineFiles, IncomingFiles, OpenFiles } from './snapshot/engine-files.ts';
export type { SnapshotSegment } from './snapshot/snapshot-manifest.ts';
export { TOMBSTONE } from './stored.ts';
export type { FilterPrefixLength, Stored } from './stored.ts';
export { ManifestError } from './version/manifest-error.ts';
export type { ManifestErrorCode } from './version/manifest-error.ts';
export type { Manifest, ManifestState } from './version/manifest.ts';
