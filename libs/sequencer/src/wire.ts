/**
 * The frames of one replica on the bus: opens and decodes what it hears, seals under its term what it says.
 *
 * Invariant: a message of another founded cluster, or of a former start of its sender, is dropped and counted.
 */
import {
  type Beacon,
  type BusMessage,
  type BusSubscription,
  clusterTagOf,
  ConsensusOperation,
  ControlOperation,
  decodeBeacon,
  decodeMark,
  decodePropose,
  decodePull,
  encodeLive,
  encodeMark,
  encodeProposeReply,
  encodePullReply,
  encodeReadIndexReply,
  FrameCodec,
  FrameKind,
  FrameRefusal,
  type Lanes,
  type Live,
  type Mark,
  type MemberHello,
  type Propose,
  type ProposeReply,
  type Pull,
  type PullReply,
  type ReadIndexReply,
  requestHello,
  SenderRole,
  Subjects,
} from '@kvstore/contract';
import type { Message } from '@kvstore/raft';
import { isNodeId, type NodeId, type Term } from '@kvstore/std';
import { FormerStarts } from './former-starts.ts';
import { decodeMessage, encodeMessage } from './raft-codec.ts';
import type { SequencerOptions } from './sequencer-options.ts';

/** What is heard; replies may be given later, each once. */
export interface WireListener {
  propose(propose: Propose, reply: (reply: ProposeReply) => void): void;
  readIndex(reply: (reply: ReadIndexReply) => void): void;
  pull(pull: Pull, reply: (reply: Omit<PullReply, 'clusterTag'>) => void): void;
  /** A beacon of the storage of `node`. */
  beacon(node: NodeId, beacon: Beacon): void;
  mark(mark: Mark): void;
  /** `wallMs`: its sender's wall clock when it was sent. */
  raft(message: Message, wallMs: number): void;
  /** A Raft message of a process with this name came from another founded cluster. */
  foreign(name: string): void;
}

const HELLO_MS = 500;

type WireOptions = Pick<
  SequencerOptions,
  'node' | 'cluster' | 'group' | 'incarnation' | 'secret' | 'lanes' | 'clock'
>;

export class Wire {
  readonly frames: FrameCodec;
  readonly #options: WireOptions;
  readonly #term: () => Term;
  readonly #subjects: Subjects;
  readonly #formerStarts = new FormerStarts();
  readonly #subscriptions: BusSubscription[] = [];
  #clusterTag = 0;

  constructor(options: WireOptions, term: () => Term) {
    this.#options = options;
    this.#term = term;
    this.frames = new FrameCodec({
      cluster: options.cluster,
      group: options.group,
      secret: options.secret,
      sender: { role: SenderRole.consensus, name: options.node, incarnation: options.incarnation },
    });
    this.#subjects = new Subjects(options.cluster, options.group);
  }

  /** Begins to listen, and to speak, as a member of the cluster that was founded under this id. */
  start(clusterId: string, listener: WireListener): void {
    this.#clusterTag = clusterTagOf(clusterId);
    const { node } = this.#options;
    const own = (operation: ConsensusOperation): string =>
      this.#subjects.consensus(node, operation);
    const raft = (message: BusMessage): void => this.#onRaft(message, listener);
    this.#listen('data', own(ConsensusOperation.propose), (m) => this.#onPropose(m, listener));
    this.#listen('data', own(ConsensusOperation.readIndex), (m) => this.#onReadIndex(m, listener));
    this.#listen('data', own(ConsensusOperation.pull), (m) => this.#onPull(m, listener));
    this.#listen('data', own(ConsensusOperation.raft), raft);
    this.#listen('control', own(ConsensusOperation.vote), raft);
    this.#listen('control', this.#subjects.beacon, (m) => this.#onBeacon(m, listener));
    this.#listen('control', this.#subjects.mark, (m) => this.#onMark(m, listener));
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** Entries and their answers must not hold up votes and heartbeats: they are on another lane. */
  send(message: Message): void {
    const bulk =
      message.kind === 'append-request' ||
      message.kind === 'append-response' ||
      message.kind === 'base-request';
    const operation = bulk ? ConsensusOperation.raft : ConsensusOperation.vote;
    this.#publish(
      bulk ? 'data' : 'control',
      this.#subjects.consensus(message.to, operation),
      FrameKind.raft,
      encodeMessage(this.#clusterTag, this.#options.clock.wallMs(), message),
    );
  }

  /** A committed entry, to all storages. */
  live(live: Omit<Live, 'clusterTag'>): void {
    const body = encodeLive({ clusterTag: this.#clusterTag, ...live });
    this.#publish('data', this.#subjects.live, FrameKind.live, body);
  }

  mark(mark: Omit<Mark, 'clusterTag'>): void {
    const body = encodeMark({ clusterTag: this.#clusterTag, ...mark });
    this.#publish('control', this.#subjects.mark, FrameKind.mark, body);
  }

  /** Who answers as the consensus of a node; undefined when nobody does in time. */
  async hello(node: NodeId): Promise<MemberHello | undefined> {
    const bus = this.#options.lanes.control;
    const subject = this.#subjects.control(SenderRole.consensus, node, ControlOperation.hello);
    // A process answers everybody but itself, and no process calls itself this.
    const hello = await requestHello(bus, this.frames, subject, 'sequencer', HELLO_MS);
    return hello?.member;
  }

  #listen(lane: keyof Lanes, subject: string, handler: (message: BusMessage) => void): void {
    this.#subscriptions.push(this.#options.lanes[lane].subscribe(subject, handler));
  }

  #onPropose(message: BusMessage, listener: WireListener): void {
    const propose = this.frames.receive(message.payload, FrameKind.propose, decodePropose)?.body;
    if (propose === undefined) return;
    listener.propose(propose, (reply) => {
      message.respond(this.#seal(FrameKind.proposeReply, encodeProposeReply(reply)));
    });
  }

  #onReadIndex(message: BusMessage, listener: WireListener): void {
    if (this.frames.open(message.payload, FrameKind.readIndex) === undefined) return;
    listener.readIndex((reply) => {
      message.respond(this.#seal(FrameKind.readIndexReply, encodeReadIndexReply(reply)));
    });
  }

  #onPull(message: BusMessage, listener: WireListener): void {
    const pull = this.frames.receive(message.payload, FrameKind.pull, decodePull)?.body;
    if (pull === undefined) return;
    listener.pull(pull, (reply) => {
      const body = encodePullReply({ clusterTag: this.#clusterTag, ...reply });
      message.respond(this.#seal(FrameKind.pullReply, body));
    });
  }

  #onBeacon(message: BusMessage, listener: WireListener): void {
    const received = this.frames.receive(message.payload, FrameKind.beacon, decodeBeacon);
    const node = received?.frame.sender.name;
    if (received === undefined || node === undefined || !isNodeId(node)) return;
    if (this.#isOurs(received.body)) listener.beacon(node, received.body);
  }

  #onMark(message: BusMessage, listener: WireListener): void {
    const mark = this.frames.receive(message.payload, FrameKind.mark, decodeMark)?.body;
    if (mark !== undefined && this.#isOurs(mark)) listener.mark(mark);
  }

  #onRaft(message: BusMessage, listener: WireListener): void {
    const received = this.frames.receive(message.payload, FrameKind.raft, decodeMessage);
    if (received === undefined) return;
    const { sender } = received.frame;
    if (!this.#isOurs(received.body)) {
      listener.foreign(sender.name);
      return;
    }
    const { message: raftMessage, wallMs } = received.body;
    if (raftMessage.from !== sender.name) return;
    if (this.#formerStarts.isFormer(sender)) {
      this.frames.refuse(FrameRefusal.former);
      return;
    }
    listener.raft(raftMessage, wallMs);
  }

  /** Of the cluster that was founded with this one; counts what is not. */
  #isOurs({ clusterTag }: { readonly clusterTag: number }): boolean {
    if (clusterTag === this.#clusterTag) return true;
    this.frames.refuse(FrameRefusal.foreign);
    return false;
  }

  #publish(lane: keyof Lanes, subject: string, kind: FrameKind, body: Uint8Array): void {
    this.#options.lanes[lane].publish(subject, this.#seal(kind, body));
  }

  #seal(kind: FrameKind, body: Uint8Array): Uint8Array {
    return this.frames.seal(kind, this.#term(), body);
  }
}
