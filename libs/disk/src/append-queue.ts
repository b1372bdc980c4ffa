/**
 * Appends that were called and are not durable yet, in order, and how the end of the log looks with
 * them carried out. Bounded by its caller: the core bounds what is uncommitted and in flight.
 */
import { assert } from '@kvstore/std';
import type { LogIndex } from '@kvstore/std';
import type { Entry } from '@kvstore/raft';
import { recordBytes } from './log-record.ts';

interface Append {
  readonly entries: readonly Entry[];
  readonly acknowledged: LogIndex;
  /** How many of the entries are durable. */
  durable: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface QueuedEntry {
  readonly entry: Entry;
  readonly acknowledged: LogIndex;
}

export class AppendQueue {
  #appends: Append[] = [];
  #bytes = 0;

  /** Bytes that the waiting entries will take in segments. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#appends.length === 0;
  }

  add(entries: readonly Entry[], acknowledged: LogIndex): Promise<void> {
    for (const entry of entries) this.#bytes += recordBytes(entry.body.length);
    return new Promise((resolve, reject) => {
      this.#appends.push({ entries, acknowledged, durable: 0, resolve, reject });
    });
  }

  /** Entries that are not durable, in order. */
  *waiting(): Generator<QueuedEntry> {
    for (const append of this.#appends) {
      const { entries } = append;
      for (let i = append.durable; i < entries.length; i++) {
        yield { entry: entries[i] as Entry, acknowledged: append.acknowledged };
      }
    }
  }

  /** The next `count` entries have become durable; resolves what is complete, in order. */
  complete(count: number): void {
    let rest = count;
    let finished = 0;
    for (const append of this.#appends) {
      if (rest === 0) break;
      const taken = Math.min(rest, append.entries.length - append.durable);
      for (let i = append.durable; i < append.durable + taken; i++) {
        this.#bytes -= recordBytes((append.entries[i] as Entry).body.length);
      }
      append.durable += taken;
      rest -= taken;
      if (append.durable < append.entries.length) break;
      finished += 1;
    }
    assert(rest === 0, 'more entries became durable than were appended');
    for (const append of this.#appends.splice(0, finished)) append.resolve();
  }

  fail(error: unknown): void {
    const appends = this.#appends;
    this.#appends = [];
    this.#bytes = 0;
    for (const append of appends) append.reject(error);
  }

  /** The entries that end the log once all is carried out: contiguous, the last append wins. */
  overlay(): readonly Entry[] {
    let tail: Entry[] = [];
    for (const { entry } of this.waiting()) {
      const first = tail[0]?.index ?? 0;
      if (entry.index <= first) tail = [];
      else if (tail.length > 0) tail.length = entry.index - first;
      tail.push(entry);
    }
    return tail;
  }
}
