/** The terms of a log as runs of indexes: terms never go back, neither do first indexes. */
import { assert } from '@kvstore/std';
import type { LogIndex, Term } from '@kvstore/std';
import type { TermSpan } from '@kvstore/raft';

export class TermSpans {
  readonly #spans: TermSpan[];

  constructor(spans: readonly TermSpan[] = []) {
    this.#spans = [...spans];
  }

  get list(): readonly TermSpan[] {
    return this.#spans;
  }

  /** The log now ends with an entry of this index and term. */
  add(index: LogIndex, term: Term): void {
    while ((this.#spans.at(-1)?.firstIndex ?? 0) >= index) this.#spans.pop();
    const last = this.#spans.at(-1);
    if (last?.term === term) return;
    assert(last === undefined || last.term < term, 'the term of the log went back');
    this.#spans.push({ term, firstIndex: index });
  }
}
