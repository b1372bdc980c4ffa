/** The port to the durable list of live segments, and the log position that they hold the state of. */
import type { LogPosition } from '@kvstore/std';
import type { SegmentMetadata } from '../segment/segment-metadata.ts';

export interface ManifestState {
  /** In the order of their ids, which is the order in which they were sealed. */
  readonly segments: readonly SegmentMetadata[];
  /** The last entry whose effects are in a live segment, or that had none. */
  readonly position: LogPosition;
}

export interface Manifest {
  /**
   * Makes a segment live and moves the position, in one transaction: durable when it resolves.
   * Without a segment only the position moves. Rejects with `ManifestError` when the process must
   * stop; anything else may be tried again with the same arguments.
   */
  commit(position: LogPosition, segment: SegmentMetadata | undefined): Promise<void>;
  /**
   * Puts another state in the place of the whole: durable when it resolves. Rejects as `commit` does;
   * what may be tried again has left the old state.
   */
  replace(state: ManifestState): Promise<void>;
  close(): Promise<void>;
}
