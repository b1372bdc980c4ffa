/** The sequencer's own numbers as metrics; read when somebody scrapes. */
import type { MetricRegistry } from '@kvstore/nest-kit';
import type { Sequencer } from '@kvstore/sequencer';

export function observeConsensus(
  metrics: MetricRegistry,
  sequencer: Sequencer,
  group: string,
): void {
  const labels = { group };
  const { counters } = sequencer;
  const gauge = (name: string, help: string, read: () => number): void =>
    metrics.gauge(`kvstore_raft_${name}`, help, read, labels);
  const counter = (name: string, help: string, read: () => number): void =>
    metrics.observedCounter(`kvstore_raft_${name}_total`, help, read, labels);

  metrics.observedCounter(
    'kvstore_leader_elections_total',
    'Elections that this node has won.',
    () => counters.electionsWon,
    labels,
  );
  gauge('term', 'Raft term of this node.', () => sequencer.status().term);
  gauge('is_leader', '1 while this node leads.', () =>
    Number(sequencer.status().role === 'leader'),
  );
  metrics.observe(
    'gauge',
    'kvstore_raft_members',
    'Members by role, as this node knows them.',
    () => {
      const { voters, learners, joining } = sequencer.configuration;
      return [
        { labels: { ...labels, role: 'voter' }, value: voters.length },
        { labels: { ...labels, role: 'learner' }, value: learners.length + joining.length },
      ];
    },
  );
  gauge(
    'commit_index',
    'Highest committed index known here.',
    () => sequencer.status().commitIndex,
  );
  gauge('last_index', 'Last index of the log.', () => sequencer.status().lastIndex);
  gauge('durable_index', 'Last index that is fsynced here.', () => sequencer.status().durableIndex);
  gauge('log_bytes', 'Bytes of all log files on disk.', () => sequencer.log.sizeBytes);
  gauge('log_first_index', 'First entry of the log.', () => sequencer.status().logFirstIndex);
  gauge('log_under_repair', '1 while this node does not vote, for its log was damaged.', () =>
    Number(sequencer.isUnderRepair),
  );
  gauge('log_space_refused', '1 while the disk gives the log no more space.', () =>
    Number(sequencer.log.spaceError !== undefined),
  );
  counter('entries_committed', 'Entries committed.', () => counters.entriesCommitted);
  counter('batches_proposed', 'Batches put into entries.', () => counters.batchesProposed);
  counter(
    'proposals_refused',
    'Batches refused, nothing appended.',
    () => counters.proposalsRefused,
  );
  counter('read_index_requests', 'ReadIndex requests.', () => counters.readIndexRequests);
  counter(
    'stalled_reconnects',
    'Connections given up because commits stood still.',
    () => counters.reconnects,
  );
  counter(
    'stalled_resignations',
    'Leaderships given up because commits stood still.',
    () => counters.resignations,
  );
  counter('pulls_served', 'Pulls answered for storages.', () => counters.pullsServed);
  counter('log_cuts', 'Cuts at the beginning of the log.', () => counters.logCuts);
  counter(
    'readers_overtaken',
    'Followers, storages and archives that needed what was cut off the log.',
    () => counters.readersOvertaken,
  );
  counter(
    'bases_installed',
    'Times that the log was replaced by the base of the leader’s.',
    () => counters.basesInstalled,
  );
  metrics.observe(
    'counter',
    'kvstore_raft_messages_dropped_total',
    'Raft messages that the core did not take.',
    () =>
      Object.entries<number>({ ...sequencer.dropped }).map(([reason, value]) => ({
        labels: { ...labels, reason },
        value,
      })),
  );
}
