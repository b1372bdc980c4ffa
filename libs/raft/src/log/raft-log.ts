/**
 * The log of one replica (thesis 3.5): terms of all of it, bodies of its newest part, and what stands
 * before its first entry.
 *
 *   base | base+1 ........ before | before+1 ......... settled ......... last
 *        | terms only             | in memory, kept     | in memory, needed
 *
 * Invariants
 *   1. base ≤ committed ≤ last, durable ≤ last, handed out ≤ last; committed never goes down
 *   2. entries above `before` are in memory; none above `settled` = min(durable, committed) is dropped
 *   3. nothing at or below the commit index is ever truncated
 *   4. the chain of an entry continues that of the entry before it (by whoever appends)
 *   5. bytes of settled entries in memory are at most `tailBytesMax` after `trim`
 *   6. configurations are those of its entries and of its base: they come and go with them
 * After a restart nothing is in memory, and the commit index is the base's until a leader tells it.
 */
import {
  assert,
  LOG_START,
  logIndex,
  nextChain,
  type Chain,
  type LogIndex,
  type LogPosition,
  type Term,
} from '@kvstore/std';
import { entryBytes, EntryKind, positionOf, type Entry } from '../entry.ts';
import { ConfigurationLog } from '../membership/configuration-log.ts';
import type { Configuration, LogBase } from '../membership/configuration.ts';
import type { RestoredState } from '../raft-config.ts';
import { PendingWrites } from './pending-writes.ts';
import { TermSpans } from './term-spans.ts';

/** Dropped places at the front of the array before it is moved together. */
const SLACK_ENTRIES_MAX = 1024;

/** What a log needs besides its state. */
export interface LogOptions {
  readonly tailBytesMax: number;
  readonly decodeConfiguration: (body: Uint8Array) => Configuration | undefined;
}

export class RaftLog {
  readonly configurations: ConfigurationLog;
  readonly #options: LogOptions;
  readonly #spans: TermSpans;
  readonly #writes = new PendingWrites();
  readonly #repairTerm: Term;
  /** `#tail[#head]` is the entry after `#before`. */
  #tail: (Entry | undefined)[] = [];
  #head = 0;
  #base: LogBase;
  #before: LogPosition;
  #last: LogPosition;
  #commitIndex: LogIndex;
  #durableIndex: LogIndex;
  #settledIndex: LogIndex;
  /** Up to here handed out by `takeAppend` and `takeCommitted`. */
  #appendTaken: LogIndex;
  #commitTaken: LogIndex;
  #isInstalled = false;
  #settledBytes = 0;
  #unsettledBytes = 0;

  constructor(restored: RestoredState, options: LogOptions) {
    const { base, configurations } = restored;
    const { index } = base.position;
    this.#options = options;
    this.#repairTerm = restored.repairTerm;
    this.#spans = new TermSpans(base.position, restored.spans);
    this.configurations = new ConfigurationLog(
      { index, configuration: base.configuration },
      configurations,
    );
    this.#base = base;
    this.#commitIndex = index;
    this.#settledIndex = index;
    this.#commitTaken = index;
    this.#before = restored.last;
    this.#last = restored.last;
    this.#durableIndex = restored.last.index;
    this.#appendTaken = restored.last.index;
  }

  get last(): LogPosition {
    return this.#last;
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex;
  }

  /** Highest index known durable on this replica. */
  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** Bytes in memory of entries that are not yet durable here or not yet committed. */
  get unsettledBytes(): number {
    return this.#unsettledBytes;
  }

  /** What stands before the first entry. */
  get base(): LogBase {
    return this.#base;
  }

  /** Undefined above the last entry and below the base; 0 at index 0. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.#last.index) return this.#last.term;
    if (index > this.#last.index || index < this.#base.position.index) return undefined;
    return this.#spans.termAt(index);
  }

  /** Term and chain of an entry, while it or the one after it is in memory. */
  positionAt(index: LogIndex): LogPosition | undefined {
    if (index === this.#last.index) return this.#last;
    if (index === this.#before.index) return this.#before;
    if (index === this.#base.position.index) return this.#base.position;
    const entry = this.entryAt(index);
    return entry === undefined ? undefined : positionOf(entry);
  }

  chainAt(index: LogIndex): Chain | undefined {
    return this.positionAt(index)?.chain;
  }

  entryAt(index: LogIndex): Entry | undefined {
    if (index <= this.#before.index || index > this.#last.index) return undefined;
    return this.#entry(index);
  }

  /** Entries from `from`, all of them in memory: one, then as many more as fit into `maxBytes`. */
  entriesFrom(from: LogIndex, maxBytes: number): readonly Entry[] {
    if (from <= this.#before.index || from > this.#last.index) return [];
    let to: number = from;
    let bytes = entryBytes(this.#entry(from));
    while (to < this.#last.index) {
      bytes += entryBytes(this.#entry(to + 1));
      if (bytes > maxBytes) break;
      to++;
    }
    return this.#slice(logIndex(from - 1), logIndex(to));
  }

  /**
   * Entries that this replica acknowledged may be gone: what it holds, it holds again only from the
   * first entry on of a leader that was elected without it, which has all that is committed.
   */
  get isUnderRepair(): boolean {
    return this.#last.term < this.#repairTerm;
  }

  /** Is a log that ends there at least as complete as this one, and as what it lost? (Thesis 3.6.1.) */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    if (lastTerm < this.#repairTerm) return false;
    if (lastTerm !== this.#last.term) return lastTerm > this.#last.term;
    return lastIndex >= this.#last.index;
  }

  /** The highest index ≤ `index` with a term ≤ `termMax`: the newest place two logs may agree. */
  lastAtMost(index: LogIndex, termMax: Term): LogIndex {
    return this.#spans.lastAtMost(logIndex(Math.min(index, this.#last.index)), termMax);
  }

  /** A leader's own entry at the end of its log. The log owns `body` from here on. */
  appendNew(term: Term, kind: EntryKind, body: Uint8Array): Entry {
    const index = logIndex(this.#last.index + 1);
    const chain = nextChain(this.#last.chain, index, term, kind, body);
    const entry: Entry = { index, term, kind, chain, body };
    this.append(entry);
    return entry;
  }

  /** Can this replica act by the entry? False for a configuration that it cannot read. */
  understands(entry: Entry): boolean {
    if (entry.kind !== EntryKind.configuration) return true;
    return this.#options.decodeConfiguration(entry.body) !== undefined;
  }

  /** The entry after the last one; its chain has been verified, and it is understood. */
  append(entry: Entry): void {
    assert(entry.index === this.#last.index + 1, 'an appended entry does not follow the last');
    assert(entry.term >= this.#last.term, 'an appended entry is of an older term than the last');
    if (entry.kind === EntryKind.configuration) this.#configure(entry);
    this.#tail.push(entry);
    this.#spans.extend(entry.index, entry.term);
    this.#last = positionOf(entry);
    this.#unsettledBytes += entryBytes(entry);
  }

  /** Cuts off everything above `last`, a position of this log. */
  truncate(last: LogPosition): void {
    assert(last.index < this.#last.index, 'truncation of nothing');
    assert(last.index >= this.#commitIndex, 'truncation of a committed entry');
    while (this.#last.index > Math.max(last.index, this.#before.index)) this.#dropLast();
    if (last.index < this.#before.index) this.#before = last;
    this.#last = last;
    this.#spans.truncate(last.index);
    this.#writes.truncate(last.index);
    this.configurations.truncate(last.index);
    this.#durableIndex = logIndex(Math.min(this.#durableIndex, last.index));
    this.#appendTaken = logIndex(Math.min(this.#appendTaken, last.index));
  }

  /**
   * The driver may now cut its log up to `position`, all of it durable here and handed out as
   * committed. Returns what has to stand before the first entry that stays.
   */
  cut(position: LogPosition, note: Uint8Array): LogBase {
    const { index } = position;
    assert(index > this.#base.position.index, 'a cut below the base');
    assert(index <= this.#durableIndex && index <= this.#commitTaken, 'a cut of what is needed');
    assert(this.termAt(index) === position.term, 'a cut at a place that is not of this log');
    const known = this.chainAt(index);
    assert(known === undefined || known === position.chain, 'a cut at another chain');
    const { configuration } = this.configurations.at(index);
    this.#base = { position, configuration, note };
    if (index < this.#last.index) this.#spans.cut(position);
    else this.#spans.reset(position);
    this.configurations.cut(index);
    while (this.#before.index < index) this.#dropFirst();
    return this.#base;
  }

  /** Everything here is void; the log begins anew after `base`, which a leader has committed. */
  install(base: LogBase): void {
    const { position, configuration } = base;
    assert(position.index > this.#commitIndex, 'a base below what is committed here');
    this.#tail = [];
    this.#head = 0;
    this.#settledBytes = 0;
    this.#unsettledBytes = 0;
    this.#base = base;
    this.#before = position;
    this.#last = position;
    this.#spans.reset(position);
    this.configurations.reset({ index: position.index, configuration });
    this.#writes.truncate(LOG_START.index);
    this.#durableIndex = LOG_START.index;
    this.#appendTaken = position.index;
    this.#settledIndex = position.index;
    this.#commitIndex = position.index;
    this.#isInstalled = true;
  }

  /** A base to make durable in place of the whole log, handed out once. */
  takeInstall(): LogBase | undefined {
    if (!this.#isInstalled) return undefined;
    this.#isInstalled = false;
    const { index, term } = this.#base.position;
    this.#writes.add(index, term);
    return this.#base;
  }

  /** Raises the commit index to `index`; no effect when it is there already. */
  commitTo(index: LogIndex): void {
    if (index <= this.#commitIndex) return;
    assert(index <= this.#last.index, 'commit of an entry that this log does not hold');
    this.#commitIndex = index;
    this.#settle();
  }

  /** A write handed out by `takeAppend` is durable. Returns whether more of the log is now. */
  persisted(index: LogIndex, term: Term): boolean {
    const proven = this.#writes.complete(index, term);
    if (proven === undefined || proven <= this.#durableIndex) return false;
    assert(proven <= this.#appendTaken, 'durable entries that were never handed out');
    this.#durableIndex = proven;
    this.#settle();
    return true;
  }

  get hasInstall(): boolean {
    return this.#isInstalled;
  }

  get hasAppend(): boolean {
    return this.#appendTaken < this.#last.index;
  }

  /** Entries to make durable, handed out once. */
  takeAppend(): readonly Entry[] {
    if (!this.hasAppend) return [];
    const entries = this.#slice(this.#appendTaken, this.#last.index);
    this.#appendTaken = this.#last.index;
    this.#writes.add(this.#last.index, this.#last.term);
    return entries;
  }

  get hasCommitted(): boolean {
    return this.#commitTaken < this.#commitIndex;
  }

  /** Newly committed entries as far as they are in memory, handed out once. */
  takeCommitted(): readonly Entry[] {
    const from = logIndex(Math.max(this.#commitTaken, this.#before.index));
    this.#commitTaken = this.#commitIndex;
    return from < this.#commitIndex ? this.#slice(from, this.#commitIndex) : [];
  }

  /** Drops the oldest settled entries above the byte bound, once they have been handed out. */
  trim(): void {
    const { tailBytesMax } = this.#options;
    while (this.#settledBytes > tailBytesMax && this.#before.index < this.#settledIndex) {
      if (this.#before.index >= this.#commitTaken) break;
      this.#dropFirst();
    }
    if (this.#head > SLACK_ENTRIES_MAX && this.#head * 2 > this.#tail.length) {
      this.#tail = this.#tail.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Invariants 1 and 2, in constant time. */
  check(): void {
    assert(this.#base.position.index <= this.#before.index, 'the tail begins below the base');
    assert(this.#base.position.index <= this.#commitIndex, 'a base that is not committed');
    assert(this.#before.index <= this.#last.index, 'the tail ends before it begins');
    const held = this.#tail.length - this.#head;
    assert(held === this.#last.index - this.#before.index, 'the tail has a gap');
    assert(this.#commitIndex <= this.#last.index, 'committed above the last entry');
    assert(this.#durableIndex <= this.#appendTaken, 'durable above what was handed out');
    assert(this.#appendTaken <= this.#last.index, 'handed out above the last entry');
    assert(this.#commitTaken <= this.#commitIndex, 'reported above the commit index');
    assert(this.#settledBytes >= 0 && this.#unsettledBytes >= 0, 'bytes counted wrong');
  }

  #settle(): void {
    const settled = logIndex(Math.min(this.#durableIndex, this.#commitIndex));
    if (settled <= this.#settledIndex) return;
    const from = Math.max(this.#settledIndex, this.#before.index) + 1;
    for (let index = from; index <= settled; index++) {
      const bytes = entryBytes(this.#entry(index));
      this.#unsettledBytes -= bytes;
      this.#settledBytes += bytes;
    }
    this.#settledIndex = settled;
  }

  #configure(entry: Entry): void {
    const configuration = this.#options.decodeConfiguration(entry.body);
    assert(configuration !== undefined, 'a configuration that cannot be read');
    this.configurations.append(entry.index, configuration);
  }

  /** The oldest entry in memory, which is settled. */
  #dropFirst(): void {
    const entry = this.#entry(logIndex(this.#before.index + 1));
    this.#settledBytes -= entryBytes(entry);
    this.#before = positionOf(entry);
    this.#tail[this.#head++] = undefined;
  }

  #dropLast(): void {
    this.#unsettledBytes -= entryBytes(this.#tail.pop() as Entry);
    this.#last = this.positionAt(logIndex(this.#last.index - 1)) as LogPosition;
  }

  /** Entries after `from` up to and including `to`. */
  #slice(from: LogIndex, to: LogIndex): Entry[] {
    const offset = this.#head - this.#before.index;
    return this.#tail.slice(from + offset, to + offset) as Entry[];
  }

  #entry(index: number): Entry {
    return this.#tail[this.#head + index - this.#before.index - 1] as Entry;
  }
}
