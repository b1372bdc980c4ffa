/**
 * Appends that were handed to the driver and not yet reported durable, oldest first.
 *
 * Why a queue and not only "does the log hold that term at that index": an entry can be appended,
 * overwritten by another leader's, and appended again, all before the first report arrives. That
 * report speaks of a write which a later one, still under way, cuts off again; counting it would
 * acknowledge an entry that the next crash may take. So a truncation lowers what every write under
 * way can prove, and a report proves what the oldest write of that position still can.
 */
import type { LogIndex, Term } from '@kvstore/std';

interface Write {
  readonly index: LogIndex;
  readonly term: Term;
  /** Entries up to here are durable when the write is, and have not been overwritten since. */
  proves: LogIndex;
}

export class PendingWrites {
  readonly #writes: Write[] = [];

  /** Entries up to `index`, of `term`, were handed out. */
  add(index: LogIndex, term: Term): void {
    this.#writes.push({ index, term, proves: index });
  }

  /** Entries above `last` were cut off the log. */
  truncate(last: LogIndex): void {
    for (const write of this.#writes) if (write.proves > last) write.proves = last;
  }

  /**
   * The write that ends at `index` of `term`, and with it every older one, is durable. Returns up to
   * where that proves the log durable; undefined when no such write is under way.
   */
  complete(index: LogIndex, term: Term): LogIndex | undefined {
    const at = this.#writes.findIndex((write) => write.index === index && write.term === term);
    if (at < 0) return undefined;
    const proves = (this.#writes[at] as Write).proves;
    if (at === 0) this.#writes.shift();
    else this.#writes.splice(0, at + 1);
    return proves;
  }
}
