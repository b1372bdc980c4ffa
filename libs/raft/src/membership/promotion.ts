/**
 * When a joining learner is ready to vote: judgement, once per tick of the leader.
 *
 * Its log has caught up when a round was short (thesis 4.2.1): everything the leader had when the
 * round began was acknowledged within one election timeout. Its storage has when it holds the cut
 * point durably, as the driver reports it; else a majority could come to lack what logs no longer hold.
 */
import type { LogIndex, NodeId } from '@kvstore/std';
import type { ReplicaState } from '../replica-state.ts';
import type { Tracker } from '../tracker/tracker.ts';

interface Round {
  readonly target: LogIndex;
  readonly beganAtTick: number;
  /** The round before this one was short. */
  readonly followsShort: boolean;
}

export class Promotion {
  readonly #state: ReplicaState;
  readonly #tracker: Tracker;
  readonly #rounds = new Map<NodeId, Round>();

  constructor(state: ReplicaState, tracker: Tracker) {
    this.#state = state;
    this.#tracker = tracker;
  }

  /** Joining learners that are ready now. */
  ready(tick: number): readonly NodeId[] {
    const { joining } = this.#state.membership.configuration;
    for (const node of this.#rounds.keys()) if (!joining.includes(node)) this.#rounds.delete(node);
    return joining.filter((node) => this.#hasLog(node, tick) && this.#hasStorage(node));
  }

  #hasLog(node: NodeId, tick: number): boolean {
    const { config, log } = this.#state;
    const match = this.#tracker.of(node)?.matchIndex ?? 0;
    const round = this.#rounds.get(node);
    const isShort = round !== undefined && tick - round.beganAtTick < config.electionTicks;
    if (round === undefined || match >= round.target) {
      const followsShort = isShort && this.#tracker.isActive(node, tick);
      this.#rounds.set(node, { target: log.last.index, beganAtTick: tick, followsShort });
      return followsShort;
    }
    return round.followsShort && isShort;
  }

  #hasStorage(node: NodeId): boolean {
    const { membership, log } = this.#state;
    return membership.storageOf(node) >= membership.cutPoint(log);
  }
}
