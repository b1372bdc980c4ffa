/**
 * The log of one replica (thesis 3.5): terms of all of it, bodies of its newest part.
 *
 *   1 ............... before | before+1 ......... settled ......... last
 *   terms only               | in memory, kept     | in memory, needed
 *
 * Invariants
 *   1. committed ≤ last, durable ≤ last, handed out ≤ last; committed never goes down
 *   2. entries above `before` are in memory; none above `settled` = min(durable, committed) is dropped
 *   3. nothing at or below the commit index is ever truncated
 *   4. the chain of an entry continues that of the entry before it (by whoever appends)
 *   5. bytes of settled entries in memory are at most `tailBytesMax` after `trim`
 * After a restart nothing is in memory, and the commit index is 0 until a leader tells it.
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
import { entryBytes, positionOf, type Entry, type EntryKind } from './entry.ts';
import { PendingWrites } from './pending-writes.ts';
import type { RestoredState } from './raft-config.ts';
import { TermSpans } from './term-spans.ts';

/** Dropped places at the front of the array before it is moved together. */
const SLACK_ENTRIES_MAX = 1024;

export class RaftLog {
  readonly #tailBytesMax: number;
  readonly #spans: TermSpans;
  readonly #writes = new PendingWrites();
  /** `#tail[#head]` is the entry after `#before`. */
  #tail: (Entry | undefined)[] = [];
  #head = 0;
  #before: LogPosition;
  #last: LogPosition;
  #commitIndex = LOG_START.index;
  #durableIndex: LogIndex;
  #settledIndex = LOG_START.index;
  /** Up to here handed out by `takeAppend` and `takeCommitted`. */
  #appendTaken: LogIndex;
  #commitTaken = LOG_START.index;
  #settledBytes = 0;
  #unsettledBytes = 0;

  constructor(restored: RestoredState, tailBytesMax: number) {
    this.#tailBytesMax = tailBytesMax;
    this.#spans = new TermSpans(restored.spans);
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

  /** Undefined above the last entry; 0 at index 0. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.#last.index) return this.#last.term;
    return index > this.#last.index ? undefined : this.#spans.termAt(index);
  }

  /** Term and chain of an entry, while it or the one after it is in memory. */
  positionAt(index: LogIndex): LogPosition | undefined {
    if (index === this.#last.index) return this.#last;
    if (index === this.#before.index) return this.#before;
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
    const entries: Entry[] = [];
    let bytes = 0;
    for (let entry = this.entryAt(from); entry !== undefined;) {
      bytes += entryBytes(entry);
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push(entry);
      entry = this.entryAt(logIndex(entry.index + 1));
    }
    return entries;
  }

  /** Is a log that ends there at least as complete as this one? (Thesis 3.6.1.) */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
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

  /** The entry after the last one; its chain has been verified. */
  append(entry: Entry): void {
    assert(entry.index === this.#last.index + 1, 'an appended entry does not follow the last');
    assert(entry.term >= this.#last.term, 'an appended entry is of an older term than the last');
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
    this.#durableIndex = logIndex(Math.min(this.#durableIndex, last.index));
    this.#appendTaken = logIndex(Math.min(this.#appendTaken, last.index));
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
    while (this.#settledBytes > this.#tailBytesMax && this.#before.index < this.#settledIndex) {
      const entry = this.#entry(logIndex(this.#before.index + 1));
      if (entry.index > this.#commitTaken) break;
      this.#settledBytes -= entryBytes(entry);
      this.#before = positionOf(entry);
      this.#tail[this.#head++] = undefined;
    }
    if (this.#head > SLACK_ENTRIES_MAX && this.#head * 2 > this.#tail.length) {
      this.#tail = this.#tail.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Invariants 1 and 2, in constant time. */
  check(): void {
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
