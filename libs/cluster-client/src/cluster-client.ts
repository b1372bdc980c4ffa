/**
 * The routed client of one gateway: implements `KvClient` over the bus. Writes and reads are its
 * two halves; both share the routing.
 */
import {
  askControl,
  type ConsensusStatus,
  ControlOperation,
  type Failure,
  FrameCodec,
  type Lanes,
  type MemberList,
  type MemberRequest,
  SenderRole,
  type StorageStatus,
  Subjects,
} from '@kvstore/contract';
import type { Clock, NodeId, Random, Timers } from '@kvstore/std';
import type {
  GetRequest,
  GetResult,
  KvClient,
  NodeStatus,
  WriteRequest,
  WriteResult,
} from './kv-client.ts';
import { MemberClient } from './member-client.ts';
import { Reader } from './reader.ts';
import { Routing } from './routing.ts';
import { Writer } from './writer.ts';

export interface ClusterClientOptions {
  /** Name of the gateway: its outcomes come to a subject of this name. */
  readonly gateway: string;
  readonly cluster: string;
  readonly group: string;
  readonly incarnation: number;
  readonly secret: Uint8Array;
  /** Members to begin with; marks tell who they are from then on. */
  readonly nodes: readonly NodeId[];
  /** The first home storage. */
  readonly home: NodeId;
  readonly lanes: Lanes;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly onFatal: (error: unknown) => void;
}

const QUEUED_REQUESTS_MAX = 16_384;
const HELD_BYTES_MAX = 64 * 1024 * 1024;
const WAITING_READS_MAX = 65_536;
const SESSION_TTL_MS = 60_000;

export class ClusterClient implements KvClient {
  readonly #options: ClusterClientOptions;
  readonly #frames: FrameCodec;
  readonly #subjects: Subjects;
  readonly #routing: Routing;
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly #members: MemberClient;

  constructor(options: ClusterClientOptions) {
    this.#options = options;
    const { lanes, clock, timers, random, gateway, onFatal } = options;
    this.#frames = new FrameCodec({
      cluster: options.cluster,
      group: options.group,
      secret: options.secret,
      sender: { role: SenderRole.gateway, name: gateway, incarnation: options.incarnation },
    });
    this.#subjects = new Subjects(options.cluster, options.group);
    this.#routing = new Routing({
      lanes,
      clock,
      frames: this.#frames,
      subjects: this.#subjects,
      home: options.home,
      nodes: options.nodes,
      onNewTerm: () => {
        this.#writer.onNewTerm();
        this.#reader.onNewTerm();
      },
    });
    const shared = {
      bus: lanes.data,
      clock,
      timers,
      onFatal,
      frames: this.#frames,
      subjects: this.#subjects,
      routing: this.#routing,
    };
    this.#writer = new Writer({
      ...shared,
      gateway,
      random,
      queuedRequestsMax: QUEUED_REQUESTS_MAX,
      heldBytesMax: HELD_BYTES_MAX,
      sessionTtlMs: SESSION_TTL_MS,
    });
    this.#reader = new Reader({ ...shared, waitingReadsMax: WAITING_READS_MAX });
    this.#members = new MemberClient({ ...shared, bus: lanes.control });
  }

  get frames(): FrameCodec {
    return this.#frames;
  }

  get outstandingBatches(): number {
    return this.#writer.outstandingBatches;
  }

  get breakerTrips(): number {
    return this.#routing.breakerTrips;
  }

  get homeChanges(): number {
    return this.#routing.homeChanges;
  }

  get waitingReads(): number {
    return this.#reader.waiting;
  }

  start(): void {
    this.#routing.start();
    this.#writer.start();
    this.#reader.start();
  }

  /** Answers what still waits and stops listening. */
  stop(): void {
    this.#writer.stop();
    this.#reader.stop();
    this.#routing.stop();
  }

  get notReady(): string | undefined {
    const { data, control } = this.#options.lanes;
    if (data.status !== 'connected' || control.status !== 'connected') {
      return 'not connected to the bus';
    }
    if (this.#routing.leader === undefined) return 'no leader has been heard of';
    if (this.#routing.home === undefined) return 'no healthy storage has been heard of';
    return this.#writer.ready ? undefined : 'the session is not registered yet';
  }

  async write(request: WriteRequest, timeoutMs: number): Promise<WriteResult> {
    const result = await this.#writer.write(request, timeoutMs);
    return result.kind === 'failure' ? result : { kind: 'decided', outcome: result };
  }

  get(request: GetRequest, timeoutMs: number): Promise<GetResult> {
    return this.#reader.get(request, timeoutMs);
  }

  status(timeoutMs: number): Promise<readonly NodeStatus[]> {
    return Promise.all(this.#routing.members.map((node) => this.#nodeStatus(node, timeoutMs)));
  }

  members(request: MemberRequest, timeoutMs: number): Promise<MemberList | Failure> {
    return this.#members.request(request, timeoutMs);
  }

  async #nodeStatus(node: NodeId, timeoutMs: number): Promise<NodeStatus> {
    const [consensus, storage] = await Promise.all([
      this.#ask<ConsensusStatus>(SenderRole.consensus, node, timeoutMs),
      this.#ask<StorageStatus>(SenderRole.storage, node, timeoutMs),
    ]);
    return { node, consensus, storage };
  }

  #ask<Status>(role: SenderRole, node: NodeId, timeoutMs: number): Promise<Status | undefined> {
    const subject = this.#subjects.control(role, node, ControlOperation.status);
    return askControl(this.#options.lanes.control, this.#frames, subject, {}, timeoutMs);
  }
}
