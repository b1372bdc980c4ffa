/**
 * What the storages of the members last said in their beacons, as the leader uses it: when the next
 * clock entry is due, whether they fall so far behind that proposals must wait; and what time it is
 * for a majority of the nodes, of which each is told by both its processes. What they hold on disk
 * goes to the core, which knows the quorums.
 */
import type { Beacon } from '@kvstore/contract';
import { logIndex, type LogIndex, type LogTimeMs, type NodeId } from '@kvstore/std';
import type { Members } from './members.ts';

interface Heard {
  readonly beacon: Beacon;
  readonly atMs: number;
}

/** Above two beacons of an idle storage. */
const FRESH_MS = 2_000;
/** How long the log is held for a storage that receives a snapshot and gets no further. */
const HOLD_MS_MAX = 10 * 60_000;

interface Hold {
  readonly needs: LogIndex;
  /** When it first needed the log from there. */
  readonly sinceMs: number;
  readonly atMs: number;
}

export class Storages {
  readonly #members: Members;
  readonly #heard = new Map<NodeId, Heard>();
  readonly #holds = new Map<NodeId, Hold>();
  readonly #walls = new Map<NodeId, { readonly wallMs: number; readonly atMs: number }>();

  constructor(members: Members) {
    this.#members = members;
  }

  hear(node: NodeId, beacon: Beacon, nowMs: number): void {
    if (!this.#isMember(node)) return;
    this.#heard.set(node, { beacon, atMs: nowMs });
    this.#hold(node, beacon.needs, nowMs);
    this.hearWall(node, beacon.wallMs, nowMs);
  }

  /** Whether one of these storages holds less than everything up to `index` durably, as far as is known. */
  isBehind(nodes: readonly NodeId[], index: LogIndex): boolean {
    return nodes.some((node) => (this.#heard.get(node)?.beacon.durable ?? 0) < index);
  }

  /** The wall clock of a node, as it read when it sent what has arrived now. */
  hearWall(node: NodeId, wallMs: number, nowMs: number): void {
    if (this.#isMember(node)) this.#walls.set(node, { wallMs, atMs: nowMs });
  }

  /**
   * The first entry that each member's storage needs which receives a snapshot. One that stays at one entry
   * for longer than ten minutes holds nothing any more.
   */
  *holds(nowMs: number): Generator<readonly [NodeId, LogIndex]> {
    for (const member of this.#members.all) {
      const hold = this.#holds.get(member);
      if (hold === undefined) continue;
      const { needs, sinceMs, atMs } = hold;
      if (nowMs - atMs <= FRESH_MS && nowMs - sinceMs <= HOLD_MS_MAX) yield [member, needs];
    }
  }

  #hold(node: NodeId, needs: LogIndex | undefined, nowMs: number): void {
    if (needs === undefined) {
      this.#holds.delete(node);
      return;
    }
    const held = this.#holds.get(node);
    // Why only a higher one begins anew: what goes back and forth would hold the log for ever.
    const sinceMs = held === undefined || needs > held.needs ? nowMs : held.sinceMs;
    this.#holds.set(node, { needs, sinceMs, atMs: nowMs });
  }

  /**
   * The first entry that the storage of each member still has to read; undefined for one that was not
   * heard. Without those that do not serve: they take a snapshot, and hold the log by their beacons.
   */
  *needs(): Generator<readonly [NodeId, LogIndex | undefined]> {
    for (const member of this.#members.all) {
      const beacon = this.#heard.get(member)?.beacon;
      if (beacon === undefined) yield [member, undefined];
      else if (beacon.healthy) yield [member, logIndex(beacon.durable + 1)];
    }
  }

  /**
   * Applied index of the median voting storage: a majority has applied at least this much. One that does
   * not serve has applied nothing, as what it holds may be of another cluster, or about to be replaced:
   * where a majority is such, nobody could answer what is written. Undefined until enough were heard.
   */
  medianApplied(): LogIndex | undefined {
    const applied = new Map<NodeId, number>();
    for (const [node, { beacon }] of this.#heard) {
      applied.set(node, beacon.healthy ? beacon.applied : 0);
    }
    const reached = this.#members.reachedByMajority(applied);
    return reached === undefined ? undefined : logIndex(reached);
  }

  /**
   * The latest time that a majority of the voters' wall clocks have reached, the own one read now,
   * the others as they were told and as much later as that is ago; undefined without a majority.
   */
  majorityWallMs(own: NodeId, ownWallMs: number, nowMs: number): number | undefined {
    const walls = new Map([[own, ownWallMs]]);
    for (const [node, { wallMs, atMs }] of this.#walls) {
      if (node !== own && nowMs - atMs <= FRESH_MS) walls.set(node, wallMs + (nowMs - atMs));
    }
    return this.#members.reachedByMajority(walls);
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

  /** Also drops what is known of those that are members no more, so that all maps stay bounded. */
  #isMember(node: NodeId): boolean {
    const { all } = this.#members;
    for (const known of [this.#heard, this.#holds, this.#walls]) {
      if (known.size <= all.length) continue;
      for (const each of known.keys()) if (!all.includes(each)) known.delete(each);
    }
    return all.includes(node);
  }
}
