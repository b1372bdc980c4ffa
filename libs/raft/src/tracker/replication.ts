/**
 * Sends a leader's log to its followers (thesis 3.5, 10.2.1): appends as long as there is room, loads
 * from the driver what is no longer in memory, and the base when a follower is behind it.
 *
 * Appends are not sent when an entry is proposed but when a `Ready` is taken: everything proposed in
 * one turn of the driver travels together, with the newest commit index.
 */
import { logIndex, type LogPosition, type NodeId } from '@kvstore/std';
import { fitting, type Entry } from '../entry.ts';
import { addressTo, type ReplicaState } from '../replica-state.ts';
import type { Progress } from './progress.ts';
import type { Tracker } from './tracker.ts';

export class Replication {
  readonly #state: ReplicaState;
  readonly #tracker: Tracker;

  constructor(state: ReplicaState, tracker: Tracker) {
    this.#state = state;
    this.#tracker = tracker;
  }

  get hasWork(): boolean {
    const { last } = this.#state.log;
    for (const progress of this.#tracker.followers) {
      if (progress.wantsAppend(last.index)) return true;
    }
    return false;
  }

  work(): void {
    for (const progress of this.#tracker.followers) this.#replicateTo(progress);
  }

  /** Entries from disk that a follower waits for; ignored when it no longer does. */
  onLoaded(to: NodeId, previous: LogPosition, entries: readonly Entry[]): void {
    const progress = this.#tracker.of(to);
    if (progress === undefined || !progress.finishLoading(logIndex(previous.index + 1))) return;
    // Asked for by an earlier leadership, it may be of a log that was overwritten since.
    if (!this.#isOurs(previous) || !entries.every((entry) => this.#isOurs(entry))) return;
    this.#sendAppend(progress, previous, fitting(entries, this.#state.config.appendBytesMax));
  }

  /** The log was cut: what was to be loaded from below will not come. */
  onCut(): void {
    const { index } = this.#state.log.base.position;
    for (const progress of this.#tracker.followers) progress.stopLoading(index);
  }

  #replicateTo(progress: Progress): void {
    const { log, config, outbox } = this.#state;
    while (progress.wantsAppend(log.last.index)) {
      const next = progress.nextIndex;
      if (next <= log.base.position.index) {
        this.#sendBase(progress);
        return;
      }
      const previous = progress.previous ?? log.positionAt(logIndex(next - 1));
      const wantsEntries = next <= log.last.index && progress.hasRoom;
      if (previous === undefined || (wantsEntries && log.entryAt(next) === undefined)) {
        const from = progress.startLoading();
        outbox.load({ to: progress.node, from, maxBytes: config.appendBytesMax });
        return;
      }
      const entries = wantsEntries ? log.entriesFrom(next, config.appendBytesMax) : [];
      this.#sendAppend(progress, previous, entries);
    }
  }

  #sendAppend(progress: Progress, previous: LogPosition, entries: readonly Entry[]): void {
    const { config, hardState, log, outbox } = this.#state;
    outbox.send({
      kind: 'append-request',
      from: config.id,
      to: progress.node,
      term: hardState.term,
      previousIndex: previous.index,
      previousTerm: previous.term,
      previousChain: previous.chain,
      entries,
      commitIndex: log.commitIndex,
    });
    progress.sent(previous, entries);
  }

  #sendBase(progress: Progress): void {
    const { log, outbox } = this.#state;
    const { base } = log;
    outbox.send({ kind: 'base-request', ...addressTo(this.#state, progress.node), base });
    progress.sentBase(base.position.index);
  }

  #isOurs(position: LogPosition | Entry): boolean {
    return this.#state.log.termAt(position.index) === position.term;
  }
}
