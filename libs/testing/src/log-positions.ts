/** Positions and contents as tests compare them. */
import { chain, logIndex, type LogPosition, term } from '@kvstore/std';
import type { KeyValue } from '@kvstore/state-machine';

/** A position with a chain of its own, for the entry at `index`. */
export function positionAt(index: number, atTerm = 1): LogPosition {
  return { index: logIndex(index), term: term(atTerm), chain: chain(1_000_000 + index) };
}

/** Plain copies, so that stores with views of different kinds compare equal. */
export function plain(pairs: Iterable<KeyValue>): { key: string; value: string }[] {
  const hex = (part: Uint8Array): string => Buffer.from(part).toString('hex');
  return Array.from(pairs, ({ key, value }) => ({ key: hex(key), value: hex(value) }));
}
