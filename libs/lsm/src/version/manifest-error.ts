/** Failures of the manifest. Without a manifest that can be believed the engine does not run. */
export type ManifestErrorCode =
  /** The database is damaged, or its rows do not add up. */
  | 'MANIFEST_CORRUPT'
  /** There are segments, but no manifest that lists them. */
  | 'MANIFEST_MISSING'
  /** The directory belongs to another cluster, group or node. */
  | 'WRONG_LABEL'
  /** Written by a release with another format. */
  | 'UNKNOWN_FORMAT'
  /** A commit failed in a way that leaves unknown what the disk holds: the process must stop. */
  | 'COMMIT_FAILED';

export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly code: ManifestErrorCode;
  readonly file: string;
  readonly retryable = false;

  constructor(code: ManifestErrorCode, file: string, detail: string, cause?: unknown) {
    super(`${file}: ${detail}`, { cause });
    this.code = code;
    this.file = file;
  }
}
