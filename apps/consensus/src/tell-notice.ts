/** What a sequencer has to tell an operator, as log lines. */
import type { KvLogger } from '@kvstore/nest-kit';
import type { SequencerNotice } from '@kvstore/sequencer';
import { assertNever } from '@kvstore/std';

export function tellNotice(log: KvLogger, notice: SequencerNotice): void {
  switch (notice.kind) {
    case 'foreign-member':
      log.event(
        'error',
        `${notice.node} is a member of another cluster of this name: its messages are refused`,
        { remedy: 'give it its own data directory back, or move the directory away' },
      );
      return;
    case 'commit-stands-still':
      log.event('warn', 'entries do not reach a majority although heartbeats do', { ...notice });
      return;
    case 'disk-stands-still':
      log.event('warn', 'the disk stands still: leadership is given up', { ...notice });
      return;
    case 'overtaken':
      log.event('warn', `the log no longer begins where ${readerOf(notice)} has to read on`, {
        ...notice,
        consequence: consequenceOf(notice),
      });
      return;
    case 'log-full':
      log.event('error', 'the log is as large as it may be: writes are refused', {
        ...notice,
        remedy: 'bring the storages of a majority back; the log is cut when they are durable',
      });
      return;
    case 'log-repaired':
      log.event('info', 'the log is whole again: this member votes as before', {});
      return;
    case 'base-installed':
      log.event('warn', "this log was behind the leader's and begins anew from its base", {
        ...notice,
      });
      return;
    default:
      assertNever(notice);
  }
}

type Overtaken = Extract<SequencerNotice, { kind: 'overtaken' }>;

function readerOf({ reader, node }: Overtaken): string {
  if (reader === 'archive') return 'the archive';
  return reader === 'snapshot' ? `the storage of ${node}` : `the ${reader} of ${node}`;
}

function consequenceOf({ reader }: Overtaken): string {
  switch (reader) {
    case 'archive':
      return 'it begins a new epoch';
    case 'consensus':
      return 'its log begins anew from the base';
    case 'storage':
      return 'it takes a snapshot from another storage';
    case 'snapshot':
      return 'the snapshot that it receives ends too early: it takes another one';
    default:
      return assertNever(reader);
  }
}
