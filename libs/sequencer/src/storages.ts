/**
 * What the storages of the voters last said in their beacons, as the leader uses it: when the next
 * clock entry is due, and whether they fall so far behind that proposals must wait.
 */
import type { Beacon } from '@kvstore/contract';
import type { LogIndex, LogTimeMs, NodeId } from '@kvstore/std';

interface Heard {
  readonly beacon: Beacon;
  readonly atMs: number;
}

const FRESH_MS = 1_000;

export class Storages {
  readonly #voters: readonly NodeId[];
  readonly #heard = new Map<NodeId, Heard>();

  constructor(voters: readonly NodeId[]) {
    this.#voters = voters;
  }

  hear(node: NodeId, beacon: Beacon, nowMs: number): void {
    if (this.#voters.includes(node)) this.#heard.set(node, { beacon, atMs: nowMs });
  }

  /** Applied index of the median voting storage: a majority has applied at least this much. */
  medianApplied(): LogIndex | undefined {
    const applied = [...this.#heard.values()].map((heard) => heard.beacon.applied);
    const majority = Math.floor(this.#voters.length / 2) + 1;
    if (applied.length < majority) return undefined;
    applied.sort((a, b) => b - a);
    return applied[majority - 1];
  }

  /**
   * Whether a clock entry is needed at log time `now`: 'due' when a storage that has applied the
   * last one says that something expires by now, 'unheard' when no storage has been heard lately.
   */
  expiry(now: LogTimeMs, lastClockEntry: LogIndex, nowMs: number): 'due' | 'unheard' | 'idle' {
    let heard = false;
    for (const { beacon, atMs } of this.#heard.values()) {
      if (nowMs - atMs > FRESH_MS) continue;
      heard = true;
      const due = beacon.nextDue !== undefined && beacon.nextDue <= now;
      if (due && beacon.applied >= lastClockEntry) return 'due';
    }
    return heard ? 'idle' : 'unheard';
  }
}
