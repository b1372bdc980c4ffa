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
  counter('reads', 'Reads answered.', () => counters.readsServed);
  counter('pulls', 'Pulls sent to close a gap.', () => replica.pulls);
  counter('archive_reads', 'Reads of the archived log to close a gap.', () => replica.archiveReads);
}
