/**
 * Cuts the log at its beginning (design, section 5, "Cutting the log").
 *
 * Invariants
 *   1. nothing is cut off above the cut point that a leader has told, or above what is committed or durable
 *      here
 *   2. what a lagging follower or storage, one that receives a snapshot, or the archiver still needs stays,
 *      until more than `logLagBytesMax` is kept for it; then it is overtaken, and an operator is told
 *   3. the core is cut first, then the base is made durable, then files are given back
 * Every replica cuts for itself, with what it knows: the leader knows its followers and the archiver
 * and tells the latter's cursor in its marks; beacons tell everybody of storages.
 */
import { decodeEntryHeader } from '@kvstore/contract';
import type { RaftNode } from '@kvstore/raft';
import { logIndex, type LogIndex, type NodeId } from '@kvstore/std';
import { encodeBaseNote } from './log-base-codec.ts';
import type { LogStore } from './log-store.ts';
import type { SequencerConfig } from './sequencer-options.ts';
import type { SequencerCounters, SequencerNotice } from './sequencer-report.ts';
import type { Storages } from './storages.ts';

/** Somebody who has to read the log from an entry on. */
export interface LogReader {
  readonly kind: 'archive' | 'consensus' | 'storage' | 'snapshot';
  readonly node: NodeId | undefined;
  readonly needs: LogIndex;
}

export interface LogCutterOptions {
  readonly node: NodeId;
  readonly raft: RaftNode;
  readonly log: LogStore;
  readonly storages: Storages;
  readonly config: SequencerConfig;
  readonly counters: SequencerCounters;
  readonly onNotice: (notice: SequencerNotice) => void;
  readonly onError: (error: unknown) => void;
}

export class LogCutter {
  readonly #options: LogCutterOptions;
  /** The highest that a leader has told. */
  #cutPoint: LogIndex = logIndex(0);
  #archiveFrom: LogIndex = logIndex(0);
  readonly #overtaken = new Set<string>();
  #isFull = false;
  #isCutting = false;
  #nextAtMs = 0;

  constructor(options: LogCutterOptions) {
    this.#options = options;
  }

  /** The first entry that the archive of the log needs, as far as is known here; 0: nobody archives. */
  get archiveFrom(): LogIndex {
    return this.#archiveFrom;
  }

  archived(from: LogIndex): void {
    this.#archiveFrom = from;
  }

  /** A leader, maybe this one, told this in a mark. */
  told(cutPoint: LogIndex, archiveFrom: LogIndex): void {
    // Why the highest: what a majority of storages holds they hold for ever, and so does whatever majority
    // takes their place: leaders judge changes by what earlier ones may have told (`changePoint` of the core).
    if (cutPoint > this.#cutPoint) this.#cutPoint = cutPoint;
    this.#archiveFrom = archiveFrom;
  }

  /** Looks once per `cutPeriodMs` for something to cut off; `commitIndex` was handed out by the core. */
  tick(nowMs: number, commitIndex: LogIndex): void {
    if (this.#isCutting || nowMs < this.#nextAtMs) return;
    const { config, log, raft } = this.#options;
    this.#nextAtMs = nowMs + config.cutPeriodMs;
    const readers = this.#readers(nowMs);
    const index = cutIndex(log, config, this.#limit(commitIndex), readers);
    const beginsAt = logIndex((index ?? raft.status().baseIndex) + 1);
    for (const reader of readers) this.#judge(reader, beginsAt);
    this.#watchSize(index !== undefined);
    if (index === undefined) return;
    this.#isCutting = true;
    void this.#cut(index)
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => {
        this.#isCutting = false;
      });
  }

  #limit(commitIndex: LogIndex): LogIndex {
    return logIndex(Math.min(this.#cutPoint, commitIndex, this.#options.raft.durableIndex));
  }

  #readers(nowMs: number): LogReader[] {
    const { node, raft, storages } = this.#options;
    const { baseIndex, progress } = raft.status();
    // Of whom nothing is known needs all that there is.
    const everything = logIndex(baseIndex + 1);
    const readers: LogReader[] = [];
    if (this.#archiveFrom > 0) {
      readers.push({ kind: 'archive', node: undefined, needs: this.#archiveFrom });
    }
    for (const { node: follower, matchIndex } of progress) {
      const needs = matchIndex === 0 ? everything : logIndex(matchIndex + 1);
      if (follower !== node) readers.push({ kind: 'consensus', node: follower, needs });
    }
    for (const [storage, needs = everything] of storages.needs()) {
      readers.push({ kind: 'storage', node: storage, needs });
    }
    for (const [storage, needs] of storages.holds(nowMs)) {
      readers.push({ kind: 'snapshot', node: storage, needs });
    }
    return readers;
  }

  /** Reads what stands there, cuts the core, then the log. */
  async #cut(index: LogIndex): Promise<void> {
    const { log, raft, counters } = this.#options;
    const [entry] = await log.read(index, 0);
    // Another base may have been put in place while the entry was read.
    const isVoid = index <= raft.status().baseIndex || index > raft.durableIndex;
    if (entry === undefined || entry.index !== index || isVoid) return;
    const { term, chain } = entry;
    const note = encodeBaseNote(decodeEntryHeader(entry.body));
    await log.cut(raft.cutLog({ index, term, chain }, note));
    counters.logCuts += 1;
  }

  #judge({ kind, node, needs }: LogReader, beginsAt: LogIndex): void {
    const who = `${kind} ${node}`;
    if (needs >= beginsAt) {
      this.#overtaken.delete(who);
      return;
    }
    if (this.#overtaken.has(who)) return;
    this.#overtaken.add(who);
    this.#options.counters.readersOvertaken += 1;
    this.#options.onNotice({ kind: 'overtaken', reader: kind, node, needs, beginsAt });
  }

  #watchSize(canCut: boolean): void {
    const { log, config } = this.#options;
    const isFull = log.sizeBytes >= config.logBytesMax && !canCut;
    if (isFull && !this.#isFull) {
      this.#options.onNotice({ kind: 'log-full', bytes: log.sizeBytes, cutPoint: this.#cutPoint });
    }
    this.#isFull = isFull;
  }
}

/**
 * Where to cut: so that the reserve stays and whatever is needed by somebody, or, when that holds
 * back too much, so that `logLagBytesMax` stays.
 */
export function cutIndex(
  log: Pick<LogStore, 'cutPlace'>,
  { logReserveBytes, logLagBytesMax }: SequencerConfig,
  limit: LogIndex,
  readers: readonly LogReader[],
): LogIndex | undefined {
  const needed = Math.min(...readers.map(({ needs }) => needs));
  const unneeded = logIndex(Math.max(0, Math.min(limit, needed - 1)));
  const kind = log.cutPlace(unneeded, logReserveBytes);
  const hard = log.cutPlace(limit, Math.max(logReserveBytes, logLagBytesMax));
  return hard === undefined || (kind !== undefined && kind > hard) ? kind : hard;
}
