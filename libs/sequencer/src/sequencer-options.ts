/** What a sequencer is made of, and its bounds in time, entries and bytes. */
import { type Lanes, Limits } from '@kvstore/contract';
import type { Clock, NodeId, Random, Timers } from '@kvstore/std';
import type { HardStateStore, LogStore } from './log-store.ts';
import type { SequencerNotice } from './sequencer-report.ts';

export interface SequencerOptions {
  readonly node: NodeId;
  readonly cluster: string;
  readonly group: string;
  readonly incarnation: number;
  readonly secret: Uint8Array;
  /** The founders; none of a replica that is none of them and waits to be admitted by the log. */
  readonly voters: readonly NodeId[];
  readonly lanes: Lanes;
  readonly log: LogStore;
  readonly hardStates: HardStateStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly config?: Partial<SequencerConfig>;
  /** The disk failed or an invariant broke: nothing more is acknowledged, the process must stop. */
  readonly onFatal: (error: unknown) => void;
  /** Something an operator should read about, once per cause. */
  readonly onNotice?: (notice: SequencerNotice) => void;
}

export interface SequencerConfig {
  readonly tickMs: number;
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  readonly queueBytesMax: number;
  readonly uncommittedBytesMax: number;
  /** Entries in one message to a follower; one entry is always sent. */
  readonly appendBytesMax: number;
  readonly inflightBytesMax: number;
  readonly inflightAppendsMax: number;
  /** How long a leader leads, and a voter of higher priority keeps up, before that one leads. */
  readonly yieldTicks: number;
  /**
   * Of settled entries in memory. Small, so that they die young: bodies that survive two collections
   * are freed by collections of the whole heap only.
   */
  readonly tailBytesMax: number;
  /** Entries that the median voting storage may be behind the commit index. */
  readonly unappliedEntriesMax: number;
  /** Answers to pulls hold at most this much. */
  readonly pullBytesMax: number;
  /** Of log files that are always kept, for whoever falls behind a little. */
  readonly logReserveBytes: number;
  /**
   * Of log files that are kept for followers, storages and an archive that lag; above it they are
   * overtaken: a follower is sent the base of the log, a storage takes a snapshot, an archive begins
   * anew.
   */
  readonly logLagBytesMax: number;
  /** Of log files; above it proposals are refused, for a majority of storages holds the log back. */
  readonly logBytesMax: number;
  /** Between two looks whether the log can be cut. */
  readonly cutPeriodMs: number;
}

/**
 * Heartbeat 100 ms, election timeout 300–600 ms. Ticks this long keep an idle node idle; that nodes
 * tick at different moments keeps them from campaigning at the same one.
 */
export const defaultSequencerConfig: SequencerConfig = {
  tickMs: 100,
  heartbeatTicks: 1,
  electionTicks: 3,
  queueBytesMax: 16 * 1024 * 1024,
  uncommittedBytesMax: 16 * 1024 * 1024,
  appendBytesMax: Limits.entryBytesMax,
  inflightBytesMax: 4 * 1024 * 1024,
  inflightAppendsMax: 256,
  yieldTicks: 300,
  tailBytesMax: 1024 * 1024,
  unappliedEntriesMax: 10_000,
  pullBytesMax: Limits.entryBytesMax,
  logReserveBytes: 256 * 1024 * 1024,
  logLagBytesMax: 1024 * 1024 * 1024,
  logBytesMax: 8 * 1024 * 1024 * 1024,
  cutPeriodMs: 1_000,
};
