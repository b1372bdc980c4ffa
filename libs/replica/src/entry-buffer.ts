/**
 * Entries that arrived ahead of a gap, by index, until what is missing has been pulled. Bounded in
 * number and bytes: what does not fit is dropped and pulled again.
 */
import type { Live } from '@kvstore/contract';
import { type LogIndex, logIndex } from '@kvstore/std';

const ENTRIES_MAX = 1024;
const BYTES_MAX = 16 * 1024 * 1024;

export class EntryBuffer {
  readonly #entries = new Map<LogIndex, Live>();
  #bytes = 0;

  hold(live: Live): void {
    const { index, body } = live.entry;
    if (this.#entries.has(index)) return;
    if (this.#entries.size >= ENTRIES_MAX || this.#bytes + body.length > BYTES_MAX) return;
    this.#entries.set(index, live);
    this.#bytes += body.length;
  }

  /** The entry after `applied`, if it is here; everything at or below `applied` is forgotten. */
  takeAfter(applied: LogIndex): Live | undefined {
    if (this.#entries.size === 0) return undefined;
    for (const index of this.#entries.keys()) if (index <= applied) this.#remove(index);
    return this.#remove(logIndex(applied + 1));
  }

  #remove(index: LogIndex): Live | undefined {
    const live = this.#entries.get(index);
    if (live === undefined) return undefined;
    this.#entries.delete(index);
    this.#bytes -= live.entry.body.length;
    return live;
  }
}
