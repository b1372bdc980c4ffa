/**
 * The term of every entry of the log, as runs of equal term: a few numbers per leader ever elected
 * instead of one per entry.
 *
 * Invariants: first indexes and terms both strictly ascend; the first span begins right above the
 * base. The end of the newest span is the log's business, not known here.
 */
import { assert, logIndex, type LogIndex, type LogPosition, type Term } from '@kvstore/std';

/** Entries `firstIndex`.. up to the next span's first index have this term. */
export interface TermSpan {
  readonly term: Term;
  readonly firstIndex: LogIndex;
}

/** The place before the first entry. */
type TermBase = Pick<LogPosition, 'index' | 'term'>;

export class TermSpans {
  #base: TermBase;
  #spans: TermSpan[] = [];

  constructor(base: TermBase, spans: readonly TermSpan[]) {
    this.#base = base;
    for (const span of spans) this.#push(span);
  }

  get list(): readonly TermSpan[] {
    return this.#spans;
  }

  /** Term of the entry at `index`, which the log must hold; at the base, of the base. */
  termAt(index: LogIndex): Term {
    const at = this.#find(index);
    return at < 0 ? this.#base.term : this.#at(at).term;
  }

  /** Takes note of the entry that was appended at `index`. */
  extend(index: LogIndex, entryTerm: Term): void {
    const newest = this.#spans[this.#spans.length - 1];
    if (newest === undefined || newest.term !== entryTerm) {
      this.#push({ term: entryTerm, firstIndex: index });
    }
  }

  /** Forgets every entry above `last`. */
  truncate(last: LogIndex): void {
    while (this.#spans.length > 0 && this.#at(this.#spans.length - 1).firstIndex > last) {
      this.#spans.pop();
    }
  }

  /** Forgets every entry at or below `base`, which the log holds. */
  cut(base: TermBase): void {
    const at = this.#find(base.index);
    const rest = this.#spans.slice(Math.max(at, 0));
    const first = rest[0];
    if (first !== undefined && first.firstIndex <= base.index) {
      const firstIndex = logIndex(base.index + 1);
      if (rest[1]?.firstIndex === firstIndex) rest.shift();
      else rest[0] = { term: first.term, firstIndex };
    }
    this.#base = base;
    this.#spans = rest;
  }

  /** The cut reached the end of the log: nothing is above `base`. */
  reset(base: TermBase): void {
    this.#base = base;
    this.#spans = [];
  }

  /**
   * The highest index at or below `index` whose term is at most `termMax`; one below the base when
   * it must be below it.
   */
  lastAtMost(index: LogIndex, termMax: Term): LogIndex {
    let at = this.#find(index);
    let end = index;
    while (at >= 0 && this.#at(at).term > termMax) {
      end = logIndex(this.#at(at).firstIndex - 1);
      at--;
    }
    if (at < 0 && this.#base.term > termMax) return logIndex(Math.max(0, this.#base.index - 1));
    return end;
  }

  /** Position of the span that holds `index`, -1 before the first. */
  #find(index: LogIndex): number {
    let low = 0;
    let high = this.#spans.length - 1;
    if (high >= 0 && this.#at(high).firstIndex <= index) return high;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle).firstIndex <= index) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  #push(span: TermSpan): void {
    const newest = this.#spans[this.#spans.length - 1];
    if (newest === undefined) {
      assert(span.firstIndex === this.#base.index + 1, 'the first span does not follow the base');
      assert(span.term >= this.#base.term, 'terms in the log go down');
    } else {
      assert(span.firstIndex > newest.firstIndex, 'term spans out of order');
      assert(span.term > newest.term, 'terms in the log go down');
    }
    this.#spans.push(span);
  }

  #at(position: number): TermSpan {
    return this.#spans[position] as TermSpan;
  }
}
