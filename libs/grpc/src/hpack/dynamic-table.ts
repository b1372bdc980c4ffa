/**
 * The dynamic table of HPACK (RFC 7541, section 2.3.2 and 4): the newest entry has the lowest index, the
 * oldest is evicted first.
 *
 * Invariants
 *   1. the size (name + value + 32 of each entry) is at most `sizeMax`, itself at most the limit
 *   2. `version` changes with every change of what an index means
 */
import { HpackError } from './hpack-error.ts';
import { STATIC_INDEX_MAX, STATIC_TABLE, type HeaderField } from './static-table.ts';

const ENTRY_OVERHEAD = 32;

export class DynamicTable {
  version = 0;
  readonly #sizeLimit: number;
  #sizeMax: number;
  #size = 0;
  #count = 0;
  /** A ring; `#newest` is the place of index 62. Its length is a power of two. */
  #ring: (HeaderField | undefined)[] = new Array<undefined>(16);
  #newest = 0;

  constructor(sizeLimit: number) {
    this.#sizeLimit = sizeLimit;
    this.#sizeMax = sizeLimit;
  }

  get count(): number {
    return this.#count;
  }

  get size(): number {
    return this.#size;
  }

  /** The field with this index over both tables. */
  field(index: number): HeaderField {
    if (index === 0) throw new HpackError('a header field has index 0');
    if (index <= STATIC_INDEX_MAX) return STATIC_TABLE[index] as HeaderField;
    const back = index - STATIC_INDEX_MAX - 1;
    if (back >= this.#count) throw new HpackError('a header field has an index without an entry');
    return this.#ring[(this.#newest - back) & (this.#ring.length - 1)] as HeaderField;
  }

  /** An entry larger than the table empties it (section 4.4). */
  add(field: HeaderField): void {
    this.version++;
    const size = field.name.length + field.value.length + ENTRY_OVERHEAD;
    this.#evictTo(this.#sizeMax - size);
    if (size > this.#sizeMax) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = field;
    this.#count++;
    this.#size += size;
  }

  resize(sizeMax: number): void {
    if (sizeMax > this.#sizeLimit) throw new HpackError('a table size is above the limit');
    this.version++;
    this.#sizeMax = sizeMax;
    this.#evictTo(sizeMax);
  }

  #evictTo(size: number): void {
    const mask = this.#ring.length - 1;
    while (this.#count > 0 && this.#size > size) {
      const place = (this.#newest - this.#count + 1) & mask;
      const { name, value } = this.#ring[place] as HeaderField;
      this.#size -= name.length + value.length + ENTRY_OVERHEAD;
      this.#ring[place] = undefined;
      this.#count--;
    }
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Array<HeaderField | undefined>(old.length * 2);
    for (let back = 0; back < this.#count; back++) {
      ring[this.#count - 1 - back] = old[(this.#newest - back) & (old.length - 1)];
    }
    this.#ring = ring;
    this.#newest = this.#count - 1;
  }
}
