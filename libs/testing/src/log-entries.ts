/** Entries for tests of logs: correctly chained, with bodies that tell where they come from. */
import { ByteWriter, LOG_START, logIndex, nextChain, nodeId, term } from '@kvstore/std';
import type { LogPosition } from '@kvstore/std';
import { configurationOf, EntryKind } from '@kvstore/raft';
import type { Entry, LogBase } from '@kvstore/raft';

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

/** What stands before a log that was cut at `position`; its note is that of an entry with stamp 1. */
export function makeBase({ index, term, chain }: LogPosition): LogBase {
  const configuration = configurationOf([nodeId('node-1'), nodeId('node-2'), nodeId('node-3')]);
  const note = new ByteWriter(12).u64(1).u32(0).finish();
  return { position: { index, term, chain }, configuration, note };
}
