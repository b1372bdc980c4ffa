/**
 * What a storage keeps on its disk, simulated at the engine's ports: immutable segments, the manifest
 * and what is received of a snapshot. A step takes time; a crash within one leaves it done or not done,
 * never half.
 */
import { DiskError, LOG_START, type LogPosition } from '@kvstore/std';
import type {
  EngineFiles,
  IncomingFiles,
  ManifestState,
  SegmentMetadata,
  SegmentOptions,
  SegmentSource,
  SegmentStore,
  SharedMemtable,
  SnapshotSegment,
} from '@kvstore/lsm';
import { MemoryIncomingFiles, MemorySegmentStore } from '@kvstore/testing';
import type { Dice } from './dice.ts';
import { type FaultAtlas, FaultClass } from './fault-atlas.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimProcess } from './sim-process.ts';

export interface FlushFaults {
  readonly stepUsMean: number;
  readonly slow: number;
  readonly slowUsMax: number;
  readonly error: number;
}

export const CALM_FLUSH: FlushFaults = { stepUsMean: 2000, slow: 0, slowUsMax: 0, error: 0 };

const NEVER = new Promise<never>(() => undefined);

export class SimStorageFiles {
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #atlas: FaultAtlas;
  /** Segments are immutable, so one store serves every incarnation. */
  readonly #segments = new MemorySegmentStore();
  readonly #incoming = new MemoryIncomingFiles(this.#segments);
  #state: ManifestState = { segments: [], position: LOG_START };
  #fenced: string | undefined;
  /** A commit under way: on the disk already, or not yet. */
  #committing: ManifestState | undefined;
  faults: FlushFaults = CALM_FLUSH;

  constructor(scheduler: Scheduler, dice: Dice, atlas: FaultAtlas) {
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.#atlas = atlas;
  }

  get durable(): LogPosition {
    return this.#state.position;
  }

  /** The process died, by whatever: a commit under way has reached the disk, or it has not. */
  died(): void {
    if (this.#committing !== undefined && this.#dice.chance(0.5)) this.#state = this.#committing;
    this.#committing = undefined;
  }

  mount(process: SimProcess): EngineFiles {
    const fenced = (): string | undefined => this.#fenced;
    const step = (): Promise<void> => this.#step(process);
    return {
      incoming: new MountedIncoming(this.#incoming, step),
      open: () =>
        Promise.resolve({
          recovered: this.#state,
          segments: new MountedSegments(this.#segments, step, () => this.#wait(process)),
          manifest: {
            commit: (position, segment) => {
              const added = segment === undefined ? [] : [segment];
              return this.#commit(process, {
                position,
                segments: [...this.#state.segments, ...added],
              });
            },
            replace: (state) => this.#commit(process, state),
            close: () => Promise.resolve(),
          },
        }),
      close: () => Promise.resolve(),
      get fenced() {
        return fenced();
      },
      fence: async (why) => {
        await step();
        this.#fenced = why;
      },
      unfence: async () => {
        await step();
        this.#fenced = undefined;
      },
      keepAside: step,
      setAside: () => this.#commit(process, { segments: [], position: LOG_START }),
    };
  }

  async #commit(process: SimProcess, next: ManifestState): Promise<void> {
    if (process.isAlive) this.#committing = next;
    await this.#step(process);
    this.#state = next;
    this.#committing = undefined;
  }

  /** Takes time, and may fail for want of space. */
  async #step(process: SimProcess): Promise<void> {
    const fails = this.#dice.chance(this.faults.error);
    await this.#wait(process);
    if (!fails) return;
    this.#atlas.count(FaultClass.flushError);
    this.#committing = undefined;
    throw new DiskError('DISK_FULL', 'simulated: no space left on the disk');
  }

  /** Takes time; a dead process waits for ever. */
  async #wait(process: SimProcess): Promise<void> {
    if (!process.isAlive) return NEVER;
    const { stepUsMean, slow, slowUsMax } = this.faults;
    let us = 1 + this.#dice.exponential(stepUsMean);
    if (this.#dice.chance(slow)) {
      this.#atlas.count(FaultClass.flushSlow);
      us = this.#dice.below(slowUsMax);
    }
    await new Promise<void>((resolve) => void this.#scheduler.schedule(us, process, resolve));
    return undefined;
  }
}

class MountedSegments implements SegmentStore {
  readonly #inner: MemorySegmentStore;
  readonly #step: () => Promise<void>;
  readonly #wait: () => Promise<void>;

  constructor(inner: MemorySegmentStore, step: () => Promise<void>, wait: () => Promise<void>) {
    this.#inner = inner;
    this.#step = step;
    this.#wait = wait;
  }

  async write(memtable: SharedMemtable, options: SegmentOptions): Promise<SegmentMetadata> {
    await this.#step();
    return this.#inner.write(memtable, options);
  }

  hurry(): void {
    this.#inner.hurry();
  }

  open(metadata: SegmentMetadata): Promise<SegmentSource> {
    return this.#inner.open(metadata);
  }

  /** Needs no space. */
  async read(segment: SegmentMetadata, offset: number, length: number): Promise<Uint8Array> {
    await this.#wait();
    return this.#inner.read(segment, offset, length);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class MountedIncoming implements IncomingFiles {
  readonly #inner: IncomingFiles;
  readonly #step: () => Promise<void>;

  constructor(inner: IncomingFiles, step: () => Promise<void>) {
    this.#inner = inner;
    this.#step = step;
  }

  prepare(segments: readonly SnapshotSegment[]): Promise<readonly number[]> {
    return this.#inner.prepare(segments);
  }

  async write(segment: SnapshotSegment, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#step();
    await this.#inner.write(segment, offset, bytes);
  }

  async finish(segment: SnapshotSegment): Promise<boolean> {
    await this.#step();
    return this.#inner.finish(segment);
  }

  async adopt(segments: readonly SnapshotSegment[]): Promise<readonly SegmentMetadata[]> {
    await this.#step();
    return this.#inner.adopt(segments);
  }

  clear(): Promise<void> {
    return this.#inner.clear();
  }
}
