/**
 * Entries that arrived ahead of a gap, by index, until what is missing has been pulled. Bounded in
 * number and bytes: what does not fit is dropped and pulled again.
 */
import type { LogEntry, OutcomeRoute } from '@kvstore/contract';
import { type LogIndex, logIndex } from '@kvstore/std';

const ENTRIES_MAX = 1024;
const BYTES_MAX = 16 * 1024 * 1024;

/** An entry on its way to be applied; pulled ones have no routes. */
export interface Arrived {
  readonly entry: LogEntry;
  readonly routes: readonly OutcomeRoute[];
}

export class EntryBuffer {
  readonly #entries = new Map<LogIndex, Arrived>();
  #bytes = 0;

  hold(arrived: Arrived): void {
    const { index, body } = arrived.entry;
    if (this.#entries.has(index)) return;
    if (this.#entries.size >= ENTRIES_MAX || this.#bytes + body.length > BYTES_MAX) return;
    this.#entries.set(index, arrived);
    this.#bytes += body.length;
  }

  /** The entry after `applied`, if it is here; everything at or below `applied` is forgotten. */
  takeAfter(applied: LogIndex): Arrived | undefined {
    if (this.#entries.size === 0) return undefined;
    for (const index of this.#entries.keys()) if (index <= applied) this.#remove(index);
    return this.#remove(logIndex(applied + 1));
  }

  /** Everything is forgotten, to be pulled. */
  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #remove(index: LogIndex): Arrived | undefined {
    const arrived = this.#entries.get(index);
    if (arrived === undefined) return undefined;
    this.#entries.delete(index);
    this.#bytes -= arrived.entry.body.length;
    return arrived;
  }
}
