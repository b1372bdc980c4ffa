/**
 * The store under the state machine: byte keys in byte order, synchronous, one writer.
 *
 * The state machine is the only writer and runs one entry at a time, so a write is visible to the
 * next read at once, and a reader between two entries sees whole entries only. Durability is not
 * its business: the store persists whole entries in order, and replay repeats the rest.
 * Bytes handed in are copied or owned by the store: the caller must not change them afterwards.
 * Bytes handed out are views, valid until the next write: a caller that keeps them copies them.
 */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface KeyBounds {
  /** Inclusive. */
  readonly from: Uint8Array;
  /** Exclusive; undefined: to the end. */
  readonly to?: Uint8Array | undefined;
  readonly reverse?: boolean;
}

export interface OrderedStore {
  get(key: Uint8Array): Uint8Array | undefined;
  /**
   * The first pair at or after `from` that shares its first `prefixLength` bytes. Where the store
   * has filters they are over a key's prefix as `ordered-keys.ts` delimits it, so this is cheap.
   */
  first(from: Uint8Array, prefixLength: number): KeyValue | undefined;
  /**
   * The value of `first(from, prefixLength)`, for keys whose later writes sort first: every key with
   * that prefix was put once, below all that were put before it, and never deleted. A store of layers
   * then looks no further than the newest one that has such a key.
   */
  newest(from: Uint8Array, prefixLength: number): Uint8Array | undefined;
  /** In byte order (descending with `reverse`). Not valid across a write. */
  scan(bounds: KeyBounds): Iterable<KeyValue>;
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
}
