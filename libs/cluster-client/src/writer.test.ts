/** The writer against a leader that a test scripts, over the real bus. */
import { MemoryBus } from '@kvstore/bus';
import {
  decodeBatch,
  decodePropose,
  encodeBeacon,
  encodeMark,
  encodeOutcomesFrame,
  encodeProposeReply,
  FrameCodec,
  FrameKind,
  OutcomeStatus,
  type ProposeReply,
  Subjects,
} from '@kvstore/contract';
import {
  chain,
  encodeUtf8,
  logIndex,
  logTimeMs,
  nodeId,
  revision,
  SeededRandom,
  term,
} from '@kvstore/std';
import { type Batch, encodeOutcomes, type Outcome } from '@kvstore/state-machine';
import { eventually, realClock, realTimers } from '@kvstore/testing';
import { ClusterClient } from './cluster-client.ts';
import type { PutRequest } from './kv-client.ts';

const node = nodeId('node-1');
const identity = { cluster: 'test', group: 'g0', secret: new Uint8Array(32).fill(1) };

const put = (key: string): PutRequest => ({
  kind: 'put',
  namespace: 'default',
  key: encodeUtf8(key),
  value: encodeUtf8('v'),
  contentType: 'text/plain',
  tags: [],
  ttlMs: undefined,
  conditions: [],
  principal: 'anonymous',
  idempotencyKey: undefined,
});

const outcomeOf = (batch: Batch): readonly Outcome[] =>
  batch.commands.map((command) =>
    command.kind === 'register-session'
      ? { kind: 'session-registered', session: 1024 }
      : command.kind === 'keep-alive'
        ? { kind: 'kept-alive' }
        : {
            kind: 'put',
            revision: revision(1),
            version: 1,
            createRevision: revision(1),
            createdAt: logTimeMs(1),
            updatedAt: logTimeMs(1),
            expiresAt: undefined,
          },
  );

/** A leader and home storage in one: answers proposals as `script` says. */
class ScriptedNode {
  readonly bus = new MemoryBus();
  readonly proposed: Batch[] = [];
  /** What to do with the next batches; then everything commits and is applied. */
  readonly script: ((batch: Batch) => ProposeReply | 'silence')[] = [];
  readonly #subjects = new Subjects('test', 'g0');
  readonly #consensus = new FrameCodec({
    ...identity,
    sender: { role: 'consensus', name: node, incarnation: 1 },
  });
  readonly #storage = new FrameCodec({
    ...identity,
    sender: { role: 'storage', name: node, incarnation: 1 },
  });
  readonly #heartbeat: NodeJS.Timeout;

  constructor() {
    this.bus.subscribe(this.#subjects.consensus(node, 'propose'), ({ payload, respond }) => {
      const received = this.#consensus.receive(payload, FrameKind.propose, decodePropose);
      const batch = decodeBatch(received!.body.batch);
      this.proposed.push(batch);
      const next = batch.session === 0 ? undefined : this.script.shift();
      const reply = next?.(batch) ?? { kind: 'committed', index: logIndex(1) };
      if (reply === 'silence') return;
      respond(this.#consensus.seal(FrameKind.proposeReply, term(1), encodeProposeReply(reply)));
      if (reply.kind === 'committed') this.apply(batch);
    });
    this.#heartbeat = setInterval(() => this.#announce(), 5);
  }

  apply(batch: Batch): void {
    const bytes = encodeOutcomes({ kind: 'applied', outcomes: outcomeOf(batch) });
    const { session, batchNo } = batch;
    const body = encodeOutcomesFrame({
      session,
      batches: [{ batchNo, status: OutcomeStatus.decided, bytes }],
    });
    const frame = this.#storage.seal(FrameKind.outcomes, term(0), body);
    this.bus.publish(this.#subjects.gatewayOutcomes('gateway-1'), frame);
  }

  async stop(): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.bus.close();
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
      members: [node],
    });
    this.bus.publish(this.#subjects.mark, this.#consensus.seal(FrameKind.mark, term(1), mark));
    const beacon = encodeBeacon({
      clusterTag: 1,
      applied: logIndex(1),
      durable: logIndex(0),
      chain: chain(0),
      nextDue: undefined,
      healthy: true,
      wallMs: Date.now(),
    });
    this.bus.publish(this.#subjects.beacon, this.#storage.seal(FrameKind.beacon, term(0), beacon));
  }
}

describe('a writer', () => {
  let scripted: ScriptedNode;
  let client: ClusterClient;
  const failures: unknown[] = [];

  beforeEach(async () => {
    scripted = new ScriptedNode();
    client = new ClusterClient({
      ...identity,
      gateway: 'gateway-1',
      incarnation: 1,
      nodes: [node],
      home: node,
      lanes: { data: scripted.bus, control: scripted.bus },
      clock: realClock,
      timers: realTimers,
      random: new SeededRandom(1),
      onFatal: (error) => failures.push(error),
    });
    client.start();
    await eventually('ready', () => client.notReady === undefined);
  });
  afterEach(async () => {
    client.stop();
    await scripted.stop();
    expect(failures).toEqual([]);
  });

  const keysProposed = (): readonly string[] =>
    scripted.proposed.flatMap(({ commands }) =>
      commands.map((command) =>
        command.kind === 'put' ? Buffer.from(command.key).toString() : command.kind,
      ),
    );

  test('makes one batch of the requests of following turns, while each brings more, of five at most', async () => {
    const answers: Promise<unknown>[] = [];
    await new Promise<void>((resolve) => {
      const more = (): void => {
        if (answers.length === 8) {
          resolve();
          return;
        }
        // Why first: the next request comes before the writer looks at its queue again.
        setImmediate(more);
        answers.push(client.write(put(`key-${answers.length}`), 5_000));
      };
      more();
    });
    await Promise.all(answers);
    const sizes = scripted.proposed
      .filter(({ session }) => session !== 0)
      .map(({ commands }) => commands.length);
    expect(sizes).toEqual([5, 3]);
  });

  test('never sends a command again that it has called certainly not applied', async () => {
    const refusing = { until: performance.now() + 150 };
    const notLeader = (): ProposeReply => ({ kind: 'not-leader', leader: node });
    for (let i = 0; i < 50; i++) {
      scripted.script.push(() =>
        performance.now() < refusing.until
          ? notLeader()
          : { kind: 'committed', index: logIndex(1) },
      );
    }
    const [impatient, patient] = [client.write(put('short'), 60), client.write(put('long'), 5_000)];
    expect(await impatient).toMatchObject({ kind: 'failure', code: 'DEADLINE_EXCEEDED' });
    const sentBefore = scripted.proposed.length;
    expect(await patient).toMatchObject({ kind: 'decided', outcome: { kind: 'put' } });
    const later = scripted.proposed.slice(sentBefore).flatMap(({ commands }) => commands);
    expect(
      later.map((command) => command.kind === 'put' && Buffer.from(command.key).toString()),
    ).not.toContain('short');
    expect(keysProposed().filter((key) => key === 'short').length).toBeGreaterThan(0);
  });

  test('says that the commit is unknown once a copy may be in the log', async () => {
    scripted.script.push(() => 'silence');
    expect(await client.write(put('a'), 60)).toMatchObject({ code: 'COMMIT_UNKNOWN' });
  });

  test('proposes the same bytes again when the leader does not answer', async () => {
    scripted.script.push(() => 'silence');
    expect(await client.write(put('a'), 5_000)).toMatchObject({ kind: 'decided' });
    const [first, second] = scripted.proposed.filter(({ session }) => session !== 0);
    expect(second).toEqual(first);
  });

  test('passes on a refusal when no other copy exists, with the reason', async () => {
    scripted.script.push(() => ({ kind: 'refused', reason: 2 }));
    expect(await client.write(put('a'), 1_000)).toMatchObject({ code: 'UNAVAILABLE' });
    scripted.script.push(() => ({ kind: 'refused', reason: 1 }));
    expect(await client.write(put('a'), 1_000)).toMatchObject({ code: 'OVERLOADED' });
  });

  test('does not believe a refusal of a second copy while the first may be in the log', async () => {
    scripted.script.push(
      () => 'silence',
      () => ({ kind: 'refused', reason: 1 }),
    );
    expect(await client.write(put('a'), 400)).toMatchObject({ code: 'COMMIT_UNKNOWN' });
  });

  test('bounds what waits, in number and bytes', async () => {
    for (let i = 0; i < 20_000; i++) scripted.script.push(() => 'silence');
    const answers = Array.from({ length: 20_000 }, (_, i) => client.write(put(`k${i}`), 100));
    const codes = await Promise.all(answers);
    const overloaded = codes.filter(
      (each) => each.kind === 'failure' && each.code === 'OVERLOADED',
    );
    expect(overloaded.length).toBe(20_000 - 16_384);
  });
});
