/**
 * The messages between replicas, as the core sees them: no codec, no addresses. Every message
 * carries the sender's term, except pre-votes, which carry the term the sender would campaign in.
 */
import type { Chain, LogIndex, NodeId, Term } from '@kvstore/std';
import type { Entry } from './entry.ts';
import type { LogBase } from './membership/configuration.ts';

interface Addressed {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

/** Would you vote for me in `term`? Changes nothing at the receiver (thesis 9.6). */
export interface PreVoteRequest extends Addressed {
  readonly kind: 'pre-vote-request';
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** `term` is the request's when granted, else the voter's own. */
export interface PreVoteResponse extends Addressed {
  readonly kind: 'pre-vote-response';
  readonly granted: boolean;
}

export interface VoteRequest extends Addressed {
  readonly kind: 'vote-request';
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The leader itself wants this election: nobody protects it (thesis 3.10, 4.2.3). */
  readonly forced: boolean;
}

export interface VoteResponse extends Addressed {
  readonly kind: 'vote-response';
  readonly granted: boolean;
}

export interface AppendRequest extends Addressed {
  readonly kind: 'append-request';
  readonly previousIndex: LogIndex;
  readonly previousTerm: Term;
  /** Chain of the entry at `previousIndex`: equal on both sides, or the logs have diverged. */
  readonly previousChain: Chain;
  /** Contiguous from `previousIndex + 1`; empty for a probe. */
  readonly entries: readonly Entry[];
  readonly commitIndex: LogIndex;
}

export interface AppendResponse extends Addressed {
  readonly kind: 'append-response';
  /**
   * Accepted: everything up to `matchIndex` is durable here and equal to the leader's.
   * Rejected: `rejectedIndex` is the refused `previousIndex`, and the receiver's log has `hintTerm`
   * at `hintIndex`, the highest place at which the logs may still agree (thesis 4.2.3 and etcd).
   */
  readonly result:
    | { readonly kind: 'accepted'; readonly matchIndex: LogIndex }
    | {
        readonly kind: 'rejected';
        readonly rejectedIndex: LogIndex;
        readonly hintIndex: LogIndex;
        readonly hintTerm: Term;
      };
}

/** The entries before the base of the leader's log are gone; answered like an append that ends there. */
export interface BaseRequest extends Addressed {
  readonly kind: 'base-request';
  readonly base: LogBase;
}

/** Stand for election now, in the term after this one: you have all of the leader's log. */
export interface TimeoutNow extends Addressed {
  readonly kind: 'timeout-now';
}

/** Sent every heartbeat interval and at once for a read round. */
export interface HeartbeatRequest extends Addressed {
  readonly kind: 'heartbeat-request';
  /** min(leader's commit, match of this follower). */
  readonly commitIndex: LogIndex;
  /** From 1, one more for every round of heartbeats in this term. Never reused (etcd#20418). */
  readonly round: number;
}

export interface HeartbeatResponse extends Addressed {
  readonly kind: 'heartbeat-response';
  /** The request's; 0 when that was of an older term. */
  readonly round: number;
}

export type Message =
  | PreVoteRequest
  | PreVoteResponse
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | BaseRequest
  | TimeoutNow
  | HeartbeatRequest
  | HeartbeatResponse;
