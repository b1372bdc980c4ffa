/**
 * Founding a cluster, and recognising who may vote in it.
 *
 * A disk that has never taken part in the cluster may have replaced one that did, and whose votes
 * and acknowledgements are then forgotten (RethinkDB 2.2.3). So an empty disk votes only when it can
 * be sure that nothing was ever acknowledged by its name:
 *
 *   - every other initial member says that its disk is empty too: they found the cluster together,
 *     and each keeps the list of the founders' disks for ever; or
 *   - a member that has begun already names this very disk among the founders: it was asked while it
 *     was empty and simply comes later.
 *
 * Anything else waits: for those who have not answered, or to be admitted as a new member.
 * Pure: answers in, decision out.
 */
import type { MemberHello } from '@kvstore/contract';
import type { NodeId } from '@kvstore/std';

export type Founders = Readonly<Record<NodeId, string>>;

export type Founding =
  | { readonly kind: 'found'; readonly founders: Founders }
  /** Somebody has not answered yet. */
  | { readonly kind: 'wait'; readonly missing: readonly NodeId[] }
  /** The cluster exists and knows another disk under this name. */
  | { readonly kind: 'not-a-founder'; readonly told: NodeId };

export function decideFounding(
  self: NodeId,
  disk: string,
  voters: readonly NodeId[],
  answers: ReadonlyMap<NodeId, MemberHello>,
): Founding {
  for (const [node, { founders }] of answers) {
    if (founders === undefined) continue;
    return founders[self] === disk
      ? { kind: 'found', founders }
      : { kind: 'not-a-founder', told: node };
  }
  const missing = voters.filter((voter) => voter !== self && !answers.has(voter));
  if (missing.length > 0) return { kind: 'wait', missing };
  const founders: Record<NodeId, string> = { [self]: disk };
  for (const [node, hello] of answers) founders[node] = hello.disk;
  return { kind: 'found', founders };
}
