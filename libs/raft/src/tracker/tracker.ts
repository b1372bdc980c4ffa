/**
 * The progress of everybody a leader sends its log to: voters of both halves and learners. Follows
 * the configuration in force; whoever leaves it is forgotten, with all that is under way.
 */
import type { LogIndex, NodeId } from '@kvstore/std';
import { replicasOf, type Configuration } from '../membership/configuration.ts';
import type { RaftConfig } from '../raft-config.ts';
import { Progress } from './progress.ts';

export class Tracker {
  readonly #config: RaftConfig;
  readonly #followers = new Map<NodeId, Progress>();

  constructor(config: RaftConfig) {
    this.#config = config;
  }

  get followers(): Iterable<Progress> {
    return this.#followers.values();
  }

  of(node: NodeId): Progress | undefined {
    return this.#followers.get(node);
  }

  /** New members are probed from `next` on, as if heard at `tick`. */
  follow(configuration: Configuration, next: LogIndex, tick: number): void {
    const replicas = replicasOf(configuration);
    for (const node of this.#followers.keys()) {
      if (!replicas.includes(node)) this.#followers.delete(node);
    }
    for (const node of replicas) {
      if (node === this.#config.id || this.#followers.has(node)) continue;
      this.#followers.set(node, new Progress(node, next, tick, this.#config));
    }
  }

  isActive(node: NodeId, tick: number): boolean {
    if (node === this.#config.id) return true;
    const progress = this.#followers.get(node);
    return progress !== undefined && tick - progress.contactTick < this.#config.electionTicks;
  }
}
