/**
 * The durable log of one group, as the sequencer uses it. Implemented by `disk` on append-only
 * segment files and by `testing` in memory; both pass the conformance suite in `testing`.
 */
import type { Chain, LogIndex, LogPosition, Term } from '@kvstore/std';
import type { Entry, HardState, LogBase, TermSpan } from '@kvstore/raft';

export interface RecoveredLog {
  /** What stands before the first entry; undefined for a log that was never cut: LOG_START. */
  readonly base: LogBase | undefined;
  /** The last entry; the base's position for an empty log. */
  readonly last: LogPosition;
  readonly spans: readonly TermSpan[];
  /** The entries that say who takes part in consensus, in order. */
  readonly configurations: readonly Entry[];
  /** The torn tail that was cut at open, if any: reported, never silent. */
  readonly cut:
    { readonly file: string; readonly offset: number; readonly bytes: number } | undefined;
  /** What was found damaged, when entries that had been durable were cut off with it. */
  readonly damage: string | undefined;
}

export interface LogStore {
  readonly recovered: RecoveredLog;
  /** Bytes of entries that are certain to fit without asking the file system for space. */
  readonly roomBytes: number;
  /** Bytes of all log files on disk. */
  readonly sizeBytes: number;
  /** Why no more space could be had, while that lasts; the store keeps trying by itself. */
  readonly spaceError: string | undefined;
  /**
   * Appends contiguous entries; when the first index is not above the last, first cuts the log
   * there. Resolves when they are durable. Calls are carried out in order, several per fsync. The
   * bytes belong to the store until then. `acknowledged` is the highest index that this replica has
   * acknowledged or counted so far; it is stored with the records.
   * Rejects with `LogError` FSYNC_FAILED, after which the process must stop.
   */
  append(entries: readonly Entry[], acknowledged: LogIndex): Promise<void>;
  /**
   * Entries from `from`, in order, at least one unless the log ends before, at most `maxBytes` of
   * bodies after the first. Sees every append that was called before. None when the log does not
   * hold `from`, also because it was cut meanwhile.
   */
  read(from: LogIndex, maxBytes: number): Promise<readonly Entry[]>;
  /** Chain and term of an entry or of the base, or undefined when the log does not hold it. */
  position(
    index: LogIndex,
  ): Promise<{ readonly term: Entry['term']; readonly chain: Chain } | undefined>;
  /**
   * The highest index, at or below `limit`, at which a cut gives space back and leaves at least
   * `keptBytes` of files; undefined when there is none. It holds as long as nothing at or below it
   * is cut off the end, which the core never does below its commit index.
   */
  cutPlace(limit: LogIndex, keptBytes: number): LogIndex | undefined;
  /**
   * Cuts off the beginning of the log: makes `base`, at an index that `cutPlace` has given, durable,
   * then gives back what holds nothing above it. A crash finds the old base or the new one. Resolves
   * when both are done; nothing happens when the base is not above the present one. Appends and
   * reads go on meanwhile. Rejects as `append` does.
   */
  cut(base: LogBase): Promise<void>;
  /**
   * Puts `base` in place of the whole log, above whatever it ended with. No append is under way or
   * called before it resolves, which is when that is durable. A crash finds the old log or the base
   * alone.
   */
  install(base: LogBase): Promise<void>;
  /** Waits for what was appended and closes the files. */
  close(): Promise<void>;
}

/** Term and vote. `save` resolves when durable; calls are carried out in order. */
export interface HardStateStore {
  readonly recovered: HardState;
  /** See `RestoredState.repairTerm`; 0 when the log never lost anything. */
  readonly repairTerm: Term;
  /**
   * The log turned out damaged: enters the next term, without a vote, as the one of the repair, which
   * `recovered` and `repairTerm` say from then on. Before anything is cut off the log, and before
   * `save`. Resolves when durable.
   */
  beginRepair(): Promise<void>;
  save(state: HardState): Promise<void>;
  close(): Promise<void>;
}

export type LogErrorCode =
  /** A record that may have been acknowledged is unreadable: the replica must not vote with it. */
  | 'LOG_CORRUPT'
  /** Files of another cluster, group or node, or of a later version of this program. */
  | 'LOG_FOREIGN'
  /** Both copies of term and vote are unreadable. */
  | 'HARD_STATE_CORRUPT'
  | 'FSYNC_FAILED'
  | 'LOG_CLOSED';

export class LogError extends Error {
  override readonly name = 'LogError';
  readonly code: LogErrorCode;
  readonly retryable = false;

  constructor(code: LogErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
