/** Of the one cluster that is simulated. */
import type { NodeId } from '@kvstore/std';

export const CLUSTER_ID = '51b51b00-0000-4000-8000-000000000000';
export const IDENTITY = { cluster: 'sim', group: 'g0', secret: new Uint8Array(32).fill(7) };

export function labelOf(node: NodeId): string {
  return `${IDENTITY.cluster}/${IDENTITY.group}/${node}`;
}
