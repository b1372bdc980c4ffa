/** A gateway without any cleverness: proposes exactly the batches that a test says. */
import {
  appendCommand,
  beginBatch,
  decodeOutcomesFrame,
  decodeProposeReply,
  encodeCommand,
  encodeOutcomesQuery,
  encodePropose,
  FrameCodec,
  FrameKind,
  Subjects,
} from '@kvstore/contract';
import { ByteWriter, logIndex, type NodeId, term } from '@kvstore/std';
import { decodeOutcomes, type Outcome } from '@kvstore/state-machine';
import { eventually, type LocalCluster } from '@kvstore/testing';

type Encodable = Parameters<typeof encodeCommand>[1];

export class RawGateway {
  readonly #cluster: LocalCluster;
  readonly #node: NodeId;
  readonly #subjects: Subjects;
  readonly #frames: FrameCodec;

  constructor(cluster: LocalCluster) {
    const { cluster: name, group } = cluster.identity;
    this.#cluster = cluster;
    this.#node = cluster.nodes[0] as NodeId;
    this.#subjects = new Subjects(name, group);
    this.#frames = new FrameCodec({
      ...cluster.identity,
      sender: { role: 'gateway', name: 'raw', incarnation: 1 },
    });
  }

  /** Registers a session; resolves with its id. */
  async register(): Promise<number> {
    let session = 0;
    const subject = this.#subjects.gatewayOutcomes('raw');
    const subscription = this.#cluster.bus.subscribe(subject, ({ payload }) => {
      const outcome = firstOutcome(
        this.#frames.receive(payload, FrameKind.outcomes, decodeOutcomesFrame)!.body,
      );
      if (outcome.kind === 'session-registered') session = outcome.session;
    });
    await this.propose(0, 77, [{ kind: 'register-session', ttlMs: 60_000 }]);
    await eventually('registered', () => session !== 0);
    subscription.unsubscribe();
    return session;
  }

  /** The index at which the batch was committed. */
  async propose(session: number, batchNo: number, commands: readonly Encodable[]): Promise<number> {
    const writer = new ByteWriter(64);
    beginBatch(writer, { session, batchNo, doneBelow: 1, commands: commands.length });
    for (const command of commands) appendCommand(writer, (into) => encodeCommand(into, command));
    const route = { home: this.#node, gateway: 'raw' };
    const body = encodePropose({ route, batch: writer.finish() });
    const answer = await this.#cluster.bus.request(
      this.#subjects.consensus(this.#node, 'propose'),
      this.#frames.seal(FrameKind.propose, term(0), body),
      5_000,
    );
    const reply = this.#frames.receive(answer, FrameKind.proposeReply, decodeProposeReply)!.body;
    if (reply.kind !== 'committed') throw new Error(reply.kind);
    return reply.index;
  }

  /** Proposes a batch of one command and asks the storage what it did. */
  async decide(session: number, batchNo: number, command: Encodable): Promise<Outcome> {
    const index = await this.propose(session, batchNo, [command]);
    const body = encodeOutcomesQuery({ session, minIndex: logIndex(index), batches: [batchNo] });
    const answer = await this.#cluster.bus.request(
      this.#subjects.storage(this.#node, 'outcomes'),
      this.#frames.seal(FrameKind.outcomesQuery, term(0), body),
      5_000,
    );
    return firstOutcome(
      this.#frames.receive(answer, FrameKind.outcomes, decodeOutcomesFrame)!.body,
    );
  }
}

function firstOutcome({ batches }: ReturnType<typeof decodeOutcomesFrame>): Outcome {
  const batch = decodeOutcomes(batches[0]!.bytes);
  if (batch.kind !== 'applied') throw new Error(batch.kind);
  return batch.outcomes[0]!;
}
