/**
 * A position in one sorted layer, moving one way. It begins on its first entry or `done`; while it
 * is not, `key` and `value` describe the entry it stands on. Keys handed out stay valid after
 * `next`; a cursor over the active memtable is not valid across a write.
 */
import type { Stored } from './stored.ts';

export interface Cursor {
  readonly done: boolean;
  readonly key: Uint8Array;
  readonly value: Stored;
  next(): void;
}

/** Anything that holds sorted entries: a memtable, a segment. */
export interface Layer {
  find(key: Uint8Array): Stored | undefined;
  /** From the first key at or after `from`, upwards. */
  ascend(from: Uint8Array): Cursor;
  /** From the last key below `before` (undefined: from the last of all), downwards. */
  descend(before: Uint8Array | undefined): Cursor;
}
