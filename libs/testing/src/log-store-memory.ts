/**
 * `LogStore` and `HardStateStore` in memory, with control over what tests need: holding durability
 * back, failing it, running out of space, and crashing. Appends of one turn become durable together,
 * a microtask later, unless held; so do cuts and installed bases. Every entry is a file of its own.
 */
import { assert, LOG_START, term } from '@kvstore/std';
import type { Chain, LogIndex, LogPosition, Term } from '@kvstore/std';
import { EntryKind } from '@kvstore/raft';
import type { Entry, HardState, LogBase, TermSpan } from '@kvstore/raft';
import { LogError } from '@kvstore/sequencer';
import type { HardStateStore, LogStore, RecoveredLog } from '@kvstore/sequencer';
import { Gate } from './disk-faults.ts';

/** Counted for an entry beyond its body. */
const ENTRY_OVERHEAD_BYTES = 64;

export class MemoryLogStore implements LogStore {
  readonly recovered: RecoveredLog;
  /** Close it to hold durability back. */
  readonly gate = new Gate();
  readonly #durable: Entry[];
  #entries: Entry[];
  #base: LogBase | undefined;
  #durableBase: LogBase | undefined;
  #capacityBytes = Number.POSITIVE_INFINITY;
  #usedBytes = 0;
  #acknowledged = 0;
  #unfinished = 0;
  #failure: LogError | undefined;
  #closed = false;
  #last: Promise<void> = Promise.resolve();
  #rebased: Promise<void> = Promise.resolve();
  #spaceWaiters: (() => void)[] = [];

  /** What an earlier run made durable: `entries` follow `base`, or LOG_START. */
  constructor(entries: readonly Entry[] = [], base?: LogBase) {
    this.#durable = [...entries];
    this.#entries = [...entries];
    this.#base = base;
    this.#durableBase = base;
    this.recovered = {
      base,
      last: positionOf(entries.at(-1) ?? base?.position),
      spans: spansOf(entries),
      configurations: entries.filter(({ kind }) => kind === EntryKind.configuration),
      cut: undefined,
      damage: undefined,
    };
    for (const entry of entries) this.#usedBytes += entryBytes(entry);
  }

  get roomBytes(): number {
    return Math.max(0, this.#capacityBytes - this.#usedBytes);
  }

  get sizeBytes(): number {
    return this.#usedBytes;
  }

  get spaceError(): string | undefined {
    return this.#capacityBytes === Number.POSITIVE_INFINITY || this.roomBytes > 0
      ? undefined
      : 'no space left in memory';
  }

  /** Highest index that was given as acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Bytes that the whole log may take; appends beyond wait until it is raised. */
  setCapacity(bytes: number): void {
    this.#capacityBytes = bytes;
    this.#wakeSpaceWaiters();
  }

  /** The next sync fails, and the log with it. */
  failSync(): void {
    this.#failure = new LogError('FSYNC_FAILED', 'the disk failed');
  }

  /** The store that a restart finds after a power cut now: only what was durable. */
  crash(): MemoryLogStore {
    return new MemoryLogStore(this.#durable, this.#durableBase);
  }

  append(entries: readonly Entry[], acknowledged: LogIndex): Promise<void> {
    if (this.#closed) return Promise.reject(new LogError('LOG_CLOSED', 'the log is closed'));
    const first = entries[0];
    assert(first !== undefined, 'an append without entries');
    const { index: base } = this.#start;
    assert(first.index > base, 'an append at or below the base');
    assert(first.index <= base + this.#entries.length + 1, 'an append behind a gap');
    this.#entries.length = first.index - base - 1;
    for (const entry of entries) {
      assert(entry.index === base + this.#entries.length + 1, 'entries are contiguous');
      this.#entries.push(entry);
      this.#usedBytes += entryBytes(entry);
    }
    this.#unfinished += 1;
    this.#acknowledged = Math.max(this.#acknowledged, acknowledged);
    const appended = this.#last.then(() => this.#persist(entries));
    this.#last = appended.catch(() => undefined);
    return appended;
  }

  cutPlace(limit: LogIndex, keptBytes: number): LogIndex | undefined {
    let bytes = 0;
    for (const entry of this.#entries.toReversed()) {
      if (bytes >= keptBytes && entry.index <= limit) return entry.index;
      bytes += entryBytes(entry);
    }
    return undefined;
  }

  cut(base: LogBase): Promise<void> {
    if (this.#closed) return Promise.reject(new LogError('LOG_CLOSED', 'the log is closed'));
    // Why not in turn with appends: one of them may wait for the space that this gives back.
    return this.#rebase(async () => {
      const gone = base.position.index - this.#start.index;
      if (gone <= 0) return;
      for (const entry of this.#entries.splice(0, gone)) this.#usedBytes -= entryBytes(entry);
      this.#durable.splice(0, gone);
      this.#base = base;
      this.#durableBase = base;
      this.#wakeSpaceWaiters();
    });
  }

  install(base: LogBase): Promise<void> {
    if (this.#closed) return Promise.reject(new LogError('LOG_CLOSED', 'the log is closed'));
    assert(this.#unfinished === 0, 'a base is put in place while an append is under way');
    return this.#rebase(async () => {
      this.#base = base;
      this.#durableBase = base;
      this.#entries = [];
      this.#durable.length = 0;
      this.#usedBytes = 0;
    });
  }

  async read(from: LogIndex, maxBytes: number): Promise<readonly Entry[]> {
    if (this.#closed) throw new LogError('LOG_CLOSED', 'the log is closed');
    const found: Entry[] = [];
    let bytes = 0;
    const { index: base } = this.#start;
    if (from <= base) return [];
    for (const entry of this.#entries.slice(from - base - 1)) {
      if (found.length > 0) bytes += entry.body.length;
      if (bytes > maxBytes) break;
      found.push({ ...entry, body: entry.body.slice() });
    }
    return found;
  }

  async position(
    index: LogIndex,
  ): Promise<{ readonly term: Term; readonly chain: Chain } | undefined> {
    const start = this.#start;
    if (index === start.index) return { term: start.term, chain: start.chain };
    const entry = index < start.index ? undefined : this.#entries[index - start.index - 1];
    return entry === undefined ? undefined : { term: entry.term, chain: entry.chain };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wakeSpaceWaiters();
    await this.#last;
    await this.#rebased;
  }

  get #start(): LogPosition {
    return this.#base?.position ?? LOG_START;
  }

  #rebase(work: () => Promise<void>): Promise<void> {
    const done = this.#rebased.then(async () => {
      await this.gate.pass();
      if (this.#failure !== undefined) throw this.#failure;
      await work();
    });
    this.#rebased = done.catch(() => undefined);
    return done;
  }

  #wakeSpaceWaiters(): void {
    for (const resume of this.#spaceWaiters.splice(0)) resume();
  }

  async #persist(entries: readonly Entry[]): Promise<void> {
    while (this.#usedBytes > this.#capacityBytes && !this.#closed) {
      await new Promise<void>((resolve) => this.#spaceWaiters.push(resolve));
    }
    if (this.#usedBytes > this.#capacityBytes) {
      throw new LogError('LOG_CLOSED', 'the log was closed while it waited for space');
    }
    await this.gate.pass();
    if (this.#failure !== undefined) throw this.#failure;
    const { index: base } = this.#durableBase?.position ?? LOG_START;
    this.#durable.length = (entries[0] as Entry).index - base - 1;
    for (const entry of entries) this.#durable.push({ ...entry, body: entry.body.slice() });
    this.#unfinished -= 1;
  }
}

export class MemoryHardState implements HardStateStore {
  /** Close it to hold durability back. */
  readonly gate = new Gate();
  #recovered: HardState;
  #repairTerm: Term;
  #durable: HardState;
  #durableRepairTerm: Term;
  #failure: LogError | undefined;
  #closed = false;
  #last: Promise<void> = Promise.resolve();

  constructor(
    recovered: HardState = { term: LOG_START.term, vote: undefined },
    repairTerm: Term = LOG_START.term,
  ) {
    this.#recovered = recovered;
    this.#repairTerm = repairTerm;
    this.#durable = recovered;
    this.#durableRepairTerm = repairTerm;
  }

  get recovered(): HardState {
    return this.#recovered;
  }

  get repairTerm(): Term {
    return this.#repairTerm;
  }

  async beginRepair(): Promise<void> {
    this.#repairTerm = term(this.#recovered.term + 1);
    this.#recovered = { term: this.#repairTerm, vote: undefined };
    await this.save(this.#recovered);
  }

  /** The next save fails, and every one after it. */
  failSync(): void {
    this.#failure = new LogError('FSYNC_FAILED', 'the disk failed');
  }

  /** The store that a restart finds after a power cut now. */
  crash(): MemoryHardState {
    return new MemoryHardState(this.#durable, this.#durableRepairTerm);
  }

  save(state: HardState): Promise<void> {
    if (this.#closed) return Promise.reject(new LogError('LOG_CLOSED', 'the store is closed'));
    const saved = this.#last.then(async () => {
      await this.gate.pass();
      if (this.#failure !== undefined) throw this.#failure;
      this.#durable = state;
      this.#durableRepairTerm = this.#repairTerm;
    });
    this.#last = saved.catch(() => undefined);
    return saved;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }
}

function entryBytes(entry: Entry): number {
  return entry.body.length + ENTRY_OVERHEAD_BYTES;
}

function positionOf(entry: LogPosition | undefined): LogPosition {
  if (entry === undefined) return LOG_START;
  return { index: entry.index, term: entry.term, chain: entry.chain };
}

function spansOf(entries: readonly Entry[]): readonly TermSpan[] {
  const spans: TermSpan[] = [];
  for (const { index, term } of entries) {
    if (spans.at(-1)?.term !== term) spans.push({ term, firstIndex: index });
  }
  return spans;
}
