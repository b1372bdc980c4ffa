/**
 * Tells an operator that this member was removed. Nobody sends it the log from that moment on, so it hears of it
 * only when it asks: while it knows no leader it asks the members that it knows, as a new node does.
 */
import {
  type Bus,
  ControlOperation,
  type FrameCodec,
  requestHello,
  type Subjects,
} from '@kvstore/contract';
import type { EventLog, Self, Shutdown } from '@kvstore/nest-kit';
import type { Sequencer } from '@kvstore/sequencer';
import type { NodeId } from '@kvstore/std';

export interface RemovalWatchOptions {
  readonly sequencer: Pick<Sequencer, 'configuration' | 'status'>;
  readonly node: NodeId;
  /** Whom it asked at its start: a member that has no log yet knows of nobody else. */
  readonly nodes: readonly NodeId[];
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly self: Pick<Self, 'process'>;
  readonly log: EventLog;
  readonly shutdown: Pick<Shutdown, 'add'>;
  readonly periodMs?: number;
}

const PERIOD_MS = 5_000;
const ANSWER_MS = 500;

export function watchRemoval(options: RemovalWatchOptions): void {
  const { sequencer, node, log, shutdown, periodMs = PERIOD_MS } = options;
  const timer = setInterval(() => {
    if (sequencer.status().leader !== undefined) return;
    void whoRemoved(options).then((told) => {
      if (told === undefined) return;
      clearInterval(timer);
      log.event('error', `${told} says that ${node} was removed: this member takes part no more`, {
        remedy:
          'stop its processes; to have it back, start it empty under a name that was never used',
      });
    });
  }, periodMs).unref();
  shutdown.add('removal watch', async () => clearInterval(timer));
}

async function whoRemoved(options: RemovalWatchOptions): Promise<NodeId | undefined> {
  const { sequencer, node, nodes, bus, frames, subjects, self } = options;
  const { voters, outgoing } = sequencer.configuration;
  const others = [...new Set([...nodes, ...voters, ...outgoing])].filter((each) => each !== node);
  const told = await Promise.all(
    others.map(async (other) => {
      const subject = subjects.control('consensus', other, ControlOperation.hello);
      const hello = await requestHello(bus, frames, subject, self.process, ANSWER_MS);
      return hello?.member?.removed?.includes(node) === true ? other : undefined;
    }),
  );
  return told.find((each) => each !== undefined);
}
