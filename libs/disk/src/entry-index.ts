/**
 * Where entries are: a sparse index of the log in memory, one place per 64 KiB of records, with the
 * terms and the last position. Pure bookkeeping; the records themselves are never moved.
 *
 * Invariants
 *   1. Places grow strictly by index. From one place on, records follow each other in the file,
 *      index by index, up to the index of the next place.
 *   2. An entry at or below the last index takes its place and cuts off all that came after it:
 *      the log is what was written last.
 *   3. Nothing at or below the base is found, and no place is in a segment that was given back.
 */
import { assert, LOG_START, logIndex } from '@kvstore/std';
import type { LogIndex, LogPosition } from '@kvstore/std';
import { EntryKind, TermSpans } from '@kvstore/raft';
import type { Entry, TermSpan } from '@kvstore/raft';
import type { LogSegment } from './log-segment.ts';

export interface Place {
  readonly index: LogIndex;
  readonly segment: LogSegment;
  readonly offset: number;
}

export class EntryIndex {
  readonly #spacingBytes: number;
  readonly #spans: TermSpans;
  #places: Place[] = [];
  /** Entries of that kind are few: one or two for every change of membership. */
  #configurations: Entry[] = [];
  #base: LogPosition;
  #last: LogPosition;
  /** Segment and offset right after the newest record. */
  #endSegment: LogSegment | undefined;
  #endOffset = 0;
  #cuts = 0;

  constructor(spacingBytes: number, base: LogPosition = LOG_START) {
    this.#spacingBytes = spacingBytes;
    this.#spans = new TermSpans(base, []);
    this.#base = base;
    this.#last = base;
  }

  /** The position before the first entry. */
  get base(): LogPosition {
    return this.#base;
  }

  get last(): LogPosition {
    return this.#last;
  }

  get spans(): readonly TermSpan[] {
    return this.#spans.list;
  }

  /** Configuration entries of the log, in order. */
  get configurations(): readonly Entry[] {
    return this.#configurations;
  }

  /** How often a part was cut off: a reader that was under way then starts again. */
  get cuts(): number {
    return this.#cuts;
  }

  /** The entry has been written at this place. */
  add(entry: Entry, segment: LogSegment, offset: number, bytes: number): void {
    assert(entry.index > this.#base.index, 'an entry at or below the base');
    assert(entry.index <= this.#last.index + 1, 'a gap in the log');
    segment.lowestIndex = Math.min(segment.lowestIndex, entry.index);
    const cuts = entry.index <= this.#last.index;
    if (cuts) this.#cut(entry.index);
    this.#spans.extend(entry.index, entry.term);
    if (entry.kind === EntryKind.configuration) {
      this.#configurations.push({ ...entry, body: entry.body.slice() });
    }
    const place = this.#places[this.#places.length - 1];
    const adjacent = segment === this.#endSegment && offset === this.#endOffset && !cuts;
    const near = place !== undefined && offset - place.offset < this.#spacingBytes;
    if (!adjacent || !near) this.#places.push({ index: entry.index, segment, offset });
    this.#last = { index: entry.index, term: entry.term, chain: entry.chain };
    this.#endSegment = segment;
    this.#endOffset = offset + bytes;
  }

  /** The last place at or before `index`, and the first index that is not found from there on. */
  locate(index: LogIndex): { readonly place: Place; readonly until: number } {
    assert(index > this.#base.index && index <= this.#last.index, 'no such entry');
    let low = 0;
    let high = this.#places.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#places[middle] as Place).index <= index) low = middle;
      else high = middle;
    }
    const place = this.#places[low] as Place;
    return { place, until: this.#places[low + 1]?.index ?? this.#last.index + 1 };
  }

  /** The log begins anew after `base`, one of its positions, which is right before `first`. */
  cut(base: LogPosition, first: LogSegment): void {
    assert(base.index > this.#base.index && base.index <= this.#last.index, 'a cut of nothing');
    this.#cuts += 1;
    if (base.index < this.#last.index) this.#spans.cut(base);
    else this.#spans.reset(base);
    this.#base = base;
    const at = this.#places.findIndex(({ segment }) => segment === first);
    this.#places = at < 0 ? [] : this.#places.slice(at);
    this.#configurations = this.#configurations.filter(({ index }) => index > base.index);
  }

  /** A whole new log. */
  reset(base: LogPosition): void {
    this.#cuts += 1;
    this.#spans.reset(base);
    this.#base = base;
    this.#last = base;
    this.#places = [];
    this.#configurations = [];
    this.#endSegment = undefined;
  }

  #cut(index: LogIndex): void {
    this.#cuts += 1;
    this.#spans.truncate(logIndex(index - 1));
    while ((this.#places.at(-1)?.index ?? 0) >= index) this.#places.pop();
    while ((this.#configurations.at(-1)?.index ?? 0) >= index) this.#configurations.pop();
  }
}
