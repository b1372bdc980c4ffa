/** Failures of segment files. None is retryable but by whoever mends the disk or rebuilds the node. */
export type SegmentErrorCode =
  /** The contents of a file are not what was written: names the file and, if known, the block. */
  | 'SEGMENT_CORRUPT'
  /** A file that the manifest lists is not there. */
  | 'SEGMENT_MISSING'
  /** The file's format version is not one that this release reads. */
  | 'UNKNOWN_FORMAT'
  /** fsync failed: what the disk holds is unknown, and the process must stop. */
  | 'SYNC_FAILED';

export class SegmentError extends Error {
  override readonly name = 'SegmentError';
  readonly code: SegmentErrorCode;
  readonly file: string;
  readonly retryable = false;

  constructor(code: SegmentErrorCode, file: string, detail: string, cause?: unknown) {
    super(`${file}: ${detail}`, { cause });
    this.code = code;
    this.file = file;
  }
}
