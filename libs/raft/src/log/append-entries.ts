/**
 * A follower's side of AppendEntries (thesis 3.5, figure 3.1): makes the log continue the leader's,
 * or says where the two may still agree.
 *
 * The request is of the current term and well formed. What is at or below the base of this log is
 * committed, so that it is the leader's too, though it is no longer here. Entries that are here already stay: only a
 * real conflict truncates, since a delayed request may end before what was acknowledged after it.
 * Two entries of equal index and term with different chains, or a conflict at a committed entry,
 * mean that replicas have diverged: an assertion, not an answer.
 */
import { assert, logIndex, nextChain, type LogIndex, type LogPosition } from '@kvstore/std';
import { positionOf, type Entry } from '../entry.ts';
import type { AppendRequest, AppendResponse } from '../message.ts';
import type { RaftLog } from './raft-log.ts';

type Rejected = Extract<AppendResponse['result'], { kind: 'rejected' }>;

export type AppendOutcome =
  /** The log holds everything up to `matchIndex`, equal to the leader's; maybe not yet durable. */
  | { readonly kind: 'matched'; readonly matchIndex: LogIndex }
  | Rejected
  /** Chains that do not continue each other, or a configuration that says nothing: nothing changed. */
  | { readonly kind: 'corrupt' };

export function appendEntries(log: RaftLog, request: AppendRequest): AppendOutcome {
  if (!chainsContinue(request)) return { kind: 'corrupt' };
  if (!request.entries.every((entry) => log.understands(entry))) return { kind: 'corrupt' };
  const { previousIndex, previousTerm, previousChain } = request;
  let previous: LogPosition = { index: previousIndex, term: previousTerm, chain: previousChain };
  let { entries } = request;
  const base = log.base.position;
  if (previousIndex < base.index) {
    const first = base.index - previousIndex;
    if (entries.length < first) return { kind: 'matched', matchIndex: lastOf(request) };
    assertSameChain(log, entries[first - 1] as Entry);
    previous = base;
    entries = entries.slice(first);
  } else {
    if (log.termAt(previousIndex) !== previousTerm) return reject(log, request);
    assertSameChain(log, previous);
  }
  for (const entry of entries) {
    if (log.termAt(entry.index) === entry.term) {
      assertSameChain(log, entry);
    } else {
      // Why a position of its own: what is kept of an entry would keep its body.
      if (log.last.index > previous.index) log.truncate(positionOf(previous));
      log.append(entry);
    }
    previous = entry;
  }
  log.commitTo(logIndex(Math.min(request.commitIndex, previous.index)));
  return { kind: 'matched', matchIndex: previous.index };
}

function lastOf({ previousIndex, entries }: AppendRequest): LogIndex {
  return logIndex(previousIndex + entries.length);
}

/**
 * The hint skips every term of this log that is above the leader's at the refused place: none of
 * those entries can be the leader's.
 */
function reject(log: RaftLog, request: AppendRequest): Rejected {
  const { previousIndex, previousTerm } = request;
  assert(previousIndex > log.commitIndex, 'a committed entry differs from the leader’s');
  const hintIndex = log.lastAtMost(previousIndex, previousTerm);
  const hintTerm = log.termAt(hintIndex);
  assert(hintTerm !== undefined, 'a hint above the last entry');
  return { kind: 'rejected', rejectedIndex: previousIndex, hintIndex, hintTerm };
}

function chainsContinue(request: AppendRequest): boolean {
  let previous = request.previousChain;
  for (const { index, term, kind, body, chain } of request.entries) {
    if (nextChain(previous, index, term, kind, body) !== chain) return false;
    previous = chain;
  }
  return true;
}

function assertSameChain(log: RaftLog, theirs: LogPosition | Entry): void {
  const ours = log.chainAt(theirs.index);
  assert(ours === undefined || ours === theirs.chain, 'equal index and term, but another chain');
}
