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
import type { TermSpan } from './log/term-spans.ts';
import {
  isValidConfiguration,
  type ConfigurationAt,
  type ConfigurationCodec,
  type LogBase,
} from './membership/configuration.ts';
import type { HardState } from './ready.ts';

/** Bytes are counted by `entryBytes`: the body and a fixed share for every entry. */
export interface RaftConfig {
  readonly id: NodeId;
  /** Minimum election timeout in ticks; the timeout is drawn from [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number;
  /** Heartbeat interval in ticks, below `electionTicks`. */
  readonly heartbeatTicks: number;
  /** What the caller takes for a tick, on its monotonic clock; only leases are measured by it. */
  readonly tickMs: number;
  /**
   * How long a leader leads, and a voter of higher priority keeps up, before leadership moves there;
   * 0 for never.
   */
  readonly yieldTicks: number;
  readonly random: Random;
  /** Body of the entry that opens a term, asked for once at the moment of becoming leader. */
  readonly openingBody: (term: Term) => Uint8Array;
  readonly configurations: ConfigurationCodec;
  /** Entries in one append message; one entry is always sent. */
  readonly appendBytesMax: number;
  /** Entries sent to one follower and not yet acknowledged; at least `appendBytesMax`. */
  readonly inflightBytesMax: number;
  /** Appends sent to one follower and not yet acknowledged; at least 1. */
  readonly inflightAppendsMax: number;
  /**
   * Entries in memory that are not yet committed or not yet durable on this replica; `propose`
   * refuses above it, except when there are none.
   */
  readonly uncommittedBytesMax: number;
  /** Durable, committed entries kept in memory for followers. */
  readonly tailBytesMax: number;
}

/**
 * What was on disk. `base` is what stands before the first entry: LOG_START and the founding
 * configuration for a log that was never cut, NO_CONFIGURATION there for a replica that waits to be
 * admitted. An empty log has `last` at the base, no spans and no configurations.
 */
export interface RestoredState {
  readonly hardState: HardState;
  /**
   * The term that was entered when the end of the log was found damaged and cut off: entries that this
   * replica acknowledged in earlier terms may be gone here. It stands for no election and votes only
   * for whoever has an entry of this term or a later one, until its own log has. 0: nothing was lost.
   */
  readonly repairTerm: Term;
  readonly base: LogBase;
  readonly last: LogPosition;
  readonly spans: readonly TermSpan[];
  /** Of the configuration entries in the log, in order. */
  readonly configurations: readonly ConfigurationAt[];
}

export function assertConfig(config: RaftConfig): void {
  assert(isCount(config.heartbeatTicks) && config.heartbeatTicks >= 1, 'heartbeatTicks below 1');
  assert(isCount(config.electionTicks), 'electionTicks must be a count');
  assert(config.electionTicks > config.heartbeatTicks, 'electionTicks not above heartbeatTicks');
  assert(config.tickMs > 0, 'tickMs must be above 0');
  assert(isCount(config.yieldTicks), 'yieldTicks must be a count');
  assert(isCount(config.inflightAppendsMax), 'inflightAppendsMax must be a count');
  assert(config.inflightAppendsMax >= 1, 'inflightAppendsMax below 1');
  assert(isCount(config.appendBytesMax), 'appendBytesMax must be a count');
  assert(isCount(config.inflightBytesMax), 'inflightBytesMax must be a count');
  assert(config.inflightBytesMax >= config.appendBytesMax, 'inflightBytesMax below appendBytesMax');
  assert(isCount(config.uncommittedBytesMax), 'uncommittedBytesMax must be a count');
  assert(isCount(config.tailBytesMax), 'tailBytesMax must be a count');
}

export function assertRestored(restored: RestoredState): void {
  const { hardState, repairTerm, base, last, spans, configurations } = restored;
  assert(hardState.term >= last.term, 'the log is ahead of the term on disk');
  assert(hardState.term >= repairTerm, 'a repair of a term that was never entered');
  assert(isValidConfiguration(base.configuration), 'the configuration at the base is not valid');
  for (const { index, configuration } of configurations) {
    assert(isValidConfiguration(configuration), 'a configuration in the log is not valid');
    assert(index > base.position.index && index <= last.index, 'a configuration outside the log');
  }
  const isEmpty = last.index === base.position.index;
  assert(last.index >= base.position.index, 'the log ends below its base');
  assert(isEmpty === (spans.length === 0), 'term spans do not fit the log');
  const newest = spans[spans.length - 1];
  if (newest === undefined) return;
  assert(newest.term === last.term, 'the newest term span is not the last entry’s');
  assert(newest.firstIndex <= last.index, 'a term span begins behind the log');
}
