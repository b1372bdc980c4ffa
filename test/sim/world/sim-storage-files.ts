/**
 * What a storage keeps on its disk, simulated at the engine's ports: immutable segments and the
 * manifest. A step takes time; a crash within one leaves it done or not done, never half.
 */
import { type LogPosition, LOG_START } from '@kvstore/std';
import type {
  Manifest,
  ManifestState,
  SegmentMetadata,
  SegmentOptions,
  SegmentSource,
  SegmentStore,
  SharedMemtable,
} from '@kvstore/lsm';
import { MemorySegmentStore } from '@kvstore/testing';
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
  #state: ManifestState = { segments: [], position: LOG_START };
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

  mount(process: SimProcess): {
    readonly segments: SegmentStore;
    readonly manifest: Manifest;
    readonly recovered: ManifestState;
  } {
    return {
      segments: new MountedSegments(this.#segments, () => this.#step(process)),
      manifest: {
        commit: (position, segment) => this.#commit(process, position, segment),
        close: () => Promise.resolve(),
      },
      recovered: this.#state,
    };
  }

  async #commit(
    process: SimProcess,
    position: LogPosition,
    segment: SegmentMetadata | undefined,
  ): Promise<void> {
    const added = segment === undefined ? [] : [segment];
    const next = { position, segments: [...this.#state.segments, ...added] };
    if (process.isAlive) this.#committing = next;
    await this.#step(process);
    this.#state = next;
    this.#committing = undefined;
  }

  /** Takes time, or fails for want of space; a dead process waits for ever. */
  async #step(process: SimProcess): Promise<void> {
    if (!process.isAlive) return NEVER;
    const { stepUsMean, slow, slowUsMax, error } = this.faults;
    let us = 1 + this.#dice.exponential(stepUsMean);
    if (this.#dice.chance(slow)) {
      this.#atlas.count(FaultClass.flushSlow);
      us = this.#dice.below(slowUsMax);
    }
    const fails = this.#dice.chance(error);
    await new Promise<void>((resolve) => void this.#scheduler.schedule(us, process, resolve));
    if (!fails) return undefined;
    this.#atlas.count(FaultClass.flushError);
    this.#committing = undefined;
    throw new Error('simulated: no space left on the disk');
  }
}

class MountedSegments implements SegmentStore {
  readonly #inner: MemorySegmentStore;
  readonly #step: () => Promise<void>;

  constructor(inner: MemorySegmentStore, step: () => Promise<void>) {
    this.#inner = inner;
    this.#step = step;
  }

  async write(memtable: SharedMemtable, options: SegmentOptions): Promise<SegmentMetadata> {
    await this.#step();
    return this.#inner.write(memtable, options);
  }

  open(metadata: SegmentMetadata): Promise<SegmentSource> {
    return this.#inner.open(metadata);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
