/**
 * Finds out whether this member may take part: known from an earlier start, founded now with all other
 * initial members, admitted by the log of a cluster that is there, or none of these, in which case it
 * waits and says why. Never times out: a member that votes too early could forget what another disk of its
 * name has promised.
 */
import {
  type Bus,
  clusterIdOf,
  ControlOperation,
  type FrameCodec,
  requestHello,
  type MemberHello,
  type Subjects,
} from '@kvstore/contract';
import type { EventLog, NodeContext, Self } from '@kvstore/nest-kit';
import { decideFounding, type Founding } from '@kvstore/sequencer';
import { assertNever, type NodeId } from '@kvstore/std';

export interface FoundingOptions {
  readonly context: NodeContext;
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly self: Self;
  readonly log: EventLog;
}

const ANSWER_MS = 500;
const PAUSE_MS = 100;
/** How often somebody who has to wait for long is told so. */
const NOTICE_MS = 10_000;

/** Resolves with the cluster's id once this member belongs to it, durably. */
export async function foundCluster(options: FoundingOptions): Promise<string> {
  const { directory, node, nodes, clock } = options.context;
  const { identity } = directory;
  if (identity.clusterId !== undefined) {
    await directory.establish();
    return identity.clusterId;
  }
  let noticeAtMs = clock.monotonicMs() + NOTICE_MS;
  let told: string | undefined;
  for (;;) {
    const decision = decideFounding(node, identity.disk, nodes, await askOthers(options));
    if (decision.kind === 'found' || decision.kind === 'admitted') {
      const clusterId = clusterIdOf(decision.founders);
      await directory.found(clusterId, decision.founders);
      await directory.establish();
      return clusterId;
    }
    const late = clock.monotonicMs() >= noticeAtMs;
    if (late) noticeAtMs += NOTICE_MS;
    if (decision.kind !== told && (late || decision.kind !== 'wait')) {
      told = decision.kind;
      tell(options.log, node, decision);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function askOthers({
  context,
  bus,
  frames,
  subjects,
  self,
}: FoundingOptions): Promise<ReadonlyMap<NodeId, MemberHello>> {
  const answers = new Map<NodeId, MemberHello>();
  const others = context.nodes.filter((other) => other !== context.node);
  await Promise.all(
    others.map(async (other) => {
      const subject = subjects.control('consensus', other, ControlOperation.hello);
      const hello = await requestHello(bus, frames, subject, self.process, ANSWER_MS);
      if (hello?.member !== undefined) answers.set(other, hello.member);
    }),
  );
  return answers;
}

function tell(
  log: EventLog,
  node: NodeId,
  decision: Exclude<Founding, { kind: 'found' | 'admitted' }>,
): void {
  switch (decision.kind) {
    case 'wait': {
      const missing = decision.missing.join(', ');
      log.event('warn', `waiting for a cluster: no answer from ${missing || 'one that has begun'}`);
      return;
    }
    case 'not-a-member':
      log.event('warn', `${node} is no member of the cluster yet: it waits to be added`, {
        remedy: `POST /api/v1/admin/members {"node":"${node}"} at a gateway`,
      });
      return;
    case 'name-is-taken':
      log.event(
        'error',
        `the data directory of ${node} is new, but ${decision.told} knows a cluster in which another ` +
          'disk had this name, or it was removed: this member does not take part',
        {
          remedy:
            'give the member its own data directory back, or start it under a name that was never used, ' +
            'add that one and remove this one',
        },
      );
      return;
    default:
      assertNever(decision);
  }
}
