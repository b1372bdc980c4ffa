/** Routing by marks and beacons over the real bus, with a clock that the test turns. */
import { MemoryBus } from '@kvstore/bus';
import { encodeBeacon, encodeMark, FrameCodec, FrameKind, Subjects } from '@kvstore/contract';
import { chain, logIndex, type NodeId, nodeId, term } from '@kvstore/std';
import { Routing } from './routing.ts';

const [n1, n2, n3] = ['node-1', 'node-2', 'node-3'].map(nodeId) as [NodeId, NodeId, NodeId];
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(1) };
const subjects = new Subjects('test', 'g0');
const codec = (role: 'consensus' | 'storage' | 'gateway', name: string): FrameCodec =>
  new FrameCodec({ ...identity, sender: { role, name, incarnation: 1 } });
const delivered = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Scene {
  readonly bus = new MemoryBus();
  readonly time = { ms: 10_000 };
  newTerms = 0;
  readonly routing = new Routing({
    lanes: { data: this.bus, control: this.bus },
    frames: codec('gateway', 'gateway-1'),
    subjects,
    clock: { monotonicMs: () => this.time.ms, wallMs: () => 0 },
    home: n2,
    nodes: [n1, n2, n3],
    onNewTerm: () => {
      this.newTerms += 1;
    },
  });

  constructor() {
    this.routing.start();
  }

  async mark(leader: NodeId, atTerm: number): Promise<void> {
    const body = encodeMark({
      clusterTag: 1,
      commitIndex: logIndex(1),
      chain: chain(0),
      cutPoint: logIndex(0),
      flushTo: logIndex(0),
      archiveFrom: logIndex(2),
      epoch: 0,
      members: [n1, n2, n3],
    });
    this.bus.publish(
      subjects.mark,
      codec('consensus', leader).seal(FrameKind.mark, term(atTerm), body),
    );
    await delivered();
  }

  async beacons(
    applied: Readonly<Record<string, number>>,
    healthy = true,
    clusterTag = 1,
  ): Promise<void> {
    for (const [node, index] of Object.entries(applied)) {
      const body = encodeBeacon({
        clusterTag,
        applied: logIndex(index),
        durable: logIndex(0),
        chain: chain(0),
        nextDue: undefined,
        healthy,
        wallMs: 0,
      });
      this.bus.publish(
        subjects.beacon,
        codec('storage', node).seal(FrameKind.beacon, term(0), body),
      );
    }
    await delivered();
  }
}

describe('routing', () => {
  let scene: Scene;

  beforeEach(() => {
    scene = new Scene();
  });
  afterEach(async () => {
    scene.routing.stop();
    await scene.bus.close();
  });

  test('follows marks to a newer term and never back', async () => {
    expect(scene.routing.leader).toBeUndefined();
    await scene.mark(n1, 4);
    await scene.mark(n2, 3);
    expect(scene.routing.leader).toBe(n1);
    await scene.mark(n3, 5);
    expect(scene.routing.leader).toBe(n3);
    expect(scene.newTerms).toBe(2);
  });

  test('a leader that has been silent for a second is unknown', async () => {
    await scene.mark(n1, 4);
    scene.time.ms += 1_000;
    expect(scene.routing.leader).toBe(n1);
    scene.time.ms += 1;
    expect(scene.routing.leader).toBeUndefined();
  });

  test('a refusal points elsewhere only when it comes from whom we thought to lead', async () => {
    await scene.mark(n1, 4);
    scene.routing.hint(n2, n3);
    expect(scene.routing.leader).toBe(n1);
    scene.routing.hint(n1, n3);
    expect(scene.routing.leader).toBe(n3);
  });

  test('the home stays while it is heard and moves when it is not', async () => {
    await scene.beacons({ 'node-1': 5, 'node-2': 5, 'node-3': 5 });
    expect(scene.routing.home).toBe(n2);
    scene.time.ms += 1_900;
    await scene.beacons({ 'node-1': 5, 'node-3': 5 });
    expect(scene.routing.home).toBe(n2);
    scene.time.ms += 200;
    expect(scene.routing.home).toBe(n1);
    await scene.beacons({ 'node-2': 5 });
    expect(scene.routing.home).toBe(n1);
    expect(scene.routing.homeChanges).toBe(1);
  });

  test('a home that says it is unhealthy, or falls far behind, is given up', async () => {
    await scene.beacons({ 'node-1': 5_000, 'node-3': 5_000 });
    await scene.beacons({ 'node-2': 5_000 }, false);
    expect(scene.routing.home).toBe(n1);
    await scene.beacons({ 'node-1': 5_000, 'node-3': 7_001 });
    expect(scene.routing.home).toBe(n3);
    expect(scene.routing.storages()).toEqual([n3, n1]);
  });

  test('a storage with the data of another cluster is never asked, whenever it is heard', async () => {
    await scene.beacons({ 'node-1': 5 });
    await scene.beacons({ 'node-2': 5 }, true, 2);
    await scene.mark(n1, 1);
    expect(scene.routing.storages()).toEqual([n1]);
    await scene.beacons({ 'node-3': 5 }, true, 2);
    expect(scene.routing.storages()).toEqual([n1]);
  });

  test('a storage that does not answer goes to the end of the line until its breaker closes', async () => {
    await scene.beacons({ 'node-1': 5, 'node-2': 5 });
    for (let i = 0; i < 3; i++) scene.routing.failed(n2);
    expect(scene.routing.storages()).toEqual([n1, n2]);
    expect(scene.routing.breakerTrips).toBe(1);
    for (let i = 0; i < 3; i++) scene.routing.failed(n1);
    expect(scene.routing.storages()).toHaveLength(2);
    scene.time.ms += 300;
    scene.routing.answered(n1);
    scene.routing.answered(n2);
    expect(scene.routing.home).toBe(n1);
  });
});
