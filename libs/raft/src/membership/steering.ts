/**
 * A leader's changes of membership (thesis chapter 4).
 *
 * Invariants
 *   1. nothing changes before this leader has committed an entry of its own term
 *   2. one change at a time: the next one waits until the last configuration is committed and simple
 *   3. a joint configuration is left as soon as it is committed, by whoever leads then
 *   4. after a change of voters a quorum of storages holds the change point, or it is refused
 */
import { logIndex, type Term } from '@kvstore/std';
import { EntryKind } from '../entry.ts';
import type { ChangeProposed } from '../raft-status.ts';
import type { ReplicaState } from '../replica-state.ts';
import type { Tracker } from '../tracker/tracker.ts';
import { changed, left, promoted, type Change } from './change.ts';
import { isJoint, type Configuration } from './configuration.ts';
import { Promotion } from './promotion.ts';

export class Steering {
  readonly #state: ReplicaState;
  readonly #tracker: Tracker;
  readonly #term: Term;
  readonly #promotion: Promotion;
  #tick = 0;

  constructor(state: ReplicaState, tracker: Tracker) {
    this.#state = state;
    this.#tracker = tracker;
    this.#term = state.hardState.term;
    this.#promotion = new Promotion(state, tracker);
  }

  tick(tick: number): void {
    this.#tick = tick;
    const ready = this.#promotion.ready(tick);
    if (ready.length === 0) return;
    this.#propose(promoted(this.#state.membership.configuration, ready));
  }

  change(changes: readonly Change[]): ChangeProposed {
    const { configuration } = this.#state.membership;
    const next = changed(configuration, changes);
    const promotions = next === undefined ? [] : changes.filter(({ kind }) => kind === 'promote');
    for (const { node } of promotions) {
      const reason = this.#promotion.lackOf(node);
      if (reason !== undefined) return { kind: 'refused', reason };
    }
    return this.#propose(next);
  }

  /** More of the log is committed. */
  onCommit(): void {
    const { membership, log } = this.#state;
    const { index, configuration } = membership.latest;
    if (isJoint(configuration) && index <= log.commitIndex && this.hasCommitted) {
      this.#append(left(configuration));
    }
  }

  /** An entry of the leader's own term: only then does it know what is committed. */
  get hasCommitted(): boolean {
    const { log } = this.#state;
    return log.termAt(log.commitIndex) === this.#term;
  }

  #propose(next: Configuration | undefined): ChangeProposed {
    const { membership, log } = this.#state;
    const { index, configuration } = membership.latest;
    if (!this.hasCommitted) return { kind: 'refused', reason: 'not-ready' };
    if (index > log.commitIndex || isJoint(configuration)) {
      return { kind: 'refused', reason: 'pending' };
    }
    if (next === undefined) return { kind: 'refused', reason: 'invalid' };
    // Why else nothing: the same voters' storages hold what they held.
    const halves = isJoint(next) ? [next, left(next)] : [];
    if (!halves.every((half) => membership.holdsChangePoint(half, log))) {
      return { kind: 'refused', reason: 'storages-behind' };
    }
    return { kind: 'appended', ...this.#append(next) };
  }

  #append(configuration: Configuration) {
    const { config, log, membership } = this.#state;
    const body = config.configurations.encode(configuration);
    const { index, term } = log.appendNew(this.#term, EntryKind.configuration, body);
    this.#tracker.follow(membership.configuration, logIndex(index + 1), this.#tick);
    return { index, term };
  }
}
