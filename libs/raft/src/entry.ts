/** An entry of the replicated log. Bodies are opaque to the core. */
import type { Chain, LogIndex, LogPosition, Term } from '@kvstore/std';

export const EntryKind = {
  /** The first entry of every term, appended by a new leader (thesis 3.6.2, 6.4). */
  opening: 0,
  /** Proposed by the driver. */
  data: 1,
  /** Who takes part from here on (thesis 4.1); its body is the driver's encoding of that. */
  configuration: 2,
} as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  /** Chain up to and including this entry. */
  readonly chain: Chain;
  readonly body: Uint8Array;
}

/** Counted for every entry on top of its body, so that a byte bound also bounds empty bodies. */
export const ENTRY_OVERHEAD_BYTES = 32;

/** What an entry counts for in every byte bound of the core. */
export function entryBytes(entry: Entry): number {
  return entry.body.length + ENTRY_OVERHEAD_BYTES;
}

/** The first entries of `entries`: one, then as many more as fit into `bytesMax`. */
export function fitting(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  let bytes = 0;
  for (const [at, entry] of entries.entries()) {
    bytes += entryBytes(entry);
    if (at > 0 && bytes > bytesMax) return entries.slice(0, at);
  }
  return entries;
}

/** A position and nothing else: it does not keep the body of an entry. */
export function positionOf({ index, term, chain }: LogPosition): LogPosition {
  return { index, term, chain };
}
