/** Raft messages that must not count any more: of removed members, and of a former start of their sender. */
import { MemoryBus } from '@kvstore/bus';
import { ConsensusOperation, FrameCodec, FrameKind, SenderRole } from '@kvstore/contract';
import type { Message } from '@kvstore/raft';
import { nodeId, term } from '@kvstore/std';
import { eventually, realClock } from '@kvstore/testing';
import { encodeMessage } from './raft-codec.ts';
import {
  CLUSTER,
  CLUSTER_TAG,
  identity,
  makeSequencer,
  subjects,
} from './sequencer.test-support.ts';

const self = nodeId('node-1');
const other = nodeId('node-2');

const bus = new MemoryBus();
const failures: unknown[] = [];
const sequencer = makeSequencer(bus, {
  node: self,
  voters: [self],
  onFatal: (error) => failures.push(error),
});

beforeAll(async () => {
  await sequencer.start(CLUSTER);
  await eventually('it leads', () => sequencer.status().role === 'leader');
});
afterAll(async () => {
  await sequencer.stop();
  await bus.close();
  expect(failures).toEqual([]);
});

/** An answer of somebody who is no member: taken by the sequencer, dropped and counted by the core. */
async function tell(incarnation: number): Promise<void> {
  const sender = { role: SenderRole.consensus, name: other, incarnation };
  const message: Message = {
    kind: 'heartbeat-response',
    from: other,
    to: self,
    term: term(sequencer.status().term),
    round: 1,
  };
  const body = encodeMessage(CLUSTER_TAG, realClock.wallMs(), message);
  const frame = new FrameCodec({ ...identity, sender }).seal(FrameKind.raft, term(1), body);
  bus.publish(subjects.consensus(self, ConsensusOperation.vote), frame);
  await new Promise((resolve) => setImmediate(resolve));
}

const counts = () => ({
  former: sequencer.frames.refused.get('former') ?? 0,
  strangers: sequencer.dropped.strangers,
  removed: sequencer.dropped.removed,
});

test('those of a former start of their sender are refused and counted', async () => {
  await tell(7);
  expect(counts()).toEqual({ former: 0, strangers: 1, removed: 0 });
  await tell(6);
  await tell(1);
  expect(counts()).toEqual({ former: 2, strangers: 1, removed: 0 });
  await tell(8);
  expect(counts()).toEqual({ former: 2, strangers: 2, removed: 0 });
});

test('those of a removed member are dropped and counted, whatever its incarnation', async () => {
  const subject = subjects.control('consensus', other, 'hello');
  const sender = { role: SenderRole.consensus, name: other, incarnation: 8 };
  const frames = new FrameCodec({ ...identity, sender });
  const member = { disk: 'd2', clusterId: undefined, founders: undefined };
  const hello = { role: sender.role, name: other, process: 'p', running: true, member };
  bus.subscribe(subject, (message) => {
    const body = new TextEncoder().encode(JSON.stringify(hello));
    message.respond(frames.seal(FrameKind.controlReply, term(0), body));
  });
  for (const kind of ['add', 'remove'] as const) {
    const request = { kind, node: other };
    expect(await sequencer.answerAboutMembers({ request, waitMs: 2_000 })).toMatchObject({
      kind: 'members',
    });
  }
  const { removed, strangers } = counts();
  await tell(8);
  await tell(9);
  expect(counts()).toMatchObject({ removed: removed + 2, strangers });
});
