/**
 * A message of the stream: consecutive committed entries in one authentic frame.
 *
 *   frame of kind `archive`, body: u64 index of the last entry · u16 entries × entry
 *
 * Invariants
 *   1. the entries of a message follow one another; there is at least one
 *   2. a message stays below `Limits.frameBytesMax`, with any one entry in it
 */
import {
  decodeArchived,
  encodeArchived,
  type FrameCodec,
  FrameKind,
  FrameRefusal,
  type LogEntry,
} from '@kvstore/contract';
import { assert, type LogIndex, type Term } from '@kvstore/std';

/** Of what an entry adds to a message besides its body. */
const ENTRY_OVERHEAD_BYTES = 32;

/** The first entries that make one message of about `bytesMax`: at least one when there is one. */
export function cutMessage(entries: readonly LogEntry[], bytesMax: number): readonly LogEntry[] {
  let bytes = 0;
  let count = 0;
  for (const entry of entries) {
    bytes += entry.body.length + ENTRY_OVERHEAD_BYTES;
    if (count > 0 && bytes > bytesMax) break;
    count += 1;
  }
  return entries.slice(0, count);
}

export function sealMessage(
  frames: FrameCodec,
  atTerm: Term,
  entries: readonly LogEntry[],
): Uint8Array {
  const last = entries.at(-1);
  assert(last !== undefined, 'a message without entries');
  const body = encodeArchived({ commitIndex: last.index, entries });
  return frames.seal(FrameKind.archive, atTerm, body);
}

/** The entries, or undefined when the message is not one of this cluster's: counted by `frames`. */
export function openMessage(
  frames: FrameCodec,
  message: Uint8Array,
): readonly LogEntry[] | undefined {
  const entries = frames.receive(message, FrameKind.archive, decodeArchived)?.body.entries;
  const first = entries?.[0];
  if (entries === undefined) return undefined;
  if (first !== undefined && areConsecutive(entries, first.index)) return entries;
  frames.refuse(FrameRefusal.malformed);
  return undefined;
}

export function areConsecutive(entries: readonly LogEntry[], from: LogIndex): boolean {
  return entries.every((entry, place) => entry.index === from + place);
}
