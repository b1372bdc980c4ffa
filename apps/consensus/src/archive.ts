/** The archiver of the committed log, as this process runs it: a log line per event, and metrics. */
import type { FrameCodec } from '@kvstore/contract';
import { Archiver, type ArchiverEvent } from '@kvstore/event-log';
import type { KvLogger, MetricRegistry, NatsLanes, NodeContext, Shutdown } from '@kvstore/nest-kit';
import type { Sequencer } from '@kvstore/sequencer';

export interface ArchiveOptions {
  readonly sequencer: Sequencer;
  readonly context: NodeContext;
  readonly frames: FrameCodec;
  readonly lanes: NatsLanes;
  readonly metrics: MetricRegistry;
  readonly log: KvLogger;
  readonly shutdown: Shutdown;
}

export function startArchiver(options: ArchiveOptions): void {
  const { sequencer, context, frames, lanes, metrics, log, shutdown } = options;
  const { cluster, group, clock, timers, random, onFatal } = context;
  const archiver = new Archiver({
    source: sequencer.archive,
    connection: lanes.data.connection,
    cluster,
    group,
    frames,
    clock,
    timers,
    random,
    onEvent: (event) => tell(log, event),
    onFatal,
  });
  observeArchiver(metrics, archiver, group);
  archiver.start();
  shutdown.add('archiver', () => archiver.stop());
}

function tell(log: KvLogger, event: ArchiverEvent): void {
  const { kind, ...fields } = event;
  const level = kind === 'unavailable' || kind === 'stream-lost' ? 'warn' : 'info';
  log.event(level, `archive of the log: ${kind}`, fields);
}

function observeArchiver(metrics: MetricRegistry, archiver: Archiver, group: string): void {
  const labels = { group };
  const { counters } = archiver;
  const gauge = (name: string, help: string, read: () => number): void =>
    metrics.gauge(`kvstore_event_log_${name}`, help, read, labels);
  const counter = (name: string, help: string, read: () => number): void =>
    metrics.observedCounter(`kvstore_event_log_${name}_total`, help, read, labels);

  gauge('epoch', 'Epoch that this node archives; 0 while it does not lead.', () => {
    return archiver.status().epoch;
  });
  gauge('archived_index', 'Last entry that the stream holds, as this node knows.', () => {
    return archiver.status().archivedIndex;
  });
  gauge(
    'lag_entries',
    'Entries committed and not archived; 0 while this node does not lead.',
    () => {
      return archiver.status().lagEntries;
    },
  );
  counter('entries', 'Entries archived by this node.', () => counters.entries);
  counter('messages', 'Messages archived by this node.', () => counters.messages);
  counter('bytes', 'Bytes archived by this node.', () => counters.bytes);
  counter('losses', 'Streams found lost or not whole.', () => counters.losses);
  counter('epochs', 'Epochs begun by this node.', () => counters.epochsBegun);
  metrics.observe('counter', 'kvstore_event_log_errors_total', 'Calls that failed, by kind.', () =>
    Array.from(counters.errors, ([error, value]) => ({ value, labels: { group, error } })),
  );
}
