/**
 * The port to everything that one engine keeps: its segments and manifest, and beside them the files of
 * a snapshot that is being received. Implemented by the `sqlite` lib; in memory by `testing`.
 */
import type { SegmentMetadata } from '../segment/segment-metadata.ts';
import type { SegmentStore } from '../segment/segment-store.ts';
import type { Manifest, ManifestState } from '../version/manifest.ts';
import type { SnapshotSegment } from './snapshot-manifest.ts';

export interface OpenFiles {
  readonly segments: SegmentStore;
  readonly manifest: Manifest;
  readonly recovered: ManifestState;
}

export interface EngineFiles {
  readonly incoming: IncomingFiles;
  /**
   * Opens what is there, nothing the first time; removes segment files that the manifest does not list.
   * `onDamage`: a file turns out later not to be what was written. Rejects with `SegmentError` or
   * `ManifestError` when what is there cannot be trusted.
   */
  open(onDamage: (error: Error) => void): Promise<OpenFiles>;
  /** Why what is here must not be served, as `fence` was told, perhaps by an earlier process. From `open` on. */
  readonly fenced: string | undefined;
  /** Resolves when it is durable that what is here must not be served. No effect while it is. */
  fence(why: string): Promise<void>;
  /** What is here is sound. Of what is aside only what this fence has put there stays. */
  unfence(): Promise<void>;
  /**
   * Moves all of it away, in one step, under a name with the time; removes it when this fence has put
   * something aside already, which is the better copy. Fenced, and nothing is open; the next `open` finds
   * nothing.
   */
  setAside(): Promise<void>;
  /** Keeps all of it aside as well, unless something is: before it is replaced. Fenced; nothing is written. */
  keepAside(): Promise<void>;
  /** Ends what runs in the background, for good. Nothing is open. */
  close(): Promise<void>;
}

/** Files of a snapshot on their way here, by their SHA-256. None of them is live. */
export interface IncomingFiles {
  /** Removes what is of other snapshots. Resolves with the bytes that are here of each segment. */
  prepare(segments: readonly SnapshotSegment[]): Promise<readonly number[]>;
  /** Owned by the call until it resolves. Rejects with `DiskError`; then any part may be written. */
  write(segment: SnapshotSegment, offset: number, bytes: Uint8Array): Promise<void>;
  /**
   * Makes a file durable and compares its SHA-256: false, and the file is gone, when it is not the
   * segment. Rejects with `SegmentError` SYNC_FAILED, after which the process must stop.
   */
  finish(segment: SnapshotSegment): Promise<boolean>;
  /**
   * Moves finished files among the segments, durably, under names that no segment has. They are
   * removed at the next open unless a commit to the manifest has listed them.
   */
  adopt(segments: readonly SnapshotSegment[]): Promise<readonly SegmentMetadata[]>;
  /** Removes everything. */
  clear(): Promise<void>;
}
