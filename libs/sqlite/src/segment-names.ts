/** How segment files are called, and what a failed fsync of one means. */
import { SegmentError } from '@kvstore/lsm';
import { DiskError } from '@kvstore/std';

export const SEGMENT_SUFFIX = '.segment';

export function segmentName(id: number): string {
  return String(id).padStart(12, '0');
}

/** A disk that failed to sync may hold anything: unlike other failures, that one ends the process. */
export async function syncing(file: string, sync: () => Promise<void>): Promise<void> {
  try {
    await sync();
  } catch (error) {
    if (!(error instanceof DiskError && error.code === 'IO')) throw error;
    throw new SegmentError('SYNC_FAILED', file, 'could not be made durable', error);
  }
}
