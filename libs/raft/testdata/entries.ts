/** Logs for tests: entries whose chains continue each other. */
import { LOG_START, logIndex, nextChain, term, type LogPosition } from '@kvstore/std';
import { EntryKind, type Entry } from '../src/entry.ts';

/** The entry of `entryTerm` that follows `previous`. */
export function entryAfter(
  previous: LogPosition,
  entryTerm: number,
  body = new Uint8Array(0),
): Entry {
  const index = logIndex(previous.index + 1);
  const kind = EntryKind.data;
  const chain = nextChain(previous.chain, index, term(entryTerm), kind, body);
  return { index, term: term(entryTerm), kind, chain, body };
}

/** Entries 1.. of these terms; equal prefixes of terms give equal entries. */
export function logOf(...terms: readonly number[]): Entry[] {
  const log: Entry[] = [];
  for (const entryTerm of terms) log.push(entryAfter(log[log.length - 1] ?? LOG_START, entryTerm));
  return log;
}
