/**
 * The committed part of the log, for storages that pull and for the archiver: from memory where it is
 * there, else from this disk. Never more than what is committed and durable here: after a restart
 * nothing, until a leader tells the commit.
 */
import { Limits, type PullReply } from '@kvstore/contract';
import type { Entry, RaftNode } from '@kvstore/raft';
import { logIndex, type LogIndex } from '@kvstore/std';
import { RECORD_OVERHEAD_BYTES } from './log-room.ts';
import type { LogStore } from './log-store.ts';

export class CommittedLog {
  readonly #log: LogStore;
  readonly #raft: RaftNode;

  constructor(log: LogStore, raft: RaftNode) {
    this.#log = log;
    this.#raft = raft;
  }

  /** As many entries from `from` on as fit one frame; at least one when there is one. */
  async read(from: LogIndex, maxBytes: number): Promise<Omit<PullReply, 'clusterTag'>> {
    // Why also durable: while a conflicting suffix waits to be replaced on disk, the log still
    // holds the old one, and the new one may be committed already.
    const status = this.#raft.status();
    const commitIndex = logIndex(Math.min(status.commitIndex, status.durableIndex));
    const firstIndex = logIndex(status.baseIndex + 1);
    if (from > commitIndex) return { commitIndex, firstIndex, entries: [] };
    // Why memory first: what is asked for is nearly always what has just been committed.
    const recent = this.#raft.entriesFrom(from, maxBytes);
    const stored = recent.length > 0 ? recent : await this.#log.read(from, maxBytes);
    const entries = withinFrame(stored.filter(({ index }) => index <= commitIndex));
    return { commitIndex, firstIndex, entries };
  }
}

/** The first entries that fit one frame; at least one when there is one. */
function withinFrame(entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0;
  let count = 0;
  for (const entry of entries) {
    bytes += entry.body.length + RECORD_OVERHEAD_BYTES;
    if (count > 0 && bytes > Limits.entryBytesMax) break;
    count += 1;
  }
  return entries.slice(0, count);
}
