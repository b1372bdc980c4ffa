/**
 * Appends to one follower that are not yet acknowledged, oldest first, bounded by bytes and by count
 * (thesis 10.2.1). One append is always allowed, however large.
 */
import { assert, type LogIndex } from '@kvstore/std';

export interface InflightLimits {
  readonly appendBytesMax: number;
  readonly inflightBytesMax: number;
  readonly inflightAppendsMax: number;
}

interface Inflight {
  readonly last: LogIndex;
  readonly bytes: number;
}

export class Inflights {
  readonly #limits: InflightLimits;
  #appends: Inflight[] = [];
  #bytes = 0;

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#appends.length;
  }

  /** May another append with entries leave? */
  get hasRoom(): boolean {
    if (this.#appends.length === 0) return true;
    const { appendBytesMax, inflightBytesMax, inflightAppendsMax } = this.#limits;
    if (this.#appends.length >= inflightAppendsMax) return false;
    return this.#bytes + appendBytesMax <= inflightBytesMax;
  }

  add(last: LogIndex, bytes: number): void {
    this.#appends.push({ last, bytes });
    this.#bytes += bytes;
  }

  /** Everything up to `match` has arrived. */
  release(match: LogIndex): void {
    let acknowledged = 0;
    for (const { last, bytes } of this.#appends) {
      if (last > match) break;
      this.#bytes -= bytes;
      acknowledged++;
    }
    if (acknowledged > 0) this.#appends.splice(0, acknowledged);
  }

  clear(): void {
    this.#appends = [];
    this.#bytes = 0;
  }

  check(): void {
    assert(this.#bytes >= 0, 'bytes in flight counted wrong');
  }
}
