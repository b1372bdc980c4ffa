/**
 * What a layer of the tree holds under a key: the bytes of a value, or a tombstone that hides the
 * key in every older layer. `undefined` means that this layer says nothing: ask the next older one.
 */
export const TOMBSTONE: unique symbol = Symbol('tombstone');
export type Stored = Uint8Array | typeof TOMBSTONE;

/** The longest key that a segment can name, in bytes. */
export const KEY_BYTES_MAX = 0xffff;

/**
 * How many leading bytes of a key its filter covers; 0: none, the key is in no filter.
 *
 * Must be pure and at most the key's length. Among the keys that are ever stored, one that begins
 * with the filter prefix of another must have that same filter prefix: a read for the one passes
 * over every segment whose filter does not have it.
 */
export type FilterPrefixLength = (key: Uint8Array) => number;
