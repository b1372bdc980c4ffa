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
 *     was empty and simply comes later; or
 *   - this very disk was admitted under its name by an entry of the log that a member knows to be committed.
 *     An id is added once and never again after it was removed, so no other disk ever spoke for it.
 *
 * Anything else waits: for those who have not answered, or to be added to the members.
 * Pure: answers in, decision out.
 */
import type { MemberHello } from '@kvstore/contract';
import type { NodeId } from '@kvstore/std';

export type Founders = Readonly<Record<NodeId, string>>;

export type Founding =
  | { readonly kind: 'found'; readonly founders: Founders }
  /** A member by the log of a cluster that others have founded. */
  | { readonly kind: 'admitted'; readonly founders: Founders }
  /** Somebody has not answered yet. */
  | { readonly kind: 'wait'; readonly missing: readonly NodeId[] }
  /** The cluster exists and has no member of this name: it can be added. */
  | { readonly kind: 'not-a-member'; readonly told: NodeId }
  /** The cluster knows another disk under this name, or has removed it: the name is used up. */
  | { readonly kind: 'name-is-taken'; readonly told: NodeId };

/** `initial` are the nodes to ask; only one of them may found a cluster. */
export function decideFounding(
  self: NodeId,
  disk: string,
  initial: readonly NodeId[],
  answers: ReadonlyMap<NodeId, MemberHello>,
): Founding {
  const begun = [...answers].flatMap(([node, hello]) => decideByMember(self, disk, node, hello));
  const decided = begun.find(({ kind }) => kind !== 'not-a-member') ?? begun[0];
  if (decided !== undefined) return decided;
  const missing = initial.filter((node) => node !== self && !answers.has(node));
  if (missing.length > 0 || !initial.includes(self)) return { kind: 'wait', missing };
  const founders: Record<NodeId, string> = { [self]: disk };
  for (const [node, hello] of answers) founders[node] = hello.disk;
  return { kind: 'found', founders };
}

/** Nothing when that node has not begun either. */
function decideByMember(
  self: NodeId,
  disk: string,
  told: NodeId,
  { founders, admitted = {}, removed = [] }: MemberHello,
): readonly Founding[] {
  if (founders === undefined) return [];
  if (founders[self] === disk) return [{ kind: 'found', founders }];
  if (admitted[self] === disk) return [{ kind: 'admitted', founders }];
  const isTaken = self in founders || self in admitted || removed.includes(self);
  return [{ kind: isTaken ? 'name-is-taken' : 'not-a-member', told }];
}
