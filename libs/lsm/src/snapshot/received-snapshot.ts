/**
 * A snapshot of another storage on its way here, file by file. What has arrived of it stays when this is
 * given up, for the next one that has the same file.
 */
import { assert, type LogPosition } from '@kvstore/std';
import type { IncomingFiles } from './engine-files.ts';
import type { SnapshotSegment, SnapshotState } from './snapshot-manifest.ts';

export interface ReceivedFile {
  readonly bytes: number;
  /** Already here when the snapshot was begun. */
  readonly received: number;
}

export class ReceivedSnapshot {
  readonly files: readonly ReceivedFile[];
  readonly #state: SnapshotState;
  readonly #incoming: IncomingFiles;
  readonly #finished = new Set<number>();
  readonly #install: () => Promise<void>;

  constructor(
    state: SnapshotState,
    incoming: IncomingFiles,
    received: readonly number[],
    install: () => Promise<void>,
  ) {
    this.#state = state;
    this.#incoming = incoming;
    this.#install = install;
    this.files = state.segments.map(({ bytes }, i) => ({ bytes, received: received[i] ?? 0 }));
  }

  /** Where the store stands once it is installed. */
  get position(): LogPosition {
    return this.#state.position;
  }

  write(file: number, offset: number, bytes: Uint8Array): Promise<void> {
    return this.#incoming.write(this.#segment(file), offset, bytes);
  }

  /** Durable and verified; false when it is not what the manifest says: to be received anew. */
  async finish(file: number): Promise<boolean> {
    const isSound = await this.#incoming.finish(this.#segment(file));
    if (isSound) this.#finished.add(file);
    return isSound;
  }

  /**
   * Replaces everything that the store holds, in one step. When it rejects the store holds what it
   * held before, as far as that was durable.
   */
  async install(): Promise<void> {
    assert(this.#finished.size === this.files.length, 'a file of the snapshot is not verified');
    await this.#install();
  }

  #segment(file: number): SnapshotSegment {
    const segment = this.#state.segments[file];
    assert(segment !== undefined, 'no such file of the snapshot');
    return segment;
  }
}
