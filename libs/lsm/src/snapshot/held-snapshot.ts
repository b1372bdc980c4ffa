/**
 * A snapshot of this storage while another one reads it: the manifest and the segments as they were
 * when it was made, which never change.
 */
import { assert, type LogPosition } from '@kvstore/std';
import type { SegmentStore } from '../segment/segment-store.ts';
import type { ManifestState } from '../version/manifest.ts';
import { encodeSnapshotManifest } from './snapshot-manifest.ts';

export class HeldSnapshot {
  readonly manifest: Uint8Array;
  readonly #state: ManifestState;
  readonly #segments: SegmentStore;
  readonly #released: () => void;
  #isReleased = false;

  constructor(state: ManifestState, segments: SegmentStore, released: () => void) {
    this.#state = state;
    this.#segments = segments;
    this.#released = released;
    this.manifest = encodeSnapshotManifest(state);
  }

  get position(): LogPosition {
    return this.#state.position;
  }

  /** Sizes of the files, in the order of the manifest. */
  get files(): readonly number[] {
    return this.#state.segments.map(({ bytes }) => bytes);
  }

  /** True as well when what it was of is replaced: it cannot be read any more. */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Shorter than `length` only at the end. Owned by the caller. Rejects with `SegmentError`. */
  async read(file: number, offset: number, length: number): Promise<Uint8Array> {
    const segment = this.#state.segments[file];
    assert(segment !== undefined && !this.#isReleased, 'no such file of a snapshot that is held');
    return this.#segments.read(segment, offset, length);
  }

  /** No effect the second time. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#released();
  }
}
