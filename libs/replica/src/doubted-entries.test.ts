/** Entries that do not continue a replica's chain: whom they accuse, and when they fence it. */
import { MemoryBus } from '@kvstore/bus';
import {
  decodePull,
  encodeEntryBody,
  encodeLive,
  encodeMark,
  encodePullReply,
  FrameCodec,
  FrameKind,
  FrameRefusal,
  type LogEntry,
  Subjects,
} from '@kvstore/contract';
import {
  chain,
  LOG_START,
  logIndex,
  logTimeMs,
  nextChain,
  type NodeId,
  nodeId,
  term,
} from '@kvstore/std';
import { eventually, MemoryReplicaStore, realClock, realTimers } from '@kvstore/testing';
import { Replica } from './replica.ts';

const [n1, n2, n3] = [nodeId('node-1'), nodeId('node-2'), nodeId('node-3')];
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(1) };
const subjects = new Subjects('test', 'g0');
const [OURS, THEIRS] = [1, 2];
const codec = (node: NodeId): FrameCodec =>
  new FrameCodec({ ...identity, sender: { role: 'consensus', name: node, incarnation: 1 } });

/** `count` entries that continue one another; another `of`, another history. */
function logOf(count: number, of: number): LogEntry[] {
  const entries: LogEntry[] = [];
  let at = LOG_START.chain;
  for (let i = 1; i <= count; i++) {
    const body = encodeEntryBody({ stamp: logTimeMs(i), epoch: of }, []);
    const [index, atTerm, kind] = [logIndex(i), term(1), 1 as const];
    at = nextChain(at, index, atTerm, kind, body);
    entries.push({ index, term: atTerm, kind, chain: at, body });
  }
  return entries;
}
const [log, other] = [logOf(20, 1), logOf(20, 2)];

let bus: MemoryBus;
let replica: Replica;
let failures: unknown[];
let entriesPerPull: number;
/** What each node's consensus answers to pulls, and of which cluster it says that it is. */
let logs: Map<NodeId, { readonly entries: readonly LogEntry[]; readonly clusterTag: number }>;

beforeEach(() => {
  bus = new MemoryBus();
  failures = [];
  entriesPerPull = 3;
  logs = new Map([n1, n2, n3].map((node) => [node, { entries: log, clusterTag: OURS }]));
  for (const node of [n1, n2, n3]) {
    const receiving = codec(node);
    bus.subscribe(subjects.consensus(node, 'pull'), (message) => {
      const { from } = receiving.receive(message.payload, FrameKind.pull, decodePull)!.body;
      const { entries, clusterTag } = logs.get(node)!;
      const body = encodePullReply({
        clusterTag,
        commitIndex: logIndex(entries.length),
        firstIndex: logIndex(1),
        entries: entries.filter(({ index }) => index >= from).slice(0, entriesPerPull),
      });
      message.respond(receiving.seal(FrameKind.pullReply, term(1), body));
    });
  }
  replica = new Replica({
    ...identity,
    node: n1,
    incarnation: 1,
    clusterTag: OURS,
    consensusNodes: [n1, n2, n3],
    lanes: { data: bus, control: bus },
    store: new MemoryReplicaStore(),
    clock: realClock,
    timers: realTimers,
    onFatal: (error) => failures.push(error),
  });
  replica.start();
});
afterEach(async () => {
  await replica.stop();
  await bus.close();
  expect(failures).toEqual([]);
});

function publish(entry: LogEntry, clusterTag = OURS): void {
  const body = encodeLive({ clusterTag, entry, routes: [] });
  bus.publish(subjects.live, codec(n1).seal(FrameKind.live, term(1), body));
}

function mark(commitIndex: number, at = log[commitIndex - 1]!.chain): void {
  const body = encodeMark({
    clusterTag: OURS,
    commitIndex: logIndex(commitIndex),
    chain: at,
    cutPoint: logIndex(0),
    flushTo: logIndex(0),
    epoch: 0,
    archiveFrom: logIndex(0),
    members: [n1, n2, n3],
  });
  bus.publish(subjects.mark, codec(n1).seal(FrameKind.mark, term(1), body));
}

const applied = (): number => replica.status().appliedIndex;
const reached = (index: number): Promise<void> =>
  eventually(`${index} is applied`, () => applied() === index);

test('a live entry of another cluster is nothing to this one', async () => {
  publish(other[0]!, THEIRS);
  publish(other[4]!, THEIRS);
  publish(log[0]!);
  await reached(1);
  expect(replica.frames.refused.get(FrameRefusal.foreign)).toBe(2);
  for (const entry of log.slice(1, 6)) publish(entry);
  await reached(6);
  expect(replica.counters).toMatchObject({ fences: 0, entriesRefused: 0 });
});

test('a live entry that does not continue the chain is dropped, with what is held, and pulled', async () => {
  publish(other[6]!);
  publish(other[7]!);
  mark(12);
  await reached(12);
  expect(replica.status().chain).toBe(log[11]!.chain);
  expect(replica.counters).toMatchObject({ fences: 0, entriesRefused: 1 });
  publish(other[12]!);
  mark(15);
  await reached(15);
  expect(replica.counters).toMatchObject({ fences: 0, entriesRefused: 2 });
});

test('what one consensus alone says fences nobody: another one is asked', async () => {
  logs.set(n1, { entries: other, clusterTag: OURS });
  mark(12);
  await reached(12);
  expect(replica.counters.fences).toBe(0);
});

test('a consensus of another cluster that answers to a pull accuses nobody', async () => {
  for (const node of [n1, n2]) logs.set(node, { entries: other, clusterTag: THEIRS });
  mark(12);
  await reached(12);
  expect(replica.counters).toMatchObject({ fences: 0, entriesRefused: 0 });
});

test('what two of its consensus nodes hold does not continue its chain: it is fenced', async () => {
  mark(3);
  await reached(3);
  entriesPerPull = 1;
  for (const node of [n1, n2, n3]) logs.set(node, { entries: other, clusterTag: OURS });
  mark(12, other[11]!.chain);
  await eventually('it is fenced', () => replica.counters.fences > 0);
  expect(replica.fenced).toContain('does not continue the chain');
  await reached(12);
  expect(replica.status().chain).toBe(other[11]!.chain);
});

test('a mark that has another chain where it stands fences it', async () => {
  mark(3);
  await reached(3);
  mark(3, chain(12));
  await eventually('it is fenced', () => replica.counters.fences === 1);
});
