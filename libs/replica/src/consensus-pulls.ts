/** Pulls of committed entries, one by one, from the consensus of whichever member. */
import {
  type Bus,
  BusError,
  ConsensusOperation,
  decodePullReply,
  encodePull,
  type FrameCodec,
  FrameKind,
  FrameRefusal,
  type PullReply,
  type Subjects,
} from '@kvstore/contract';
import { type LogIndex, type NodeId, term } from '@kvstore/std';

export interface ConsensusPullsOptions {
  /** To begin with, the own node first; marks tell who they are from then on. */
  readonly nodes: readonly NodeId[];
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  /** Whose log is wanted; an answer of another cluster is none. */
  readonly clusterTag: () => number | undefined;
}

/** A lost pull costs this much; a slow disk answers a repeated one all the same. */
const PULL_TIMEOUT_MS = 200;

export class ConsensusPulls {
  readonly #options: ConsensusPullsOptions;
  #nodes: readonly NodeId[];
  sent = 0;

  constructor(options: ConsensusPullsOptions) {
    this.#options = options;
    this.#nodes = options.nodes;
  }

  /** The own node first. */
  get nodes(): readonly NodeId[] {
    return this.#nodes;
  }

  /** What a mark says: whose consensus can be asked. */
  heardMembers(members: readonly NodeId[]): void {
    const own = this.#options.nodes.slice(0, 1);
    this.#nodes = [...own, ...members.filter((node) => !own.includes(node))];
  }

  /** At least one entry when there is one; undefined when nobody answers. */
  async pull(node: NodeId, from: LogIndex, maxBytes: number): Promise<PullReply | undefined> {
    const { bus, frames, subjects } = this.#options;
    this.sent += 1;
    try {
      const frame = frames.seal(FrameKind.pull, term(0), encodePull({ from, maxBytes }));
      const subject = subjects.consensus(node, ConsensusOperation.pull);
      const answer = await bus.request(subject, frame, PULL_TIMEOUT_MS);
      const received = frames.receive(answer, FrameKind.pullReply, decodePullReply);
      if (received?.frame.sender.name !== node) return undefined;
      if (received.body.clusterTag === this.#options.clusterTag()) return received.body;
      frames.refuse(FrameRefusal.foreign);
      return undefined;
    } catch (error) {
      if (error instanceof BusError) return undefined;
      throw error;
    }
  }
}
