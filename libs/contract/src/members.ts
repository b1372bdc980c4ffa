/**
 * Who takes part in a running cluster: what a gateway asks the leading consensus over the control plane, and
 * what that answers. Every request says what shall be so, not what shall be done: asking again is harmless,
 * whoever leads by then.
 */
import { isNodeId, type NodeId } from '@kvstore/std';
import { failure, type Failure } from './errors.ts';

export type MemberRequest =
  | { readonly kind: 'list' }
  /** A learner, which votes by itself once its log and its storage have caught up. */
  | { readonly kind: 'add'; readonly node: NodeId }
  /** Its id never returns. */
  | { readonly kind: 'remove'; readonly node: NodeId }
  /** Votes now, or is told what is missing. */
  | { readonly kind: 'promote'; readonly node: NodeId }
  /** Leadership moves to the voter with the highest one, 0 to 2^32 - 1. */
  | { readonly kind: 'priority'; readonly node: NodeId; readonly priority: number }
  /** Leadership moves now. */
  | { readonly kind: 'transfer'; readonly node: NodeId };

export interface MemberQuestion {
  readonly request: MemberRequest;
  /** How long an answer may wait for what it depends on. */
  readonly waitMs: number;
}

export interface MemberEntry {
  readonly node: NodeId;
  readonly role: 'voter' | 'learner';
  /** A learner that becomes a voter by itself, or a voter that a change under way takes out. */
  readonly change: 'joining' | 'leaving' | undefined;
  readonly priority: number;
  /** Its log is durable, and equal to the leader's, up to here. */
  readonly matchIndex: number;
  readonly healthy: boolean;
}

export interface MemberList {
  readonly kind: 'members';
  /** Of the entry that holds this configuration; 0: the one the cluster was founded with. */
  readonly index: number;
  readonly term: number;
  readonly leader: NodeId | undefined;
  readonly members: readonly MemberEntry[];
}

export type MemberReply =
  /** It is so, committed. */
  | MemberList
  | { readonly kind: 'not-leader'; readonly leader: NodeId | undefined }
  /** A change was begun and not seen to its end: it may come to be so. */
  | { readonly kind: 'unsettled' }
  /** Nothing was begun by this request. */
  | Failure;

/**
 * `extra.reason` of a refusal that passes by itself: storages have been asked to flush, and the change can be
 * made when enough of them have.
 */
export const STORAGES_BEHIND = 'storages-behind';

export function isStoragesBehind({ code, extra }: Failure): boolean {
  return code === 'CONDITION_FAILED' && extra?.['reason'] === STORAGES_BEHIND;
}

/** Four bytes in a configuration. */
const PRIORITY_MAX = 0xffff_ffff;

/** Asked by whoever decodes a request, and by whoever answers it. */
export function checkMemberRequest(request: MemberRequest): Failure | undefined {
  if ('node' in request && !isNodeId(request.node)) {
    return failure('INVALID_ARGUMENT', 'The name of a node is [a-z0-9][a-z0-9-]{0,31}.');
  }
  if (request.kind !== 'priority') return undefined;
  const { priority } = request;
  if (Number.isSafeInteger(priority) && priority >= 0 && priority <= PRIORITY_MAX) return undefined;
  return failure('INVALID_ARGUMENT', `A priority is an integer of 0 to ${PRIORITY_MAX}.`);
}
