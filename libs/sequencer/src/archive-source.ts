/** What the archiver of the committed log needs of the node that leads. See `Sequencer.archive`. */
import type { LogEntry } from '@kvstore/contract';
import type { LogIndex, Term } from '@kvstore/std';

export interface ArchiveState {
  readonly term: Term;
  /** In force: its entry is committed. 0: none has begun. */
  readonly epoch: number;
  readonly commitIndex: LogIndex;
  /** The first entry that the log still holds. */
  readonly firstIndex: LogIndex;
}

export interface ArchiveSource {
  /** Undefined while this node does not lead, or has committed nothing in its term. */
  readonly state: ArchiveState | undefined;
  /** Committed entries from `from` on; at least one when the log holds one, at most about `maxBytes`. */
  read(from: LogIndex, maxBytes: number): Promise<readonly LogEntry[]>;
  /**
   * Proposes the entry that begins the next epoch, unless one is under way already or this node does
   * not lead. `state` tells when it is in force.
   */
  beginEpoch(): void;
  /** The stream of the epoch in force needs `from` next: the log keeps it, as long as it can. */
  archived(from: LogIndex): void;
}
