/** What a sequencer tells of itself: counters for metrics, notices for the log of an operator. */

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
}

export type SequencerNotice =
  /** A process with this member's name is of a cluster that was founded apart from this one. */
  | { readonly kind: 'foreign-member'; readonly node: string }
  /** Entries did not get through although heartbeats did. */
  | { readonly kind: 'commit-stands-still'; readonly action: 'reconnect' | 'resign' }
  /** The disk of this leader made no progress for two election timeouts: it leads no more. */
  | { readonly kind: 'disk-stands-still' };
