/**
 * The durable ports of a consensus process with a witness: the stores of production do the work, and
 * whoever checks invariants is told what was asked of them, in order, and what they called durable.
 */
import type { Entry, HardState, LogBase } from '@kvstore/raft';
import type { HardStateStore, LogStore, RecoveredLog } from '@kvstore/sequencer';
import type { LogIndex, Term } from '@kvstore/std';

export interface StoreWitness {
  /** What the files held when they were opened: entries above the base, if the log was cut. */
  recovered(base: LogBase | undefined, entries: readonly Entry[], state: HardState): void;
  appended(entries: readonly Entry[]): void;
  /** All of this append, and of every earlier one, is durable. */
  entriesDurable(entries: readonly Entry[]): void;
  cut(base: LogBase): void;
  /** The whole log is to be replaced; `baseDurable` follows when it is. */
  installing(base: LogBase): void;
  baseDurable(base: LogBase): void;
  saved(state: HardState): void;
  stateDurable(state: HardState): void;
}

export class WatchedLog implements LogStore {
  readonly #inner: LogStore;
  readonly #witness: StoreWitness;

  constructor(inner: LogStore, witness: StoreWitness) {
    this.#inner = inner;
    this.#witness = witness;
  }

  get recovered(): RecoveredLog {
    return this.#inner.recovered;
  }

  get roomBytes(): number {
    return this.#inner.roomBytes;
  }

  get sizeBytes(): number {
    return this.#inner.sizeBytes;
  }

  get spaceError(): string | undefined {
    return this.#inner.spaceError;
  }

  async append(entries: readonly Entry[], acknowledged: LogIndex): Promise<void> {
    this.#witness.appended(entries);
    await this.#inner.append(entries, acknowledged);
    this.#witness.entriesDurable(entries);
  }

  read(from: LogIndex, maxBytes: number): ReturnType<LogStore['read']> {
    return this.#inner.read(from, maxBytes);
  }

  cutPlace(limit: LogIndex, keptBytes: number): LogIndex | undefined {
    return this.#inner.cutPlace(limit, keptBytes);
  }

  cut(base: LogBase): Promise<void> {
    this.#witness.cut(base);
    return this.#inner.cut(base);
  }

  async install(base: LogBase): Promise<void> {
    this.#witness.installing(base);
    await this.#inner.install(base);
    this.#witness.baseDurable(base);
  }

  position(index: LogIndex): ReturnType<LogStore['position']> {
    return this.#inner.position(index);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

export class WatchedHardState implements HardStateStore {
  readonly #inner: HardStateStore;
  readonly #witness: StoreWitness;

  constructor(inner: HardStateStore, witness: StoreWitness) {
    this.#inner = inner;
    this.#witness = witness;
  }

  get recovered(): HardState {
    return this.#inner.recovered;
  }

  get repairTerm(): Term {
    return this.#inner.repairTerm;
  }

  beginRepair(): Promise<void> {
    return this.#inner.beginRepair();
  }

  async save(state: HardState): Promise<void> {
    this.#witness.saved(state);
    await this.#inner.save(state);
    this.#witness.stateDurable(state);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
