/** The replica's own numbers as metrics; read when somebody scrapes. */
import type { MetricRegistry } from '@kvstore/nest-kit';
import type { Replica } from '@kvstore/replica';

export function observeStorage(metrics: MetricRegistry, replica: Replica, group: string): void {
  const labels = { group };
  const { counters } = replica;
  const gauge = (name: string, help: string, read: () => number): void =>
    metrics.gauge(`kvstore_storage_${name}`, help, read, labels);
  const counter = (name: string, help: string, read: () => number): void =>
    metrics.observedCounter(`kvstore_storage_${name}_total`, help, read, labels);

  gauge('applied_index', 'Last index applied.', () => replica.status().appliedIndex);
  gauge(
    'durable_index',
    'Last index whose effects are in a live segment.',
    () => replica.status().durableIndex,
  );
  gauge('revision', 'Revision of the store.', () => replica.status().revision);
  gauge('keys', 'Live keys.', () => replica.status().keys);
  gauge('live_bytes', 'Bytes of live keys and their values.', () => replica.status().bytes);
  gauge('segments', 'Live segment files.', () => replica.status().segments);
  gauge('segment_bytes', 'Bytes of live segment files.', () => replica.status().segmentBytes);
  gauge('memtable_bytes', 'Bytes in memtables.', () => replica.status().memtableBytes);
  gauge('flush_failing', '1 while flushing fails and is retried.', () =>
    Number(replica.status().flushError !== undefined),
  );
  counter('entries_applied', 'Entries applied.', () => counters.entriesApplied);
  counter('batches_applied', 'Batches applied.', () => counters.batchesApplied);
  counter(
    'entries_refused',
    'Entries that did not continue the chain of what is applied.',
    () => counters.entriesRefused,
  );
  counter('reads', 'Reads answered.', () => replica.readsServed);
  counter('pulls', 'Pulls sent to close a gap.', () => replica.pulls);
  gauge('fenced', '1 while it serves nothing until it is rebuilt.', () =>
    Number(replica.fenced !== undefined),
  );
  counter(
    'fences',
    'Times that it found its data damaged or not the leader’s.',
    () => replica.counters.fences,
  );
  gauge(
    'snapshots_held',
    'Snapshots that others read here.',
    () => replica.storeStatistics.snapshots,
  );
  const { sent } = replica;
  counter('snapshot_bytes_sent', 'Bytes of snapshots sent to other storages.', () => sent.bytes);
  counter(
    'snapshot_bytes_received',
    'Bytes of snapshots received from other storages.',
    () => replica.received.bytes,
  );
  counter(
    'snapshot_waits',
    'Times that no storage had the snapshot that is needed.',
    () => replica.received.waits,
  );
  for (const how of ['opened', 'refused', 'closed', 'expired'] as const) {
    metrics.observedCounter(
      'kvstore_storage_snapshots_sent_total',
      'Requests for a snapshot, and transfers, by what became of them.',
      () => sent[how],
      { ...labels, outcome: how },
    );
  }
  for (const outcome of replica.received.outcomes.keys()) {
    metrics.observedCounter(
      'kvstore_storage_snapshots_received_total',
      'Attempts to get a snapshot, by how they ended.',
      () => replica.received.outcomes.get(outcome) ?? 0,
      { ...labels, outcome },
    );
  }
  counter('archive_reads', 'Reads of the archived log to close a gap.', () => replica.archiveReads);
}
