/** A gateway without any cleverness: proposes exactly the batches that a test says. */
import {
  appendCommand,
  beginBatch,
  type Bus,
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
import { eventually } from '@kvstore/testing';

type Encodable = Parameters<typeof encodeCommand>[1];

/** Where it proposes and asks. `LocalCluster` is one. */
export interface RawTarget {
  readonly bus: Bus;
  readonly identity: {
    readonly cluster: string;
    readonly group: string;
    readonly secret: Uint8Array;
  };
  /** The first one is proposed to and is the home; a test changes both below. */
  readonly nodes: readonly NodeId[];
}

export class RawGateway {
  /** Who is proposed to. */
  leader: NodeId;
  /** Who is asked for outcomes. */
  home: NodeId;
  readonly #bus: Bus;
  readonly #name: string;
  readonly #subjects: Subjects;
  readonly #frames: FrameCodec;

  constructor({ bus, identity, nodes }: RawTarget, name = 'raw') {
    this.#bus = bus;
    this.#name = name;
    this.leader = nodes[0] as NodeId;
    this.home = nodes[0] as NodeId;
    this.#subjects = new Subjects(identity.cluster, identity.group);
    this.#frames = new FrameCodec({
      ...identity,
      sender: { role: 'gateway', name, incarnation: 1 },
    });
  }

  /** Registers a session; resolves with its id. */
  async register(): Promise<number> {
    let session = 0;
    const subject = this.#subjects.gatewayOutcomes(this.#name);
    const subscription = this.#bus.subscribe(subject, ({ payload }) => {
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
    const route = { home: this.home, gateway: this.#name };
    const body = encodePropose({ route, batch: writer.finish() });
    const answer = await this.#bus.request(
      this.#subjects.consensus(this.leader, 'propose'),
      this.#frames.seal(FrameKind.propose, term(0), body),
      5_000,
    );
    const reply = this.#frames.receive(answer, FrameKind.proposeReply, decodeProposeReply)!.body;
    if (reply.kind !== 'committed') throw new Error(reply.kind);
    return reply.index;
  }

  /** Proposes a batch of one command and asks the home what it did. */
  async decide(session: number, batchNo: number, command: Encodable): Promise<Outcome> {
    const index = await this.propose(session, batchNo, [command]);
    const body = encodeOutcomesQuery({ session, minIndex: logIndex(index), batches: [batchNo] });
    const answer = await this.#bus.request(
      this.#subjects.storage(this.home, 'outcomes'),
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
