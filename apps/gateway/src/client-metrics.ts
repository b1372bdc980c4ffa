/** The cluster client's own numbers as metrics; read when somebody scrapes. */
import type { ClusterClient } from '@kvstore/cluster-client';
import type { MetricRegistry } from '@kvstore/nest-kit';

export function observeClient(
  metrics: MetricRegistry,
  client: ClusterClient,
  gateway: string,
): void {
  const labels = { gateway };
  metrics.gauge(
    'kvstore_gateway_outstanding_batches',
    'Batches whose outcome is not known yet.',
    () => client.outstandingBatches,
    labels,
  );
  metrics.gauge(
    'kvstore_gateway_waiting_reads',
    'Reads that have not been answered yet.',
    () => client.waitingReads,
    labels,
  );
  metrics.observedCounter(
    'kvstore_gateway_breaker_trips_total',
    'Times that a storage was given up for a while.',
    () => client.breakerTrips,
    labels,
  );
  metrics.observedCounter(
    'kvstore_gateway_home_changes_total',
    'Times that another storage became the home.',
    () => client.homeChanges,
    labels,
  );
}
