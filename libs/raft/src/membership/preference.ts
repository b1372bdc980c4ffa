/**
 * Priorities by transfer, not by election: anybody who is up to date is elected, and then leadership
 * moves to a voter of higher priority. So a preferred voter that is down, slow or half connected keeps
 * nobody from leading.
 *
 * Hysteresis: the voter must have kept up, tick for tick, for `yieldTicks`, and as long passes between
 * two attempts. A leader that is new has seen nobody keep up yet, so leadership cannot bounce.
 */
import { logIndex, type NodeId } from '@kvstore/std';
import type { ReplicaState } from '../replica-state.ts';
import type { Tracker } from '../tracker/tracker.ts';
import { priorityOf } from './configuration.ts';

export class Preference {
  readonly #state: ReplicaState;
  readonly #tracker: Tracker;
  readonly #keepsUpSince = new Map<NodeId, number>();
  #commitBefore = logIndex(0);

  constructor(state: ReplicaState, tracker: Tracker) {
    this.#state = state;
    this.#tracker = tracker;
  }

  /** The voter that should lead instead, if there is one and it is time. */
  tick(tick: number): NodeId | undefined {
    const { config, membership, log } = this.#state;
    const { configuration } = membership;
    if (config.yieldTicks === 0 || configuration.priorities.length === 0) return undefined;
    let best: NodeId | undefined;
    let bestPriority = priorityOf(configuration, config.id);
    for (const node of configuration.voters) {
      const priority = priorityOf(configuration, node);
      if (!this.#keepsUp(node, tick) || priority <= bestPriority) continue;
      best = node;
      bestPriority = priority;
    }
    this.#commitBefore = log.commitIndex;
    return best;
  }

  /** A transfer begins: whatever comes of it, the next one has to be earned anew. */
  restart(): void {
    this.#keepsUpSince.clear();
  }

  #keepsUp(node: NodeId, tick: number): boolean {
    const progress = this.#tracker.of(node);
    const isBehind = progress === undefined || progress.matchIndex < this.#commitBefore;
    if (isBehind || !this.#tracker.isActive(node, tick)) {
      this.#keepsUpSince.delete(node);
      return false;
    }
    const since = this.#keepsUpSince.get(node) ?? tick;
    this.#keepsUpSince.set(node, since);
    return tick - since >= this.#state.config.yieldTicks;
  }
}
