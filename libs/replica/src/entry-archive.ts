/** Where committed entries can be read when no consensus replica serves them: KV_LOG. */
import type { LogEntry } from '@kvstore/contract';
import type { LogIndex } from '@kvstore/std';

export interface EntryArchive {
  /**
   * Entries of the stream of `epoch`, in order, the first exactly at `from`, of about `maxBytes`.
   * Empty when the archive does not have it or cannot be reached.
   */
  read(epoch: number, from: LogIndex, maxBytes: number): Promise<readonly LogEntry[]>;
}
