/**
 * Who takes part in the group, as the parts of a sequencer ask: the configuration in force, which is the
 * newest of the log, and the newest one known to be committed. Told by the core, decided there.
 */
import { isJoint, replicasOf, type Configuration, type ConfigurationAt } from '@kvstore/raft';
import type { LogIndex, NodeId } from '@kvstore/std';

export class Members {
  #inForce: ConfigurationAt;
  #committed: ConfigurationAt | undefined;
  #all: readonly NodeId[];

  constructor(inForce: ConfigurationAt) {
    this.#inForce = inForce;
    this.#all = replicasOf(inForce.configuration);
  }

  /** Another configuration came into force, or more of the log is committed. */
  follow(inForce: ConfigurationAt | undefined, commitIndex: LogIndex): void {
    if (inForce !== undefined) {
      this.#inForce = inForce;
      this.#all = replicasOf(inForce.configuration);
    }
    if (commitIndex > 0 && this.#inForce.index <= commitIndex) this.#committed = this.#inForce;
  }

  get inForce(): Configuration {
    return this.#inForce.configuration;
  }

  /** Undefined until a leader has told what is committed. */
  get committed(): ConfigurationAt | undefined {
    return this.#committed;
  }

  /** In force, committed, and no step to another one. */
  get settled(): ConfigurationAt | undefined {
    const isSettled = this.#committed === this.#inForce && !isJoint(this.#inForce.configuration);
    return isSettled ? this.#inForce : undefined;
  }

  /** Everybody who is sent the log. */
  get all(): readonly NodeId[] {
    return this.#all;
  }

  /** Whether anybody else's vote counts: a single voter has nobody to leave the lead to. */
  hasOtherVoters(self: NodeId): boolean {
    const { voters, outgoing } = this.inForce;
    return voters.some((node) => node !== self) || outgoing.some((node) => node !== self);
  }

  /**
   * The highest value that a majority of the voters is at or above, of both configurations while a change
   * takes two; undefined when too few have one.
   */
  reachedByMajority(values: ReadonlyMap<NodeId, number>): number | undefined {
    const { voters, outgoing } = this.inForce;
    const reached = reachedBy(voters, values);
    if (outgoing.length === 0 || reached === undefined) return reached;
    const before = reachedBy(outgoing, values);
    return before === undefined ? undefined : Math.min(reached, before);
  }
}

function reachedBy(
  voters: readonly NodeId[],
  values: ReadonlyMap<NodeId, number>,
): number | undefined {
  const known = voters.flatMap((voter) => values.get(voter) ?? []);
  return known.sort((a, b) => b - a)[Math.floor(voters.length / 2)];
}
