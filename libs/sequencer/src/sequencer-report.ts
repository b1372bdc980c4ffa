/** What a sequencer tells of itself: counters for metrics, notices for the log of an operator. */
import type { LogIndex, NodeId } from '@kvstore/std';

export interface SequencerCounters {
  electionsWon: number;
  entriesCommitted: number;
  batchesProposed: number;
  proposalsRefused: number;
  readIndexRequests: number;
  pullsServed: number;
  /** Connections given up because commits stood still. */
  reconnects: number;
  /** Leaderships given up for the same reason, or because the own disk stood still. */
  resignations: number;
  /** Cuts at the beginning of the log. */
  logCuts: number;
  /** Followers, storages and archives that needed what was cut off. */
  readersOvertaken: number;
  /** Bases put in place of the whole log, for this replica was behind its leader's. */
  basesInstalled: number;
}

export type SequencerNotice =
  /** A process with this member's name is of a cluster that was founded apart from this one. */
  | { readonly kind: 'foreign-member'; readonly node: string }
  /** Entries did not get through although heartbeats did. */
  | { readonly kind: 'commit-stands-still'; readonly action: 'reconnect' | 'resign' }
  /** The disk of this leader made no progress for two election timeouts: it leads no more. */
  | { readonly kind: 'disk-stands-still' }
  /** Somebody lags so far that the log no longer begins where it would have to read on. */
  | {
      readonly kind: 'overtaken';
      /** 'snapshot': a storage, while it receives one. */
      readonly reader: 'archive' | 'consensus' | 'storage' | 'snapshot';
      readonly node: NodeId | undefined;
      readonly needs: LogIndex;
      readonly beginsAt: LogIndex;
    }
  /** The log is as large as it may be, and the storages of a majority do not let it be cut. */
  | { readonly kind: 'log-full'; readonly bytes: number; readonly cutPoint: LogIndex }
  /** What was lost when the log was damaged is there again: this replica votes as before. */
  | { readonly kind: 'log-repaired' }
  /** This replica was behind the base of its leader's log: its own log was replaced by that. */
  | { readonly kind: 'base-installed'; readonly index: LogIndex };
