/** What the core answers when it is asked, as opposed to what it hands out in a `Ready`. */
import type { LogIndex, NodeId, Term } from '@kvstore/std';
import type { ConfigurationAt } from './membership/configuration.ts';
import type { Role } from './ready.ts';

export interface NotLeader {
  readonly kind: 'not-leader';
  readonly leader: NodeId | undefined;
}

interface Appended {
  readonly kind: 'appended';
  readonly index: LogIndex;
  readonly term: Term;
}

export type Proposed =
  | Appended
  | NotLeader
  | { readonly kind: 'overloaded' }
  /** Leadership is being handed over; nothing is taken until that is over. */
  | { readonly kind: 'transferring'; readonly to: NodeId };

export type ChangeProposed = Appended | NotLeader | ChangeRefused;

export interface ChangeRefused {
  readonly kind: 'refused';
  readonly reason: ChangeRefusal;
}

export type ChangeRefusal =
  /** This leader has not committed an entry of its own term yet. */
  | 'not-ready'
  /** The last configuration is not committed, or joint. */
  | 'pending'
  /** Makes no sense here, changes nothing, or brings back an id that was removed. */
  | 'invalid'
  /** Fewer than a majority of storages would hold the change point. */
  | 'storages-behind'
  /** Of a learner that shall vote now: its log, or its storage, has not caught up. */
  | 'log-behind'
  | 'storage-behind'
  | 'transferring';

export type TransferStarted = 'started' | 'not-leader' | 'not-a-voter' | 'transferring';

/** What a leader knows of one member. */
export interface MemberStatus {
  readonly node: NodeId;
  /** False for learners. */
  readonly votes: boolean;
  /** Everything up to here is durable there and equal to the leader's log. */
  readonly matchIndex: LogIndex;
  /** Heard within the last minimum election timeout. */
  readonly recentlyActive: boolean;
}

/** Messages that were dropped since the start, by why. */
export interface DroppedMessages {
  /** Also appends whose entries are damaged, or hold a configuration that cannot be read. */
  readonly malformed: number;
  /** Not to this replica, or from itself. */
  readonly misaddressed: number;
  /** Answers of those who are no members. */
  readonly strangers: number;
  /** Of members whose removal is committed. */
  readonly removed: number;
}

export interface RaftStatus {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | undefined;
  /** The entry before the first one of the log. */
  readonly baseIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Highest index known durable on this replica. */
  readonly durableIndex: LogIndex;
  /** Its log was damaged, and it has not yet got back what it may have acknowledged. */
  readonly isUnderRepair: boolean;
  /** Entries in memory that are not yet committed or not yet durable on this replica. */
  readonly uncommittedBytes: number;
  /** In force here; committed when its index is. */
  readonly configuration: ConfigurationAt;
  /**
   * Of the storages reported by `storageDurable`: what a quorum of them holds durably, never above the
   * commit index. A leader's is what its marks carry.
   */
  readonly cutPoint: LogIndex;
  /**
   * On a leader: what a quorum of storages must hold before voters change, and that of a learner before it
   * votes. At or above the cut point of every leader so far.
   */
  readonly changePoint: LogIndex;
  readonly transferringTo: NodeId | undefined;
  readonly dropped: DroppedMessages;
  /** On a leader: what it knows of every member, itself included. */
  readonly progress: readonly MemberStatus[];
}
