/**
 * Gets a snapshot from whichever other storage has one to give: one after the other, the one with the
 * highest durable index first; whoever failed lately comes last. One attempt at a time.
 */
import { type Clock, logIndex, type LogIndex, type NodeId, type Timers } from '@kvstore/std';
import { ReceiveOutcome, type SnapshotReceiver } from './snapshot-receiver.ts';
import type { StoragePeers } from './storage-peers.ts';

export interface RebuildOptions {
  readonly peers: StoragePeers;
  readonly receiver: SnapshotReceiver;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly clusterTag: () => number | undefined;
  readonly applied: () => LogIndex;
  readonly onInstalled: (source: NodeId) => void;
}

/** Between two attempts; as long as nobody has what is needed this storage waits. */
const PAUSE_MS = 1_000;
const FAILED_LATELY_MS = 10_000;

export class Rebuild {
  /** Attempts by how they ended. */
  readonly outcomes = new Map<ReceiveOutcome, number>(
    Object.values(ReceiveOutcome).map((outcome) => [outcome, 0]),
  );
  /** Times that no storage had what is needed. */
  waits = 0;
  readonly #options: RebuildOptions;
  readonly #failedAtMs = new Map<NodeId, number>();
  #last: Promise<unknown> = Promise.resolve();
  #runs = 0;
  #stopped = false;

  constructor(options: RebuildOptions) {
    this.#options = options;
  }

  /** Whether an attempt is under way. */
  get isRunning(): boolean {
    return this.#runs > 0;
  }

  /** Resolves when no attempt runs. */
  async idle(): Promise<void> {
    await this.#last;
  }

  stop(): void {
    this.#stopped = true;
    this.#options.receiver.giveUp();
  }

  /** An attempt that is under way is given up at its next step. */
  giveUp(): void {
    this.#options.receiver.giveUp();
  }

  /**
   * Asks every source once. Resolves with whether a snapshot at or above `minIndex` was installed, after
   * a pause when not. An attempt that is under way is given up first. Rejects when the process must stop.
   */
  attempt(minIndex: LogIndex): Promise<boolean> {
    this.#options.receiver.giveUp();
    this.#runs += 1;
    const attempt = this.#last
      .then(() => this.#attempt(minIndex))
      .finally(() => {
        this.#runs -= 1;
      });
    this.#last = attempt.catch(() => undefined);
    return attempt;
  }

  async #attempt(from: LogIndex): Promise<boolean> {
    const { peers, receiver, clock, clusterTag, applied } = this.#options;
    // What stands no further than this storage is of no use to it.
    const minIndex = logIndex(Math.max(from, applied() + 1));
    const sources = this.#inTurn(peers.sources(minIndex, clock.monotonicMs()));
    if (sources.length === 0) this.waits += 1;
    for (const source of sources) {
      const tag = clusterTag();
      if (this.#stopped || tag === undefined) break;
      const outcome = await receiver.receive(source, tag, minIndex);
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
      if (outcome === ReceiveOutcome.installed) {
        this.#options.onInstalled(source);
        return true;
      }
      if (outcome === ReceiveOutcome.givenUp) return false;
      this.#failedAtMs.set(source, clock.monotonicMs());
      // Why: no other source brings room.
      if (outcome === ReceiveOutcome.noSpace) break;
    }
    if (!this.#stopped) await this.#pause();
    return false;
  }

  #inTurn(sources: readonly NodeId[]): readonly NodeId[] {
    const now = this.#options.clock.monotonicMs();
    const failed = (node: NodeId): number => {
      const at = this.#failedAtMs.get(node);
      return at === undefined || now - at > FAILED_LATELY_MS ? 0 : at;
    };
    return sources.toSorted((a, b) => failed(a) - failed(b));
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#options.timers.after(PAUSE_MS, resolve));
  }
}
