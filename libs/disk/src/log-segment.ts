/** An open or closed segment file, as the rest of the log sees it, and how a new one comes to be. */
import type { Disk, DiskFile, LogPosition } from '@kvstore/std';
import { encodeHeader, segmentName } from './segment-header.ts';
import { joinPath } from './slot-file.ts';

export interface LogSegment {
  readonly path: string;
  readonly firstSequence: number;
  /** Seeds the checksums of its records. */
  readonly fingerprint: number;
  /** Size of the file, header included. */
  readonly bytes: number;
}

/** A file of zeros, allocated and synced, that is to become a segment. */
export interface SpareFile {
  readonly path: string;
  readonly file: DiskFile;
  readonly bytes: number;
}

/**
 * Turns a spare into the segment that follows `previous`: header, sync, rename, sync of the
 * directory. A file that has its name has a whole header; a crash before leaves a spare.
 * `untilSpace` carries out again what failed for want of space.
 */
export async function beginSegment(
  disk: Disk,
  directory: string,
  spare: SpareFile,
  identity: {
    readonly label: string;
    readonly firstSequence: number;
    readonly previous: LogPosition;
  },
  untilSpace: (operation: () => Promise<void>) => Promise<void>,
): Promise<LogSegment> {
  const { label, firstSequence, previous } = identity;
  const path = joinPath(directory, segmentName(firstSequence));
  const header = encodeHeader({ label, firstSequence, previous, segmentBytes: spare.bytes });
  await untilSpace(() => spare.file.write(0, header.bytes));
  await spare.file.sync();
  await untilSpace(() => disk.rename(spare.path, path));
  await disk.syncDirectory(directory);
  return { path, firstSequence, fingerprint: header.fingerprint, bytes: spare.bytes };
}
