/** What the core answers when it is asked, as opposed to what it hands out in a `Ready`. */
import type { LogIndex, NodeId, Term } from '@kvstore/std';
import type { Role } from './ready.ts';

export type Proposed =
  | { readonly kind: 'appended'; readonly index: LogIndex; readonly term: Term }
  | { readonly kind: 'not-leader'; readonly leader: NodeId | undefined }
  | { readonly kind: 'overloaded' };

/** What a leader knows of one voter. */
export interface VoterStatus {
  readonly node: NodeId;
  /** Everything up to here is durable there and equal to the leader's log. */
  readonly matchIndex: LogIndex;
  /** Heard within the last minimum election timeout. */
  readonly recentlyActive: boolean;
}

export interface RaftStatus {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | undefined;
  readonly commitIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Highest index known durable on this replica. */
  readonly durableIndex: LogIndex;
  /** Entries in memory that are not yet committed or not yet durable on this replica. */
  readonly uncommittedBytes: number;
  /** On a leader: what it knows of every voter, itself included. */
  readonly progress: readonly VoterStatus[];
}
