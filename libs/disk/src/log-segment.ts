/**
 * Segment files, as the rest of the log sees them: how a new one comes to be, and between which of
 * them the log can be cut.
 */
import type { Disk, DiskFile, LogPosition } from '@kvstore/std';
import { encodeHeader, segmentName } from './segment-header.ts';
import { joinPath } from './slot-file.ts';

export interface LogSegment {
  readonly path: string;
  readonly firstSequence: number;
  /** The last entry before the segment, as the log stood when it was begun. */
  readonly previous: LogPosition;
  /** Seeds the checksums of its records. */
  readonly fingerprint: number;
  /** Size of the file, header included. */
  readonly bytes: number;
  /** The lowest index of its records: at or below `previous` when it cuts entries before it off. */
  lowestIndex: number;
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
  const { fingerprint } = header;
  return { path, firstSequence, previous, fingerprint, bytes: spare.bytes, lowestIndex: Infinity };
}

/**
 * The newest segment before which everything can be given back, when nothing above `limit` and
 * nothing of the last `keptBytes` may go: the log stood at or below `limit` when it was begun, and
 * nothing from there on cuts off what came before. `activeBytes`: used of the last one.
 */
export function firstToKeep(
  segments: readonly LogSegment[],
  activeBytes: number,
  limit: number,
  keptBytes: number,
): LogSegment | undefined {
  let bytes = 0;
  let lowestIndex = Infinity;
  for (let at = segments.length - 1; at > 0; at--) {
    const segment = segments[at] as LogSegment;
    bytes += at === segments.length - 1 ? activeBytes : segment.bytes;
    lowestIndex = Math.min(lowestIndex, segment.lowestIndex);
    const { index } = segment.previous;
    if (bytes >= keptBytes && index <= limit && lowestIndex > index) return segment;
  }
  return undefined;
}
