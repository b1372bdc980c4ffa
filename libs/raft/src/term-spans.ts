/**
 * The term of every entry of the whole log, as runs of equal term: a few numbers per leader ever
 * elected instead of one per entry.
 *
 * Invariants: first indexes and terms both strictly ascend; the first span begins at index 1, since
 * the log is never cut yet. The end of the newest span is the log's business, not known here.
 */
import { assert, logIndex, term, type LogIndex, type Term } from '@kvstore/std';

/** Entries `firstIndex`.. up to the next span's first index have this term. */
export interface TermSpan {
  readonly term: Term;
  readonly firstIndex: LogIndex;
}

export class TermSpans {
  readonly #spans: TermSpan[] = [];

  constructor(spans: readonly TermSpan[]) {
    for (const span of spans) this.#push(span);
  }

  /** Term of the entry at `index`, which the log must hold; 0 at index 0. */
  termAt(index: LogIndex): Term {
    const at = this.#find(index);
    return at < 0 ? term(0) : this.#at(at).term;
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

  /** The highest index at or below `index` whose term is at most `termMax`; 0 when there is none. */
  lastAtMost(index: LogIndex, termMax: Term): LogIndex {
    let at = this.#find(index);
    let end = index;
    while (at >= 0 && this.#at(at).term > termMax) {
      end = logIndex(this.#at(at).firstIndex - 1);
      at--;
    }
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
    if (newest === undefined) assert(span.firstIndex === 1, 'the log does not begin at index 1');
    else {
      assert(span.firstIndex > newest.firstIndex, 'term spans out of order');
      assert(span.term > newest.term, 'terms in the log go down');
    }
    this.#spans.push(span);
  }

  #at(position: number): TermSpan {
    return this.#spans[position] as TermSpan;
  }
}
