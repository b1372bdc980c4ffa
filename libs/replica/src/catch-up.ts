/**
 * Closes the gap between what this replica has applied and what it knows to be committed.
 *
 * Live entries may be lost. When the target is above what is applied and nothing was applied for
 * `PATIENCE_MS`, entries are pulled: from the consensus of the own node, then from the others in
 * turn, then from the archived log, with a pause after a full round without success. When two rounds
 * end so, and consensus says that its log begins above what is needed, a snapshot is asked for.
 */
import { Limits, type LogEntry } from '@kvstore/contract';
import { logIndex, type LogIndex, type NodeId, type Timers } from '@kvstore/std';
import type { ConsensusPulls } from './consensus-pulls.ts';
import type { EntryArchive } from './entry-archive.ts';

export interface CatchUpOptions {
  readonly pulls: ConsensusPulls;
  readonly archive: EntryArchive | undefined;
  readonly timers: Timers;
  readonly applied: () => LogIndex;
  /** Nothing is pulled while this is true. */
  readonly paused: () => boolean;
  /** Applies entries of `node`, or of the archive, in order; resolves when there is room for more. */
  readonly offer: (entries: readonly LogEntry[], node: NodeId | undefined) => Promise<void>;
  /**
   * The log was cut: it begins at `firstIndex`, above what is needed. Resolves when a snapshot has been
   * installed, or could not be had for now.
   */
  readonly overtaken: (firstIndex: LogIndex) => Promise<void>;
  readonly onFatal: (error: unknown) => void;
}

const PATIENCE_MS = 5;
const PAUSE_MS = 50;
/** Rounds without success after which a log that was cut is believed to be. */
const CUT_ROUNDS = 2;

export class CatchUp {
  readonly #options: CatchUpOptions;
  #target: LogIndex = logIndex(0);
  #armedAt: LogIndex | undefined;
  #pulling = false;
  #source = 0;
  #stopped = false;
  /** Rounds in a row that found the log cut. */
  #cutRounds = 0;
  /** Of the archived log, from the newest mark; 0: none. */
  #epoch = 0;
  archiveReads = 0;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** The highest index that is known to be committed. */
  get target(): LogIndex {
    return this.#target;
  }

  /** Committed at least up to `index`: the replica has to get there. */
  need(index: LogIndex): void {
    if (index > this.#target) this.#target = index;
    if (this.#target <= this.#options.applied() || this.#armedAt !== undefined || this.#pulling) {
      return;
    }
    this.#arm(PATIENCE_MS);
  }

  /** What a mark says: the archive's newest epoch. */
  heardEpoch(epoch: number): void {
    if (epoch > this.#epoch) this.#epoch = epoch;
  }

  /** The first entry that anybody still has of the log; undefined when nobody says so. */
  async firstIndex(): Promise<LogIndex | undefined> {
    const { pulls, archive } = this.#options;
    const start = logIndex(1);
    let first: LogIndex | undefined;
    for (const node of pulls.nodes) {
      const reply = await pulls.pull(node, start, 1);
      if (reply === undefined) continue;
      if (reply.entries[0]?.index === start) return start;
      // Why not if it is the start: who has only just joined has nothing yet.
      const { firstIndex } = reply;
      if (firstIndex > start && (first === undefined || firstIndex < first)) first = firstIndex;
    }
    if (archive === undefined || this.#epoch === 0) return first;
    this.archiveReads += 1;
    const [archived] = await archive.read(this.#epoch, start, 1);
    return archived?.index === start ? start : first;
  }

  stop(): void {
    this.#stopped = true;
  }

  #arm(delayMs: number): void {
    this.#armedAt = this.#options.applied();
    this.#options.timers.after(delayMs, () => this.#check());
  }

  #check(): void {
    const armedAt = this.#armedAt;
    this.#armedAt = undefined;
    const applied = this.#options.applied();
    if (this.#stopped || applied >= this.#target) return;
    if (applied !== armedAt || this.#options.paused()) {
      this.#arm(applied !== armedAt ? PATIENCE_MS : PAUSE_MS);
      return;
    }
    this.#pulling = true;
    this.#pullAll()
      .catch((error: unknown) => {
        if (!this.#stopped) this.#options.onFatal(error);
      })
      .finally(() => {
        this.#pulling = false;
        if (!this.#stopped && this.#options.applied() < this.#target) this.#arm(PAUSE_MS);
      });
  }

  /** Pulls until the target is reached or no source has more. */
  async #pullAll(): Promise<void> {
    let fruitless = 0;
    let cutAt: LogIndex | undefined;
    while (!this.#stopped && !this.#options.paused() && this.#options.applied() < this.#target) {
      const before = this.#options.applied();
      const firstIndex = await this.#pullOnce(logIndex(before + 1));
      if (this.#options.applied() !== before) {
        fruitless = 0;
        cutAt = undefined;
        this.#cutRounds = 0;
        continue;
      }
      const isCut = firstIndex !== undefined && firstIndex > before + 1;
      if (isCut && (cutAt === undefined || firstIndex < cutAt)) cutAt = firstIndex;
      this.#source = (this.#source + 1) % this.#sources;
      fruitless += 1;
      if (fruitless >= this.#sources) return this.#endRound(cutAt);
    }
  }

  /** Why not at once: who could serve the entry may just have started, and learn what is committed. */
  async #endRound(cutAt: LogIndex | undefined): Promise<void> {
    this.#cutRounds = cutAt === undefined ? 0 : this.#cutRounds + 1;
    if (cutAt === undefined || this.#cutRounds < CUT_ROUNDS) return;
    this.#cutRounds = 0;
    await this.#options.overtaken(cutAt);
  }

  /** The consensus nodes, and behind them the archive. */
  get #sources(): number {
    const { pulls, archive } = this.#options;
    return pulls.nodes.length + (archive === undefined || this.#epoch === 0 ? 0 : 1);
  }

  /** Returns the first entry that the log of whoever was asked still holds, if it says so. */
  async #pullOnce(from: LogIndex): Promise<LogIndex | undefined> {
    const { pulls, archive, offer } = this.#options;
    const node = pulls.nodes[this.#source];
    if (node !== undefined) {
      const reply = await pulls.pull(node, from, Limits.entryBytesMax);
      if (reply !== undefined) await offer(reply.entries, node);
      return reply?.firstIndex;
    }
    if (archive !== undefined) {
      this.archiveReads += 1;
      await offer(await archive.read(this.#epoch, from, Limits.entryBytesMax), undefined);
    }
    return undefined;
  }
}
