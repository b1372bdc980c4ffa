/** The reader against a leader that grants every round and storages of which some are silent. */
import { MemoryBus } from '@kvstore/bus';
import {
  AnswerKind,
  decodeRead,
  encodeBeacon,
  encodeMark,
  encodeReadIndexReply,
  encodeReadReply,
  FrameCodec,
  FrameKind,
  ReadStatus,
  Subjects,
} from '@kvstore/contract';
import {
  chain,
  decodeUtf8,
  encodeUtf8,
  logIndex,
  type NodeId,
  nodeId,
  revision,
  SeededRandom,
  term,
} from '@kvstore/std';
import { eventually, realClock, realTimers } from '@kvstore/testing';
import { ClusterClient } from './cluster-client.ts';
import type { GetRequest } from './kv-client.ts';

const nodes = ['node-1', 'node-2', 'node-3'].map(nodeId);
const [leader, other] = nodes as [NodeId, NodeId, NodeId];
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(1) };
const NOTHING = new Uint8Array(0);

const get = (key: string): GetRequest => ({
  namespace: 'default',
  key: encodeUtf8(key),
  atRevision: undefined,
  consistency: { kind: 'linearizable' },
  minRevision: undefined,
});

/** A leader, and storages in which there is no key. */
class ScriptedCluster {
  readonly bus = new MemoryBus();
  /** Storages that hear everything and say nothing but that they are well. */
  readonly silent = new Set<NodeId>();
  /** Keys that each storage was asked for. */
  readonly asked = new Map(nodes.map((node) => [node, [] as string[]]));
  readonly #subjects = new Subjects('test', 'g0');
  readonly #heartbeat: NodeJS.Timeout;

  constructor() {
    this.bus.subscribe(this.#subjects.consensus(leader, 'read-index'), ({ respond }) => {
      const granted = encodeReadIndexReply({ kind: 'granted', index: logIndex(1) });
      respond(frames('consensus', leader).seal(FrameKind.readIndexReply, term(1), granted));
    });
    for (const node of nodes) this.#listen(node);
    this.#heartbeat = setInterval(() => this.#announce(), 5);
  }

  async stop(): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.bus.close();
  }

  #listen(node: NodeId): void {
    const codec = frames('storage', node);
    this.bus.subscribe(this.#subjects.storage(node, 'read'), ({ payload, respond }) => {
      const { reads } = codec.receive(payload, FrameKind.read, decodeRead)!.body;
      this.asked.get(node)!.push(...reads.map(({ key }) => decodeUtf8(key)));
      if (this.silent.has(node)) return;
      const answers = reads.map(() => ({ kind: AnswerKind.notFound, bytes: NOTHING }));
      const reply = { status: ReadStatus.served, revision: revision(1), answers };
      respond(codec.seal(FrameKind.readReply, term(0), encodeReadReply(reply)));
    });
  }

  #announce(): void {
    const mark = encodeMark({
      clusterTag: 1,
      commitIndex: logIndex(1),
      chain: chain(0),
      cutPoint: logIndex(0),
      flushTo: logIndex(0),
      archiveFrom: logIndex(2),
      epoch: 0,
      members: nodes,
    });
    const sealed = frames('consensus', leader).seal(FrameKind.mark, term(1), mark);
    this.bus.publish(this.#subjects.mark, sealed);
    for (const node of nodes) {
      const beacon = encodeBeacon({
        clusterTag: 1,
        applied: logIndex(1),
        durable: logIndex(0),
        chain: chain(0),
        nextDue: undefined,
        healthy: true,
        wallMs: Date.now(),
      });
      const frame = frames('storage', node).seal(FrameKind.beacon, term(0), beacon);
      this.bus.publish(this.#subjects.beacon, frame);
    }
  }
}

function frames(role: 'consensus' | 'storage', name: NodeId): FrameCodec {
  return new FrameCodec({ ...identity, sender: { role, name, incarnation: 1 } });
}

describe('a reader', () => {
  let cluster: ScriptedCluster;
  let client: ClusterClient;
  const failures: unknown[] = [];

  beforeEach(async () => {
    cluster = new ScriptedCluster();
    client = new ClusterClient({
      ...identity,
      gateway: 'gateway-1',
      incarnation: 1,
      nodes,
      home: leader,
      lanes: { data: cluster.bus, control: cluster.bus },
      clock: realClock,
      timers: realTimers,
      random: new SeededRandom(1),
      onFatal: (error) => failures.push(error),
    });
    client.start();
    await eventually('every storage is heard', async () => {
      const { kind } = await client.get(get('first'), 1_000);
      return kind === 'not-found';
    });
  });

  afterEach(async () => {
    client.stop();
    await cluster.stop();
    expect(failures).toEqual([]);
  });

  test('asks no storage again that did not answer, whoever it travels with', async () => {
    cluster.silent.add(leader);
    const asking = performance.now();
    const answers = [client.get(get('first asked'), 5_000)];
    await eventually('it waits there', () => cluster.asked.get(leader)!.includes('first asked'));
    await eventually('it is given up soon', () => performance.now() - asking > 200);
    // Fresh reads all the while: the one that is asked again finds them in its round.
    for (let read = 0; performance.now() - asking < 400; read++) {
      answers.push(client.get(get(`key-${read}`), 5_000));
      await new Promise(setImmediate);
    }
    for (const answer of await Promise.all(answers)) expect(answer.kind).toBe('not-found');
    const asked = cluster.asked.get(leader)!;
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.filter((key, at) => asked.indexOf(key) !== at)).toEqual([]);
  });

  test('comes back to a storage when no other has answered', async () => {
    for (const node of nodes) cluster.silent.add(node);
    const answer = client.get(get('late'), 5_000);
    const timesAsked = (): number =>
      [...cluster.asked.values()].flat().filter((key) => key === 'late').length;
    await eventually('all have been asked', () => timesAsked() === nodes.length);
    cluster.silent.delete(other);
    expect((await answer).kind).toBe('not-found');
  });
});
