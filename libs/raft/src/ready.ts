/**
 * What the core wants done, in the order in which the driver must do it. A `Ready` is handed out
 * once: the driver owns it and has to carry out all of it.
 */
import type { LogIndex, NodeId, Term } from '@kvstore/std';
import type { Entry } from './entry.ts';
import type { ConfigurationAt, LogBase } from './membership/configuration.ts';
import type { Message } from './message.ts';

/** Term and vote: must survive every crash. */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId | undefined;
}

export const Role = {
  follower: 'follower',
  preCandidate: 'pre-candidate',
  candidate: 'candidate',
  leader: 'leader',
} as const;
export type Role = (typeof Role)[keyof typeof Role];

export interface SoftState {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | undefined;
}

/** A linearizable read that may be served by a replica which has applied `index`. */
export interface ReadGrant {
  readonly context: number;
  readonly index: LogIndex;
}

/** Entries for a slow follower that are no longer in memory: load them, then call `loaded`. */
export interface LoadRequest {
  readonly to: NodeId;
  /** First index wanted; the entry before it is needed too, for its term and chain. */
  readonly from: LogIndex;
  readonly maxBytes: number;
}

export interface Ready {
  /** 1. Make durable before `install` and `append` begin; then call `hardStatePersisted`. */
  readonly hardState: HardState | undefined;
  /**
   * 2. This replica is behind the base of its leader's log: make this base durable in place of the
   * whole log, then call `persisted` with its index and term. The storage needs a snapshot too.
   */
  readonly install: LogBase | undefined;
  /**
   * 3. Make durable, then call `persisted` with the last one's index and term, once for every `Ready`
   * with entries, in order. Contiguous; when the first index is not above the log's last, cut the log
   * there first: the rest is a conflict.
   */
  readonly append: readonly Entry[];
  /** 4. Send now: whatever depended on durability has been held back by the core. */
  readonly messages: readonly Message[];
  /** 5. The new commit index, when it moved. */
  readonly commitIndex: LogIndex | undefined;
  /** Newly committed entries that are still in memory, in order, ending at `commitIndex`. */
  readonly committed: readonly Entry[];
  /** 6. Reads whose round is complete, and reads that will never be (leadership lost). */
  readonly reads: readonly ReadGrant[];
  readonly abandonedReads: readonly number[];
  readonly loads: readonly LoadRequest[];
  /** The configuration in force, when another one came into force; maybe not committed yet. */
  readonly configuration: ConfigurationAt | undefined;
  /** Role, term or leader, when one of them changed. */
  readonly softState: SoftState | undefined;
}
