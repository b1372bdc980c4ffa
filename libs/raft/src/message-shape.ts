/**
 * Is a message one that a correct replica could have sent? Whatever is not is dropped before it
 * touches any state: numbers out of range, gaps or falling terms among entries, a term before the
 * entries it carries. Chains of entries are checked where they are appended, since that reads bodies.
 */
import { isCount } from '@kvstore/std';
import { EntryKind, type Entry } from './entry.ts';
import { isValidConfiguration } from './membership/configuration.ts';
import type { AppendRequest, AppendResponse, BaseRequest, Message } from './message.ts';

export function isWellFormed(message: Message): boolean {
  if (!isCount(message.term) || message.term === 0) return false;
  switch (message.kind) {
    case 'vote-request':
      if (typeof message.forced !== 'boolean') return false;
      return isPlace(message.lastIndex, message.lastTerm) && message.lastTerm < message.term;
    case 'pre-vote-request':
      return isPlace(message.lastIndex, message.lastTerm) && message.lastTerm < message.term;
    case 'pre-vote-response':
    case 'vote-response':
      return typeof message.granted === 'boolean';
    case 'append-request':
      return isAppend(message);
    case 'append-response':
      return isAppendResult(message.result);
    case 'heartbeat-request':
      return isCount(message.commitIndex) && isCount(message.round) && message.round > 0;
    case 'heartbeat-response':
      return isCount(message.round);
    case 'base-request':
      return isBase(message);
    case 'timeout-now':
      return true;
    default:
      return false;
  }
}

/** Before the log both are 0, inside it neither is. */
function isPlace(index: number, term: number): boolean {
  return isCount(index) && isCount(term) && (index === 0) === (term === 0);
}

function isAppend(message: AppendRequest): boolean {
  const { previousIndex, previousTerm, previousChain, entries, commitIndex, term } = message;
  if (!isPlace(previousIndex, previousTerm) || previousTerm > term) return false;
  if (!isCount(previousChain) || (previousIndex === 0 && previousChain !== 0)) return false;
  if (!isCount(commitIndex) || !isList(entries)) return false;
  let index: number = previousIndex;
  let entryTerm: number = previousTerm;
  for (const entry of entries) {
    if (!isEntry(entry) || entry.index !== index + 1) return false;
    if (entry.term < entryTerm || entry.term > term) return false;
    index = entry.index;
    entryTerm = entry.term;
  }
  return true;
}

/** A base is never where every log begins, and always has voters. */
function isBase({ base, term }: BaseRequest): boolean {
  const { position, configuration, note } = base;
  if (!isPlace(position.index, position.term) || position.index === 0) return false;
  if (position.term > term || !isCount(position.chain)) return false;
  if (!(note instanceof Uint8Array) || configuration.voters.length === 0) return false;
  return isValidConfiguration(configuration);
}

/** Does not narrow, so that the declared type of a list stays. */
function isList(value: unknown): boolean {
  return Array.isArray(value);
}

function isEntry(entry: Entry): boolean {
  return (
    isCount(entry.index) &&
    isCount(entry.term) &&
    entry.term > 0 &&
    isCount(entry.chain) &&
    (entry.kind === EntryKind.opening ||
      entry.kind === EntryKind.data ||
      entry.kind === EntryKind.configuration) &&
    entry.body instanceof Uint8Array
  );
}

function isAppendResult(result: AppendResponse['result']): boolean {
  switch (result.kind) {
    case 'accepted':
      return isCount(result.matchIndex);
    case 'rejected':
      return (
        isCount(result.rejectedIndex) &&
        isPlace(result.hintIndex, result.hintTerm) &&
        result.hintIndex <= result.rejectedIndex
      );
    default:
      return false;
  }
}
