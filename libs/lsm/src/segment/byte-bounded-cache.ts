/**
 * A cache bounded by bytes that forgets what was not used lately: the second-chance approximation of
 * "least recently used" (Corbató 1968). An entry that was used since it came to the front of the
 * queue goes to its end once more. Why not exactly that order: a hit would have to move its entry,
 * and hits are many more than evictions.
 */

/** What an entry costs beyond its bytes: the objects around them. */
const ENTRY_OVERHEAD_BYTES = 128;

interface Entry<Value> {
  readonly value: Value;
  readonly bytes: number;
  used: boolean;
}

export class ByteBoundedCache<Value> {
  readonly #bytesMax: number;
  /** In the order in which they will be looked at for eviction. */
  readonly #entries = new Map<number, Entry<Value>>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: number): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.used = true;
    return entry.value;
  }

  /** Keeps `value` unless it alone is over the bound. The key must not be in the cache. */
  add(key: number, value: Value, byteLength: number): void {
    const bytes = byteLength + ENTRY_OVERHEAD_BYTES;
    if (bytes > this.#bytesMax) return;
    this.#makeRoom(bytes);
    this.#entries.set(key, { value, bytes, used: false });
    this.#bytes += bytes;
  }

  #makeRoom(bytes: number): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes + bytes <= this.#bytesMax) return;
      this.#entries.delete(key);
      if (entry.used) {
        entry.used = false;
        this.#entries.set(key, entry);
      } else {
        this.#bytes -= entry.bytes;
      }
    }
  }
}
