import { MemoryBus } from '@kvstore/bus';
import { encodeControl, FrameCodec, FrameKind, SenderRole, Subjects } from '@kvstore/contract';
import { configurationOf } from '@kvstore/raft';
import { nodeId, term } from '@kvstore/std';
import { eventually } from '@kvstore/testing';
import { type RemovalWatchOptions, watchRemoval } from './removal-watch.ts';

const [n1, n2, n3] = [1, 2, 3].map((i) => nodeId(`node-${i}`));
const identity = { cluster: 'dev', group: 'g0', secret: new Uint8Array(32).fill(1) };
const subjects = new Subjects(identity.cluster, identity.group);
const framesOf = (name: string): FrameCodec =>
  new FrameCodec({ ...identity, sender: { role: SenderRole.consensus, name, incarnation: 1 } });

let bus: MemoryBus;
let stop: () => Promise<void>;
const logged: string[] = [];

beforeEach(() => {
  bus = new MemoryBus();
  logged.length = 0;
});
afterEach(async () => {
  await stop();
  await bus.close();
});

/** Of node-3, whose members are the three. */
function watch(leader: string | undefined, voters = [n1!, n2!, n3!]): void {
  const sequencer = {
    configuration: configurationOf(voters),
    status: () => ({ leader }),
  } as unknown as RemovalWatchOptions['sequencer'];
  watchRemoval({
    sequencer,
    node: n3!,
    nodes: [n1!, n2!],
    bus,
    frames: framesOf('node-3'),
    subjects,
    self: { process: 'p3' },
    log: { event: (_level, message) => logged.push(message) },
    shutdown: { add: (_name, close) => (stop = close) },
    periodMs: 5,
  });
}

/** Answers as a member that knows who was removed; returns how often it was asked. */
function member(name: string, removed: readonly string[]): () => number {
  let asked = 0;
  bus.subscribe(subjects.control('consensus', name, 'hello'), (message) => {
    asked += 1;
    const known = { disk: 'd', clusterId: 'c', founders: {}, removed };
    const hello = { role: 'consensus', name, process: 'p', running: true, member: known };
    message.respond(framesOf(name).seal(FrameKind.controlReply, term(0), encodeControl(hello)));
  });
  return () => asked;
}

test('a member that hears no leader asks, and tells once that it was removed', async () => {
  const behind = member('node-1', []);
  const asked = member('node-2', ['node-3']);
  watch(undefined);
  await eventually('it is told', () => logged.length > 0);
  expect(logged).toEqual([expect.stringContaining('node-2 says that node-3 was removed')]);
  const [before, others] = [asked(), behind()];
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect([asked(), behind(), logged.length]).toEqual([before, others, 1]);
});

test('one that has no configuration yet asks whom it asked at its start', async () => {
  member('node-2', ['node-3']);
  watch(undefined, []);
  await eventually('it is told', () => logged.length > 0);
});

test('one that is a member asks and says nothing, and one that hears a leader does not ask', async () => {
  const asked = member('node-1', ['node-7']);
  watch(undefined);
  await eventually('it asks', () => asked() > 2);
  expect(logged).toEqual([]);
  await stop();
  watch('node-1');
  const before = asked();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(asked()).toBe(before);
});
