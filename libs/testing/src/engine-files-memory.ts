/**
 * Everything an engine keeps, in memory: `EngineFiles` over the segment store and manifest here. A test
 * sees what was set aside and can fail the steps of a replacement through the same hook as a flush's.
 */
import { createHash } from 'node:crypto';
import type {
  EngineFiles,
  IncomingFiles,
  ManifestState,
  OpenFiles,
  SegmentMetadata,
  SnapshotSegment,
} from '@kvstore/lsm';
import { LOG_START } from '@kvstore/std';
import { MemoryManifest, MemorySegmentStore } from './segment-store-memory.ts';

export class MemoryEngineFiles implements EngineFiles {
  readonly segments = new MemorySegmentStore();
  readonly manifest = new MemoryManifest();
  readonly incoming: MemoryIncomingFiles;
  /** What was moved away, first of all since it was fenced. */
  aside: ManifestState | undefined;
  fenced: string | undefined;

  constructor() {
    this.incoming = new MemoryIncomingFiles(this.segments);
  }

  open(): Promise<OpenFiles> {
    const { segments, manifest } = this;
    return Promise.resolve({ segments, manifest, recovered: manifest.state });
  }

  fence(why: string): Promise<void> {
    if (this.fenced === undefined) this.aside = undefined;
    this.fenced ??= why;
    return Promise.resolve();
  }

  unfence(): Promise<void> {
    this.fenced = undefined;
    return Promise.resolve();
  }

  keepAside(): Promise<void> {
    this.aside ??= this.manifest.state;
    return Promise.resolve();
  }

  setAside(): Promise<void> {
    this.aside ??= this.manifest.state;
    this.manifest.state = { segments: [], position: LOG_START };
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export class MemoryIncomingFiles implements IncomingFiles {
  readonly #segments: MemorySegmentStore;
  readonly #files = new Map<string, Uint8Array>();
  #adopted = 0;

  constructor(segments: MemorySegmentStore) {
    this.#segments = segments;
  }

  prepare(segments: readonly SnapshotSegment[]): Promise<readonly number[]> {
    const wanted = new Set(segments.map(({ sha256 }) => sha256));
    for (const name of this.#files.keys()) if (!wanted.has(name)) this.#files.delete(name);
    return Promise.resolve(segments.map(({ sha256 }) => this.#files.get(sha256)?.length ?? 0));
  }

  write({ sha256 }: SnapshotSegment, offset: number, bytes: Uint8Array): Promise<void> {
    const before = this.#files.get(sha256) ?? new Uint8Array(0);
    const after = new Uint8Array(Math.max(before.length, offset + bytes.length));
    after.set(before);
    after.set(bytes, offset);
    this.#files.set(sha256, after);
    return Promise.resolve();
  }

  finish({ sha256 }: SnapshotSegment): Promise<boolean> {
    const bytes = this.#files.get(sha256) ?? new Uint8Array(0);
    const isSound = createHash('sha256').update(bytes).digest('hex') === sha256;
    if (!isSound) this.#files.delete(sha256);
    return Promise.resolve(isSound);
  }

  adopt(segments: readonly SnapshotSegment[]): Promise<readonly SegmentMetadata[]> {
    this.#adopted += 1;
    const adopted = segments.map((segment) => {
      const metadata = { ...segment, file: `${segment.id}-${this.#adopted}.segment` };
      this.#segments.add(metadata, this.#files.get(segment.sha256) ?? new Uint8Array(0));
      return metadata;
    });
    this.#files.clear();
    return Promise.resolve(adopted);
  }

  clear(): Promise<void> {
    this.#files.clear();
    return Promise.resolve();
  }
}
