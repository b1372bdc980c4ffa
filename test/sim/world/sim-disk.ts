/**
 * The disk of one node: the memory disk, which knows what a power cut leaves, seen by one process
 * through delays, stalls, errors and a limit of space. A process that died never hears from it again.
 */
import type { Entry } from '@kvstore/raft';
import { ByteWriter, type Disk, type Random } from '@kvstore/std';
import { type DiskOperation, FaultyDisk, MemoryDisk, type UnsyncedFate } from '@kvstore/testing';
import type { Dice } from './dice.ts';
import { type FaultAtlas, FaultClass } from './fault-atlas.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimProcess } from './sim-process.ts';

export interface DiskFaults {
  readonly syncUsMean: number;
  /** Share of syncs that take up to `slowSyncUsMax`. */
  readonly slowSync: number;
  readonly slowSyncUsMax: number;
}

export const CALM_DISK: DiskFaults = { syncUsMean: 400, slowSync: 0, slowSyncUsMax: 0 };

const NEVER = new Promise<never>(() => undefined);

export class SimDisk {
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #atlas: FaultAtlas;
  #memory = new MemoryDisk();
  #view: FaultyDisk | undefined;
  #stalledUntilUs = 0;
  #busyUntilUs = 0;
  #syncFails = false;
  faults: DiskFaults = CALM_DISK;
  spaceBytes = Number.POSITIVE_INFINITY;
  /** Told when a sync of a log file is about to fail. */
  onSyncFailed: (process: SimProcess) => void = () => undefined;

  constructor(scheduler: Scheduler, dice: Dice, atlas: FaultAtlas) {
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.#atlas = atlas;
  }

  /** What a new process finds. */
  mount(process: SimProcess): Disk {
    const view = new FaultyDisk(this.#memory, (operation) => this.#operate(process, operation));
    view.setSpace(this.spaceBytes);
    this.#view = view;
    return view;
  }

  /** The files, for damage and inspection. */
  get memory(): MemoryDisk {
    return this.#memory;
  }

  /** Would this entry of the log be there after a power cut? */
  holdsDurably({ index, term, chain }: Entry): boolean {
    const end = new ByteWriter(24).u64(index).u64(term).u64(chain).finish();
    for (const [path, bytes] of this.#memory.durableFiles()) {
      if (!path.endsWith('.log')) continue;
      const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      if (file.lastIndexOf(end) >= 0) return true;
    }
    return false;
  }

  /** A process was killed: the page cache stays. */
  killed(): void {
    this.#memory = this.#memory.killImage();
    this.#ended();
  }

  powerLost(random: Random, unsynced: UnsyncedFate): void {
    this.#memory = this.#memory.crashImage(random, { unsynced });
    this.#ended();
  }

  #ended(): void {
    this.#syncFails = false;
    this.#stalledUntilUs = 0;
    this.setSpace(Number.POSITIVE_INFINITY);
  }

  /** Nothing is carried out before that has passed. */
  stall(forUs: number): void {
    this.#stalledUntilUs = Math.max(this.#stalledUntilUs, this.#scheduler.nowUs + forUs);
  }

  /** When the last operation under way will be carried out. */
  get busyUntilUs(): number {
    return this.#busyUntilUs;
  }

  failNextSync(): void {
    this.#syncFails = true;
  }

  setSpace(bytes: number): void {
    this.spaceBytes = bytes;
    this.#view?.setSpace(bytes);
  }

  heal(): void {
    this.faults = CALM_DISK;
    this.#stalledUntilUs = 0;
    this.#syncFails = false;
    this.setSpace(Number.POSITIVE_INFINITY);
  }

  async #operate(process: SimProcess, { kind, path }: DiskOperation): Promise<void> {
    if (!process.isAlive) return NEVER;
    const costUs = kind === 'sync' || kind === 'syncDirectory' ? this.#syncUs() : 0;
    const stallUs = Math.max(0, this.#stalledUntilUs - this.#scheduler.nowUs);
    this.#busyUntilUs = Math.max(this.#busyUntilUs, this.#scheduler.nowUs + costUs + stallUs);
    if (costUs + stallUs > 0) {
      await new Promise<void>((resolve) => {
        this.#scheduler.schedule(costUs + stallUs, process, resolve);
      });
    }
    if (kind === 'sync' && this.#syncFails) {
      this.#syncFails = false;
      this.#atlas.count(FaultClass.syncError);
      this.#memory.failNextSync();
      if (path.endsWith('.log')) this.onSyncFailed(process);
    }
    return undefined;
  }

  #syncUs(): number {
    const { syncUsMean, slowSync, slowSyncUsMax } = this.faults;
    if (!this.#dice.chance(slowSync)) return 1 + Math.floor(this.#dice.exponential(syncUsMean));
    this.#atlas.count(FaultClass.syncSlow);
    return this.#dice.below(slowSyncUsMax);
  }
}
