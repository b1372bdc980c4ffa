/** Whom the outcomes of an entry are sent to: the gateways whose home this storage is. */
import { type BatchOutcomeBytes, type OutcomeRoute, OutcomeStatus } from '@kvstore/contract';
import type { NodeId } from '@kvstore/std';
import type { Applied } from './applier.ts';

export interface HomeOutcomes {
  readonly gateway: string;
  readonly session: number;
  readonly batches: BatchOutcomeBytes[];
}

/** One message per gateway and session: a gateway's batches of one entry share both. */
export function homeOutcomes(
  home: NodeId,
  routes: readonly OutcomeRoute[],
  { batches, result }: Applied,
): Iterable<HomeOutcomes> {
  const bySession = new Map<string, HomeOutcomes>();
  for (const [place, route] of routes.entries()) {
    const batch = batches[place];
    const bytes = result.encoded[place];
    if (route.home !== home || batch === undefined || bytes === undefined) continue;
    const { session, batchNo } = batch;
    const id = `${route.gateway} ${session}`;
    const group = bySession.get(id) ?? { gateway: route.gateway, session, batches: [] };
    group.batches.push({ batchNo, status: OutcomeStatus.decided, bytes });
    bySession.set(id, group);
  }
  return bySession.values();
}
