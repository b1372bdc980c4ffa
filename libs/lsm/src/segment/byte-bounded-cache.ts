/**
 * A cache bounded by bytes that forgets the least recently used first. A Map keeps insertion order,
 * so "used again" is "removed and inserted again".
 */
/** What an entry costs beyond its bytes: the objects around them. */
const ENTRY_OVERHEAD_BYTES = 128;

export class ByteBoundedCache<Value> {
  readonly #bytesMax: number;
  readonly #entries = new Map<number, { readonly value: Value; readonly bytes: number }>();
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
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Keeps `value` unless it alone is over the bound. The key must not be in the cache. */
  add(key: number, value: Value, byteLength: number): void {
    const bytes = byteLength + ENTRY_OVERHEAD_BYTES;
    if (bytes > this.#bytesMax) return;
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#entries.delete(oldest);
      this.#bytes -= entry.bytes;
    }
  }
}
