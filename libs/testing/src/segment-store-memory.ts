/**
 * The engine's files in memory: segments as their parts in maps, the manifest as a variable. Steps
 * of a flush can be held back or failed, so that a test decides what the engine sees when.
 */
import { createHash } from 'node:crypto';
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
import { ByteReader, ByteWriter, LOG_START, type LogPosition } from '@kvstore/std';

/** Called before a step is carried out: throws to fail it, may wait to hold it back. */
export type SegmentHook = (
  step: 'write' | 'open' | 'commit' | 'replace',
  id: number,
) => void | Promise<void>;

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
  /** How often somebody said that he waits. */
  hurries = 0;

  /** What is written under a name, for tests that damage it. */
  rows(file: string): Map<number, ChecksummedBytes> {
    return this.#files.get(file)?.rows as Map<number, ChecksummedBytes>;
  }

  remove(file: string): void {
    this.#files.delete(file);
  }

  hurry(): void {
    this.hurries += 1;
  }

  async write(memtable: SharedMemtable, options: SegmentOptions): Promise<SegmentMetadata> {
    await this.hook('write', options.id);
    const rows = new Map<number, ChecksummedBytes>();
    const keep = (number: number, bytes: Uint8Array, checksum: number): void => {
      rows.set(number, { bytes, checksum });
    };
    const properties = writeSegment(new Memtable(memtable), options, { block: keep, part: keep });
    const file = `${options.id}.segment`;
    const bytes = fileOf(rows);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const metadata = { ...properties, file, bytes: bytes.length, sha256 };
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

  /** Puts a file here that came from elsewhere. */
  add(metadata: SegmentMetadata, file: Uint8Array): void {
    const rows = new Map<number, ChecksummedBytes>();
    const reader = new ByteReader(file);
    while (reader.offset < file.length) {
      rows.set(reader.u32(), { checksum: reader.u32(), bytes: reader.bytes32() });
    }
    this.#files.set(metadata.file, { metadata, rows });
  }

  read({ file }: SegmentMetadata, offset: number, length: number): Promise<Uint8Array> {
    const stored = this.#files.get(file);
    if (stored === undefined) throw new SegmentError('SEGMENT_MISSING', file, 'is missing');
    return Promise.resolve(fileOf(stored.rows).slice(offset, offset + length));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** u32 number · u32 checksum · u32+bytes, for each row. */
function fileOf(rows: ReadonlyMap<number, ChecksummedBytes>): Uint8Array {
  const writer = new ByteWriter(4096);
  for (const [number, { bytes, checksum }] of rows) writer.u32(number).u32(checksum).bytes32(bytes);
  return writer.finish();
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

  async replace(state: ManifestState): Promise<void> {
    await this.hook('replace', 0);
    this.state = state;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
