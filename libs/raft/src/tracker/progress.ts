/**
 * A follower as its leader sees it (thesis 3.5, 10.2.1; etcd's `tracker.Progress`).
 *
 *   probe      where the logs agree is not known: one append at a time, `next` moves by answers
 *   replicate  it is known: appends are pipelined, `next` runs ahead of the answers
 *   loading    either of them, waiting for entries from the driver: nothing is sent
 *
 * Invariants
 *   1. match < next; match never goes down within a leadership
 *   2. in probe, at most one append is in flight until an answer or a heartbeat response
 *   3. bytes in flight are at most `inflightBytesMax`, but for one entry above `appendBytesMax`
 * All transitions happen here; the leader only asks and reports.
 */
import { assert, logIndex, type LogIndex, type LogPosition, type NodeId } from '@kvstore/std';
import { entryBytes, positionOf, type Entry } from '../entry.ts';
import { Inflights, type InflightLimits } from './inflights.ts';

export class Progress {
  readonly node: NodeId;
  readonly #inflights: Inflights;
  #mode: 'probe' | 'replicate' = 'probe';
  #matchIndex = logIndex(0);
  #nextIndex: LogIndex;
  /** The position before `next` when an append told it; else the log may know. */
  #previous: LogPosition | undefined;
  /** An append is owed even without entries: to find the match, or what became of lost appends. */
  #owesAppend = true;
  #loadingFrom: LogIndex | undefined;
  #contactTick: number;
  #retriedAtTick = -1;
  #confirmedRound = 0;

  constructor(node: NodeId, next: LogIndex, tick: number, limits: InflightLimits) {
    this.node = node;
    this.#nextIndex = next;
    this.#contactTick = tick;
    this.#inflights = new Inflights(limits);
  }

  get matchIndex(): LogIndex {
    return this.#matchIndex;
  }

  get nextIndex(): LogIndex {
    return this.#nextIndex;
  }

  /** The position before `next`, when an append told it. */
  get previous(): LogPosition | undefined {
    return this.#previous;
  }

  /** The newest round of heartbeats that this follower answered. */
  get confirmedRound(): number {
    return this.#confirmedRound;
  }

  /** Tick of the leader at which this follower was last heard. */
  get contactTick(): number {
    return this.#contactTick;
  }

  heard(tick: number): void {
    this.#contactTick = tick;
  }

  /** May another append with entries leave? */
  get hasRoom(): boolean {
    return this.#inflights.hasRoom;
  }

  /** A newer commit index alone is no reason: it rides on the next append or heartbeat. */
  wantsAppend(last: LogIndex): boolean {
    if (this.#loadingFrom !== undefined) return false;
    if (this.#owesAppend) return true;
    if (this.#mode === 'probe') return false;
    return this.#nextIndex <= last && this.hasRoom;
  }

  /** An append left that begins after `previous`. */
  sent(previous: LogPosition, entries: readonly Entry[]): void {
    assert(previous.index + 1 === this.#nextIndex, 'an append does not begin at next');
    this.#owesAppend = false;
    this.#previous = previous;
    const last = entries[entries.length - 1];
    if (this.#mode === 'probe' || last === undefined) return;
    let bytes = 0;
    for (const entry of entries) bytes += entryBytes(entry);
    this.#inflights.add(last.index, bytes);
    this.#previous = positionOf(last);
    this.#nextIndex = logIndex(last.index + 1);
  }

  /** Everything up to `match` is durable there. Returns whether that is news. */
  acknowledged(match: LogIndex): boolean {
    if (match < this.#matchIndex) return false;
    const isNews = match > this.#matchIndex;
    this.#matchIndex = match;
    this.#inflights.release(match);
    // Less than the place that is being probed: an earlier append, or a part of it became durable.
    if (this.#mode === 'probe' && match + 1 >= this.#nextIndex) this.#becomeReplicate();
    else if (match >= this.#nextIndex) this.#moveNext(logIndex(match + 1));
    return isNews;
  }

  /**
   * The append after `rejectedIndex` was refused; the logs agree at `agreedIndex` at the highest.
   * Refusals of anything but what is being tried now are stale: late, or sent twice.
   */
  rejected(rejectedIndex: LogIndex, agreedIndex: LogIndex): void {
    if (rejectedIndex <= this.#matchIndex || rejectedIndex >= this.#nextIndex) return;
    if (this.#mode === 'probe' && rejectedIndex !== this.#nextIndex - 1) return;
    const next = Math.min(rejectedIndex, agreedIndex + 1);
    this.#becomeProbe(logIndex(Math.max(next, this.#matchIndex + 1)));
  }

  /**
   * It answered a heartbeat: what was sent before and is still unanswered may be lost. Once per
   * tick, since read rounds send heartbeats much more often than appends get lost.
   */
  answeredHeartbeat(round: number, last: LogIndex, tick: number): void {
    if (round > this.#confirmedRound) this.#confirmedRound = round;
    if (tick === this.#retriedAtTick) return;
    if (this.#mode === 'replicate' && this.#matchIndex >= last) return;
    this.#retriedAtTick = tick;
    this.#owesAppend = true;
  }

  /** It was sent what stands before the log: like a probe at that place. */
  sentBase(base: LogIndex): void {
    this.#becomeProbe(logIndex(base + 1));
    this.#owesAppend = false;
  }

  /** The log was cut above what is wanted from the driver: it will not be loaded. */
  stopLoading(base: LogIndex): void {
    if (this.#loadingFrom === undefined || this.#loadingFrom > base) return;
    this.#becomeProbe(this.#nextIndex);
  }

  startLoading(): LogIndex {
    this.#loadingFrom = this.#nextIndex;
    return this.#nextIndex;
  }

  /** Entries from `from` arrived. Returns whether they are what this follower waits for. */
  finishLoading(from: LogIndex): boolean {
    if (this.#loadingFrom !== from) return false;
    this.#loadingFrom = undefined;
    return true;
  }

  inspect(): readonly unknown[] {
    const places = [this.#matchIndex, this.#nextIndex, this.#previous, this.#loadingFrom];
    const ticks = [this.#contactTick, this.#retriedAtTick, this.#confirmedRound];
    const inflight = [this.#inflights.count, this.#inflights.bytes];
    return [this.#mode, this.#owesAppend, ...places, ...ticks, ...inflight];
  }

  check(last: LogIndex): void {
    assert(this.#matchIndex < this.#nextIndex, 'match is not below next');
    assert(this.#matchIndex <= last, 'a follower matches more than the leader has');
    assert(this.#nextIndex <= last + 1, 'next is beyond the end of the log');
    this.#inflights.check();
  }

  #becomeReplicate(): void {
    this.#mode = 'replicate';
    this.#moveNext(logIndex(this.#matchIndex + 1));
    this.#owesAppend = false;
  }

  #becomeProbe(next: LogIndex): void {
    this.#mode = 'probe';
    this.#moveNext(next);
    this.#inflights.clear();
    this.#loadingFrom = undefined;
    this.#owesAppend = true;
  }

  #moveNext(next: LogIndex): void {
    if (next === this.#nextIndex) return;
    this.#nextIndex = next;
    this.#previous = undefined;
    this.#loadingFrom = undefined;
  }
}
