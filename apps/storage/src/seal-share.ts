/**
 * All storages apply the same log, and with the same limits all of them would flush in the same second:
 * no copy would be left that answers as fast as before. So each seals its memtables at another part of
 * the limits, by its place among the members.
 */
import type { NodeId } from '@kvstore/std';

/** How far the least of them is below the limits, with many members. */
const SPREAD = 0.4;

/** In (0.6, 1]: 1 for who comes first, and for who is alone. */
export function sealShare(node: NodeId, nodes: readonly NodeId[]): number {
  const place = Math.max(0, nodes.toSorted().indexOf(node));
  return 1 - (SPREAD * place) / Math.max(1, nodes.length);
}
