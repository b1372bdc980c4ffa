/**
 * Closes the gap between what this replica has applied and what it knows to be committed.
 *
 * Live entries may be lost. When the target is above what is applied and nothing was applied for
 * `PATIENCE_MS`, entries are pulled: from the consensus of the own node, then from the others in
 * turn, then from the archived log, with a pause after a full round without success.
 */
import {
  type Bus,
  BusError,
  ConsensusOperation,
  decodePullReply,
  encodePull,
  type FrameCodec,
  FrameKind,
  Limits,
  type LogEntry,
  type Subjects,
} from '@kvstore/contract';
import { logIndex, type LogIndex, type NodeId, term, type Timers } from '@kvstore/std';
import type { EntryArchive } from './entry-archive.ts';

export interface CatchUpOptions {
  /** To begin with, the own node first; marks tell who they are from then on. */
  readonly nodes: readonly NodeId[];
  readonly archive: EntryArchive | undefined;
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly timers: Timers;
  readonly applied: () => LogIndex;
  /** Applies pulled entries in order; resolves when there is room for more. */
  readonly offer: (entries: readonly LogEntry[]) => Promise<void>;
  readonly onFatal: (error: unknown) => void;
}

const PATIENCE_MS = 5;
/** A lost pull costs this much; a slow disk answers a repeated one all the same. */
const PULL_TIMEOUT_MS = 200;
const PAUSE_MS = 50;

export class CatchUp {
  readonly #options: CatchUpOptions;
  /** The own node first. */
  #nodes: readonly NodeId[];
  #target: LogIndex = logIndex(0);
  #armedAt: LogIndex | undefined;
  #pulling = false;
  #source = 0;
  #stopped = false;
  /** Of the archived log, from the newest mark; 0: none. */
  #epoch = 0;
  pulls = 0;
  archiveReads = 0;

  constructor(options: CatchUpOptions) {
    this.#options = options;
    this.#nodes = options.nodes;
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

  /** What a mark says: whose consensus can be asked. */
  heardMembers(members: readonly NodeId[]): void {
    const own = this.#options.nodes.slice(0, 1);
    this.#nodes = [...own, ...members.filter((node) => !own.includes(node))];
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
    if (applied !== armedAt) {
      this.#arm(PATIENCE_MS);
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
    while (!this.#stopped && this.#options.applied() < this.#target) {
      const before = this.#options.applied();
      await this.#pullOnce(logIndex(before + 1));
      if (this.#options.applied() > before) {
        fruitless = 0;
        continue;
      }
      this.#source = (this.#source + 1) % this.#sources;
      fruitless += 1;
      if (fruitless >= this.#sources) return;
    }
  }

  /** The consensus nodes, and behind them the archive. */
  get #sources(): number {
    const { archive } = this.#options;
    return this.#nodes.length + (archive === undefined || this.#epoch === 0 ? 0 : 1);
  }

  async #pullOnce(from: LogIndex): Promise<void> {
    const { archive, offer } = this.#options;
    const node = this.#nodes[this.#source];
    if (node !== undefined) {
      this.pulls += 1;
      await offer(await this.#pullFrom(node, from));
    } else if (archive !== undefined) {
      this.archiveReads += 1;
      await offer(await archive.read(this.#epoch, from, Limits.entryBytesMax));
    }
  }

  async #pullFrom(node: NodeId, from: LogIndex): Promise<readonly LogEntry[]> {
    const { bus, frames, subjects } = this.#options;
    const body = encodePull({ from, maxBytes: Limits.entryBytesMax });
    const subject = subjects.consensus(node, ConsensusOperation.pull);
    try {
      const frame = frames.seal(FrameKind.pull, term(0), body);
      const answer = await bus.request(subject, frame, PULL_TIMEOUT_MS);
      return frames.receive(answer, FrameKind.pullReply, decodePullReply)?.body.entries ?? [];
    } catch (error) {
      if (error instanceof BusError) return [];
      throw error;
    }
  }
}
