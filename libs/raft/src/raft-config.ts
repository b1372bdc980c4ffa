/**
 * What a replica is built from: its settings and what its disk held. Both are checked here once, so
 * that the rest of the core may rely on them.
 */
import {
  assert,
  isCount,
  type LogPosition,
  type NodeId,
  type Random,
  type Term,
} from '@kvstore/std';
import type { HardState } from './ready.ts';
import type { TermSpan } from './term-spans.ts';

/** Bytes are counted by `entryBytes`: the body and a fixed share for every entry. */
export interface RaftConfig {
  readonly id: NodeId;
  /** Every member that votes, this one included. Fixed until membership changes exist. */
  readonly voters: readonly NodeId[];
  /** Minimum election timeout in ticks; the timeout is drawn from [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number;
  /** Heartbeat interval in ticks, below `electionTicks`. */
  readonly heartbeatTicks: number;
  readonly random: Random;
  /** Body of the entry that opens a term, asked for once at the moment of becoming leader. */
  readonly openingBody: (term: Term) => Uint8Array;
  /** Entries in one append message; one entry is always sent. */
  readonly appendBytesMax: number;
  /** Entries sent to one follower and not yet acknowledged; at least `appendBytesMax`. */
  readonly inflightBytesMax: number;
  /**
   * Entries in memory that are not yet committed or not yet durable on this replica; `propose`
   * refuses above it, except when there are none.
   */
  readonly uncommittedBytesMax: number;
  /** Durable, committed entries kept in memory for followers. */
  readonly tailBytesMax: number;
}

/** What was on disk. An empty log has `last` = LOG_START and no spans. */
export interface RestoredState {
  readonly hardState: HardState;
  readonly last: LogPosition;
  readonly spans: readonly TermSpan[];
}

export function assertConfig(config: RaftConfig): void {
  assert(config.voters.includes(config.id), 'a replica must be one of its voters');
  assert(new Set(config.voters).size === config.voters.length, 'a voter is listed twice');
  assert(isCount(config.heartbeatTicks) && config.heartbeatTicks >= 1, 'heartbeatTicks below 1');
  assert(isCount(config.electionTicks), 'electionTicks must be a count');
  assert(config.electionTicks > config.heartbeatTicks, 'electionTicks not above heartbeatTicks');
  assert(isCount(config.appendBytesMax), 'appendBytesMax must be a count');
  assert(isCount(config.inflightBytesMax), 'inflightBytesMax must be a count');
  assert(config.inflightBytesMax >= config.appendBytesMax, 'inflightBytesMax below appendBytesMax');
  assert(isCount(config.uncommittedBytesMax), 'uncommittedBytesMax must be a count');
  assert(isCount(config.tailBytesMax), 'tailBytesMax must be a count');
}

export function assertRestored(restored: RestoredState): void {
  const { hardState, last, spans } = restored;
  assert(hardState.term >= last.term, 'the log is ahead of the term on disk');
  assert((last.index === 0) === (spans.length === 0), 'term spans do not fit the log');
  const newest = spans[spans.length - 1];
  if (newest === undefined) return;
  assert(newest.term === last.term, 'the newest term span is not the last entry’s');
  assert(newest.firstIndex <= last.index, 'a term span begins behind the log');
}
