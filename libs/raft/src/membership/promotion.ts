/**
 * When a learner is ready to vote: judgement, once per tick of the leader. Joining ones are promoted by it,
 * others only when they are told to.
 *
 * Its log has caught up when a round was short (thesis 4.2.1): everything the leader had when the
 * round began was acknowledged within one election timeout. Its storage has when it holds the
 * change point durably, as the driver reports it; else a majority could come to lack what logs no longer hold.
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
    const { joining, learners } = this.#state.membership.configuration;
    const all = [...joining, ...learners];
    for (const node of this.#rounds.keys()) if (!all.includes(node)) this.#rounds.delete(node);
    const caughtUp = all.filter((node) => this.#watchLog(node, tick));
    return caughtUp.filter((node) => joining.includes(node) && this.#hasStorage(node));
  }

  /** What a learner lacks, as of the last tick; undefined when it may vote. */
  lackOf(node: NodeId): 'log-behind' | 'storage-behind' | undefined {
    if (this.#rounds.get(node)?.followsShort !== true) return 'log-behind';
    return this.#hasStorage(node) ? undefined : 'storage-behind';
  }

  #watchLog(node: NodeId, tick: number): boolean {
    const { config, log } = this.#state;
    const match = this.#tracker.of(node)?.matchIndex ?? 0;
    const round = this.#rounds.get(node);
    const isShort = round !== undefined && tick - round.beganAtTick < config.electionTicks;
    if (round === undefined || match >= round.target) {
      const followsShort = isShort && this.#tracker.isActive(node, tick);
      this.#rounds.set(node, { target: log.last.index, beganAtTick: tick, followsShort });
      return followsShort;
    }
    if (!isShort) this.#rounds.set(node, { ...round, followsShort: false });
    return round.followsShort && isShort;
  }

  #hasStorage(node: NodeId): boolean {
    const { membership, log } = this.#state;
    return membership.storageOf(node) >= membership.changePoint(log);
  }
}
