/** Entries for tests of logs: correctly chained, with bodies that tell where they come from. */
import { LOG_START, logIndex, nextChain, term } from '@kvstore/std';
import type { LogPosition } from '@kvstore/std';
import { EntryKind } from '@kvstore/raft';
import type { Entry } from '@kvstore/raft';

/** `bodies.length` entries of one term that follow `previous`; the first one opens the term. */
export function makeEntries(
  previous: LogPosition | undefined,
  inTerm: number,
  bodies: readonly Uint8Array[],
): Entry[] {
  let last = previous ?? LOG_START;
  return bodies.map((body) => {
    const index = logIndex(last.index + 1);
    const kind = last.term === inTerm ? EntryKind.data : EntryKind.opening;
    const chain = nextChain(last.chain, index, term(inTerm), kind, body);
    const entry: Entry = { index, term: term(inTerm), kind, chain, body };
    last = entry;
    return entry;
  });
}

/** A body of `length` bytes that depends on `seed` and holds no run of zeros. */
export function makeBody(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((seed * 131 + i * 7) % 255) + 1);
}
