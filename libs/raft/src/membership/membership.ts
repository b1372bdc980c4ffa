/**
 * Who is who, as far as this replica's log tells, and what their storages hold, as far as the driver
 * was told. Answers questions; it changes only with the log and by `storageDurable`.
 *
 * Invariants
 *   1. the newest configuration of the log is in force, committed or not (thesis 4.1)
 *   2. nothing that a member sends counts once its removal is committed here
 *   3. the cut point never goes down while this replica leads, is never below the base of the log, and above
 *      the base is at or below what a majority of storages holds durably, of the voters of every configuration
 *      in force
 *   4. voters change only to such whose majority of storages holds every cut point that anybody was told: this
 *      leader's, and all that was in its log when it came to lead (what was told before was committed)
 */
import { logIndex, type LogIndex, type NodeId } from '@kvstore/std';
import { JointQuorum } from '../quorum/joint.ts';
import type { ConfigurationLog } from './configuration-log.ts';
import {
  replicasOf,
  votesIn,
  type Configuration,
  type ConfigurationAt,
  type LogBase,
} from './configuration.ts';

/** What the cut point depends on of a log. */
interface Cuttable {
  readonly base: LogBase;
  readonly commitIndex: LogIndex;
}

export class Membership {
  readonly #configurations: ConfigurationLog;
  readonly #storages = new Map<NodeId, LogIndex>();
  #quorumOf: Configuration;
  #quorum: JointQuorum;
  #cutPoint = logIndex(0);
  /** Earlier leaders told no cut point above. */
  #toldBefore = logIndex(0);

  constructor(configurations: ConfigurationLog) {
    this.#configurations = configurations;
    this.#quorumOf = configurations.latest.configuration;
    this.#quorum = quorumFor(this.#quorumOf);
  }

  get latest(): ConfigurationAt {
    return this.#configurations.latest;
  }

  get configuration(): Configuration {
    return this.#configurations.latest.configuration;
  }

  get quorum(): JointQuorum {
    const { configuration } = this;
    if (configuration !== this.#quorumOf) {
      this.#quorumOf = configuration;
      this.#quorum = quorumFor(configuration);
    }
    return this.#quorum;
  }

  /**
   * May `node` stand for election? A voter of the configuration in force may; so may one that votes
   * no more by an entry that is not known to be committed: nobody else may be able to finish that
   * change (thesis 4.2.2).
   */
  mayLead(node: NodeId, commitIndex: LogIndex): boolean {
    if (votesIn(this.configuration, node)) return true;
    return this.#configurations
      .since(commitIndex)
      .some(({ configuration }) => votesIn(configuration, node));
  }

  isRemoved(node: NodeId, commitIndex: LogIndex): boolean {
    const { index, configuration } = this.latest;
    if (configuration.removed.length === 0) return false;
    if (index <= commitIndex) return configuration.removed.includes(node);
    return this.#configurations.at(commitIndex).configuration.removed.includes(node);
  }

  /** The storage of `node` has everything up to `index` durably; of members only. */
  storageDurable(node: NodeId, index: LogIndex): void {
    const members = replicasOf(this.configuration);
    if (!members.includes(node)) return;
    this.#storages.set(node, index);
    if (this.#storages.size <= members.length) return;
    for (const known of this.#storages.keys()) {
      if (!members.includes(known)) this.#storages.delete(known);
    }
  }

  storageOf(node: NodeId): LogIndex {
    return this.#storages.get(node) ?? logIndex(0);
  }

  /**
   * Nothing above may be cut off anybody's log. The base was at or below an earlier cut point, which
   * nothing else remembers after a restart.
   */
  cutPoint({ base, commitIndex }: Cuttable): LogIndex {
    const held = Math.min(commitIndex, this.#heldBy(this.quorum));
    this.#cutPoint = logIndex(Math.max(this.#cutPoint, base.position.index, held));
    return this.#cutPoint;
  }

  /**
   * This replica leads from now on, with a log that ends at `lastIndex`. What it has computed before was told
   * to nobody. What earlier leaders told it may not know, nor who has cut or will yet cut at that; but they
   * told what was committed, and whatever they committed is in this log.
   */
  beginLeading(lastIndex: LogIndex): void {
    this.#cutPoint = logIndex(0);
    this.#toldBefore = lastIndex;
  }

  /** What a storage must hold to count for a change of voters; of a replica that leads. */
  changePoint(log: Cuttable): LogIndex {
    return logIndex(Math.max(this.cutPoint(log), this.#toldBefore));
  }

  /** Would a quorum of storages hold all that any log may be cut at if `next` were in force? */
  holdsChangePoint(next: Configuration, log: Cuttable): boolean {
    return this.#heldBy(quorumFor(next)) >= this.changePoint(log);
  }

  #heldBy(quorum: JointQuorum): number {
    return quorum.reached((voter) => this.storageOf(voter));
  }
}

function quorumFor({ voters, outgoing }: Configuration): JointQuorum {
  return new JointQuorum(voters, outgoing);
}
