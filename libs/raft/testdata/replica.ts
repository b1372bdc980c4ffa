/**
 * A `RaftNode` with a driver and a disk in memory, for tests: carries out every `Ready` to the
 * letter of the manual in `src/index.ts`. Writes become durable one by one, when the test says so; a
 * crash takes everything else. What was handed out is kept for the test to judge.
 */
import { LOG_START, logIndex, nodeId, term, type LogPosition, type NodeId } from '@kvstore/std';
import { positionOf } from '../src/entry.ts';
import { configurationOf, EntryKind, RaftNode } from '../src/index.ts';
import type {
  Configuration,
  ConfigurationAt,
  Entry,
  HardState,
  LoadRequest,
  LogBase,
  RaftConfig,
  Ready,
  RestoredState,
  TermSpan,
} from '../src/index.ts';
import { jsonConfigurations } from './configurations.ts';

type Write =
  | { readonly kind: 'hard-state'; readonly state: HardState }
  | { readonly kind: 'install'; readonly base: LogBase }
  | { readonly kind: 'append'; readonly entries: readonly Entry[] };

/** A log as a disk holds it: the base, and the entries after it. */
export class DiskLog {
  base: LogBase;
  entries: Entry[] = [];

  constructor(base: LogBase) {
    this.base = base;
  }

  get lastIndex(): number {
    return this.base.position.index + this.entries.length;
  }

  /** Undefined where the log does not reach. */
  entryAt(index: number): Entry | undefined {
    return this.entries[index - this.base.position.index - 1];
  }

  positionAt(index: number): LogPosition | undefined {
    if (index === this.base.position.index) return this.base.position;
    const entry = this.entryAt(index);
    return entry === undefined ? undefined : positionOf(entry);
  }

  get last(): LogPosition {
    return this.positionAt(this.lastIndex) as LogPosition;
  }

  /** What an append does to a log: cut at its first index, then the entries. */
  place(entries: readonly Entry[]): void {
    const from = (entries[0] as Entry).index - this.base.position.index - 1;
    if (from < 0) throw new Error('append below the base');
    this.entries.length = Math.min(this.entries.length, from);
    for (const entry of entries) {
      if (entry.index !== this.lastIndex + 1) throw new Error(`a gap before ${entry.index}`);
      this.entries.push(entry);
    }
  }

  install(base: LogBase): void {
    this.base = base;
    this.entries = [];
  }

  cut(base: LogBase): void {
    this.entries = this.entries.slice(base.position.index - this.base.position.index);
    this.base = base;
  }

  copy(): DiskLog {
    const copy = new DiskLog(this.base);
    copy.entries = [...this.entries];
    return copy;
  }

  restored(hardState: HardState, repairTerm = term(0)): RestoredState {
    const { base, entries, last } = this;
    const configurations = configurationsOf(entries);
    return { hardState, repairTerm, base, last, spans: spansOf(entries), configurations };
  }
}

/** What a log that was never cut begins with. */
export function foundingBase(configuration: Configuration): LogBase {
  return { position: LOG_START, configuration, note: new Uint8Array(0) };
}

export const LOG_OPTIONS = {
  tailBytesMax: 1_000,
  decodeConfiguration: (body: Uint8Array) => jsonConfigurations.decode(body),
};

/** A state to restore from a whole log of `n1`.. `n3`. */
export function restoredFrom(entries: readonly Entry[], lastTerm?: number): RestoredState {
  const disk = new DiskLog(foundingBase(configurationOf(nodeIds(3))));
  if (entries.length > 0) disk.place(entries);
  return disk.restored({ term: term(lastTerm ?? disk.last.term), vote: undefined });
}

export interface ReplicaEvents {
  /** A `Ready` was taken and its writes were queued. */
  onReady(replica: SimulatedReplica, ready: Ready): void;
}

export class SimulatedReplica {
  readonly id: NodeId;
  readonly #config: RaftConfig;
  readonly #events: ReplicaEvents;
  /** Undefined while crashed. */
  node: RaftNode | undefined;
  /** Durable. */
  hardState: HardState = { term: term(0), vote: undefined };
  repairTerm = term(0);
  readonly disk: DiskLog;
  /** What the disk will be once every write has been carried out. */
  log: DiskLog;
  readonly writes: Write[] = [];
  readonly loads: LoadRequest[] = [];
  /** How often entries that were handed out before were overwritten. */
  truncations = 0;

  constructor(config: RaftConfig, configuration: Configuration, events: ReplicaEvents) {
    this.id = config.id;
    this.#config = config;
    this.#events = events;
    this.disk = new DiskLog(foundingBase(configuration));
    this.log = this.disk.copy();
  }

  start(): void {
    this.log = this.disk.copy();
    this.node = new RaftNode(this.#config, this.log.restored(this.hardState, this.repairTerm));
  }

  crash(): void {
    this.node = undefined;
    this.writes.length = 0;
    this.loads.length = 0;
    this.log = this.disk.copy();
  }

  /** While it is down: what is above `index` turns out damaged, and is cut off. */
  damage(index: number): void {
    if (this.node !== undefined) throw new Error('damage is found at a start');
    this.repairTerm = term(this.hardState.term + 1);
    this.hardState = { term: this.repairTerm, vote: undefined };
    this.disk.entries.splice(Math.max(0, index - this.disk.base.position.index));
    this.log = this.disk.copy();
  }

  /** It may lack what it acknowledged. */
  get isUnderRepair(): boolean {
    return this.disk.last.term < this.repairTerm;
  }

  /** Cuts the log at its beginning, at once and durably. */
  cutTo(index: number): void {
    const position = this.log.positionAt(index) as LogPosition;
    const base = this.node?.cutLog(position, Uint8Array.of(1)) as LogBase;
    this.log.cut(base);
    this.disk.cut(base);
  }

  /** Takes what is ready and queues its writes and loads. */
  pump(): void {
    while (this.node?.hasReady() === true) {
      const ready = this.node.ready();
      if (ready.hardState !== undefined) {
        this.writes.push({ kind: 'hard-state', state: ready.hardState });
      }
      if (ready.install !== undefined) {
        this.writes.push({ kind: 'install', base: ready.install });
        this.log.install(ready.install);
      }
      if (ready.append.length > 0) {
        this.writes.push({ kind: 'append', entries: ready.append });
        if ((ready.append[0] as Entry).index <= this.log.lastIndex) this.truncations++;
        this.log.place(ready.append);
      }
      this.loads.push(...ready.loads);
      this.#events.onReady(this, ready);
    }
  }

  /** Makes the oldest write durable and says so. Returns false when there is none. */
  completeWrite(): boolean {
    const write = this.writes.shift();
    if (write === undefined) return false;
    if (write.kind === 'hard-state') {
      this.hardState = write.state;
      this.node?.hardStatePersisted(write.state);
    } else if (write.kind === 'install') {
      this.disk.install(write.base);
      const { index, term: of } = write.base.position;
      this.node?.persisted(index, of);
    } else {
      this.disk.place(write.entries);
      const last = write.entries[write.entries.length - 1] as Entry;
      this.node?.persisted(last.index, last.term);
    }
    return true;
  }

  /** Answers the oldest load from the log. Returns false when there is none. */
  completeLoad(): boolean {
    const load = this.loads.shift();
    if (load === undefined) return false;
    const previous = this.log.positionAt(load.from - 1);
    // Cut off since it was asked for, so that nobody here waits for it any more.
    if (previous === undefined) return true;
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = load.from; index <= this.log.lastIndex; index = logIndex(index + 1)) {
      const entry = this.log.entryAt(index) as Entry;
      bytes += entry.body.length;
      if (entries.length > 0 && bytes > load.maxBytes) break;
      entries.push(entry);
    }
    this.node?.loaded(load.to, previous, entries);
    return true;
  }
}

/** Position of the entry at `index` of a whole log. */
export function positionAt(log: readonly Entry[], index: number): LogPosition {
  return index === 0 ? LOG_START : positionOf(log[index - 1] as Entry);
}

export function spansOf(log: readonly Entry[]): TermSpan[] {
  const spans: TermSpan[] = [];
  for (const entry of log) {
    if (spans[spans.length - 1]?.term === entry.term) continue;
    spans.push({ term: entry.term, firstIndex: entry.index });
  }
  return spans;
}

function configurationsOf(log: readonly Entry[]): ConfigurationAt[] {
  const found: ConfigurationAt[] = [];
  for (const { kind, index, body } of log) {
    if (kind !== EntryKind.configuration) continue;
    found.push({ index, configuration: jsonConfigurations.decode(body) as Configuration });
  }
  return found;
}

export function nodeIds(count: number): NodeId[] {
  return Array.from({ length: count }, (_, i) => nodeId(`n${i + 1}`));
}
