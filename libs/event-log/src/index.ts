/**
 * event-log: the committed log in JetStream. `Archiver` appends to it on the node that leads;
 * `StreamArchive` reads from it, for storages that no consensus replica serves. Nothing is decided,
 * acknowledged or elected by it: losing a stream costs writing another one.
 */
export { Archiver } from './archiver.ts';
export type { ArchiverOptions } from './archiver.ts';
export type { ArchiverConfig } from './archiver-config.ts';
export { ArchiverPhase } from './archiver-report.ts';
export type { ArchiverCounters, ArchiverEvent, ArchiverStatus } from './archiver-report.ts';
export { Loss } from './inspection.ts';
export { StreamArchive } from './stream-archive.ts';
export type { StreamArchiveCounters, StreamArchiveOptions } from './stream-archive.ts';
export { StreamErrorKind } from './stream-error.ts';
