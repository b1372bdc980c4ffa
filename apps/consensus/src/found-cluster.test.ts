/** What the first start of a member makes of it: files of its own, and others that answer. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryBus } from '@kvstore/bus';
import {
  clusterIdOf,
  encodeControl,
  FrameCodec,
  FrameKind,
  type MemberHello,
  SenderRole,
  Subjects,
} from '@kvstore/contract';
import { NodeDisk } from '@kvstore/disk';
import { DataDirectory, type KvLogger, type NodeContext, Self } from '@kvstore/nest-kit';
import { nodeId, SeededRandom, term } from '@kvstore/std';
import { realClock, realTimers } from '@kvstore/testing';
import { Consensus } from './consensus.ts';
import { foundCluster } from './found-cluster.ts';

const [n1, n2, n3, n4] = [1, 2, 3, 4].map((i) => nodeId(`node-${i}`));
const identity = { cluster: 'dev', group: 'g0', secret: new Uint8Array(32).fill(1) };
const subjects = new Subjects(identity.cluster, identity.group);
const log = { event: () => undefined } as unknown as KvLogger;
const framesOf = (name: string): FrameCodec =>
  new FrameCodec({ ...identity, sender: { role: SenderRole.consensus, name, incarnation: 1 } });

let bus: MemoryBus;
let path: string;

beforeEach(() => {
  bus = new MemoryBus();
  path = mkdtempSync(join(tmpdir(), 'kvstore-founding-'));
});
afterEach(async () => {
  await bus.close();
  rmSync(path, { recursive: true });
});

/** Of a start of `node` on the directory of this test, told to ask `nodes`. */
async function open(
  node: NodeContext['node'],
  nodes: NodeContext['nodes'],
): Promise<{ readonly consensus: Consensus; readonly context: NodeContext }> {
  const disk = new NodeDisk(path);
  const directory = await DataDirectory.open(disk, path, { cluster: identity.cluster, node });
  const { incarnation, established } = directory.identity;
  const context: NodeContext = {
    ...identity,
    ...{ node, nodes, directory, incarnation, established, disk, dataPath: path },
    lanes: { data: bus, control: bus },
    clock: realClock,
    timers: realTimers,
    random: new SeededRandom(1),
    onFatal: (error) => {
      throw error;
    },
  };
  return { context, consensus: await Consensus.open(context, {}, log) };
}

const found = (context: NodeContext): Promise<string> =>
  foundCluster({
    context,
    bus,
    subjects,
    log,
    frames: framesOf(context.node),
    self: new Self('consensus', context.node),
  });

/** Somebody answers `hello` as that consensus. */
function answer(name: string, member: MemberHello): void {
  bus.subscribe(subjects.control('consensus', name, 'hello'), (message) => {
    const hello = { role: 'consensus', name, process: name, running: true, member };
    message.respond(framesOf(name).seal(FrameKind.controlReply, term(0), encodeControl(hello)));
  });
}

const founders = { [n1!]: 'disk-1', [n2!]: 'disk-2', [n3!]: 'disk-3' };
const begun = (disk: string, more: Partial<MemberHello> = {}): MemberHello => ({
  disk,
  clusterId: clusterIdOf(founders),
  founders,
  ...more,
});

test.each([
  ['that is listed among those it asks', [n1!, n2!, n3!, n4!]],
  ['that is not', [n1!, n2!, n3!]],
])('the first start of an admitted node %s is without any configuration', async (_, nodes) => {
  const { consensus, context } = await open(n4!, nodes);
  const { disk } = context.directory.identity;
  answer(n1!, begun('disk-1', { admitted: { [n4!]: disk } }));
  expect(consensus.sequencer).toBeUndefined();
  expect(consensus.status()).toMatchObject({ clusterId: undefined, lastIndex: 0, progress: [] });
  expect(await found(context)).toBe(clusterIdOf(founders));
  const sequencer = consensus.begin();
  expect(sequencer.configuration.voters).toEqual([]);
  await sequencer.stop();

  const again = await open(n4!, nodes);
  await found(again.context);
  expect(again.consensus.begin().configuration.voters).toEqual([]);
  await again.consensus.sequencer?.stop();
});

test('a founder that comes late, after members changed, votes among the founders', async () => {
  const { consensus, context } = await open(n3!, [n1!, n2!, n3!, n4!]);
  const told = { ...founders, [n3!]: context.directory.identity.disk };
  answer(n1!, begun('disk-1', { clusterId: clusterIdOf(told), founders: told }));
  expect(await found(context)).toBe(clusterIdOf(told));
  const sequencer = consensus.begin();
  expect(sequencer.configuration.voters).toEqual([n1, n2, n3]);
  await sequencer.stop();
});

test('those that found a cluster vote among themselves, and nobody before they have', async () => {
  const { consensus, context } = await open(n1!, [n1!, n2!]);
  expect(() => consensus.begin()).toThrow('a member begins when its founders are known');
  answer(n2!, { disk: 'disk-2', clusterId: undefined, founders: undefined });
  const { disk } = context.directory.identity;
  expect(await found(context)).toBe(clusterIdOf({ [n1!]: disk, [n2!]: 'disk-2' }));
  const sequencer = consensus.begin();
  expect(sequencer.configuration.voters).toEqual([n1, n2]);
  await sequencer.stop();
});
