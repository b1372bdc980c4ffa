/**
 * The engine's files in memory: segments as their parts in maps, the manifest as a variable. Steps
 * of a flush can be held back or failed, so that a test decides what the engine sees when.
 */
import {
  Memtable,
  SegmentError,
  writeSegment,
  type ChecksummedBytes,
  type Manifest,
  type ManifestState,
  type SegmentMetadata,
  type SegmentOptions,
  type SegmentSource,
  type SegmentStore,
  type SharedMemtable,
} from '@kvstore/lsm';
import { LOG_START, type LogPosition } from '@kvstore/std';

/** Called before a step is carried out: throws to fail it, may wait to hold it back. */
export type SegmentHook = (step: 'write' | 'open' | 'commit', id: number) => void | Promise<void>;

interface StoredSegment {
  readonly metadata: SegmentMetadata;
  readonly rows: ReadonlyMap<number, ChecksummedBytes>;
}

export class MemorySegmentStore implements SegmentStore {
  readonly #files = new Map<string, StoredSegment>();
  hook: SegmentHook = () => undefined;
  /** Blocks read so far, to see what a read touched. */
  blocksRead = 0;
  openSources = 0;

  /** What is written under a name, for tests that damage it. */
  rows(file: string): Map<number, ChecksummedBytes> {
    return this.#files.get(file)?.rows as Map<number, ChecksummedBytes>;
  }

  remove(file: string): void {
    this.#files.delete(file);
  }

  async write(memtable: SharedMemtable, options: SegmentOptions): Promise<SegmentMetadata> {
    await this.hook('write', options.id);
    const rows = new Map<number, ChecksummedBytes>();
    let size = 0;
    const keep = (number: number, bytes: Uint8Array, checksum: number): void => {
      size += bytes.length;
      rows.set(number, { bytes, checksum });
    };
    const properties = writeSegment(new Memtable(memtable), options, { block: keep, part: keep });
    const file = `${options.id}.segment`;
    const metadata = { ...properties, file, bytes: size, sha256: '' };
    this.#files.set(file, { metadata, rows });
    return metadata;
  }

  async open({ id, file }: SegmentMetadata): Promise<SegmentSource> {
    await this.hook('open', id);
    const stored = this.#files.get(file);
    if (stored === undefined) throw new SegmentError('SEGMENT_MISSING', file, 'is missing');
    this.openSources += 1;
    return {
      block: (number) => {
        this.blocksRead += 1;
        return stored.rows.get(number);
      },
      part: (part) => stored.rows.get(part),
      close: () => void (this.openSources -= 1),
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export class MemoryManifest implements Manifest {
  state: ManifestState = { segments: [], position: LOG_START };
  hook: SegmentHook = () => undefined;
  commits = 0;

  async commit(position: LogPosition, segment: SegmentMetadata | undefined): Promise<void> {
    await this.hook('commit', segment?.id ?? 0);
    const added = segment === undefined ? [] : [segment];
    this.state = { position, segments: [...this.state.segments, ...added] };
    this.commits += 1;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
