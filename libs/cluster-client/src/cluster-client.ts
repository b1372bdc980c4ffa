/**
 * The routed client of one gateway: implements `KvClient` over the bus. Writes and reads are its
 * two halves; both share the routing.
 */
import {
  type Bus,
  BusError,
  ConsensusOperation,
  type ConsensusStatus,
  decodeConsensusStatus,
  decodeStorageStatus,
  FrameCodec,
  FrameKind,
  SenderRole,
  StorageOperation,
  type StorageStatus,
  Subjects,
} from '@kvstore/contract';
import { type Clock, DecodeError, type NodeId, type Random, term, type Timers } from '@kvstore/std';
import type {
  GetRequest,
  GetResult,
  KvClient,
  NodeStatus,
  WriteRequest,
  WriteResult,
} from './kv-client.ts';
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
  readonly nodes: readonly NodeId[];
  readonly home: NodeId;
  readonly bus: Bus;
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

  constructor(options: ClusterClientOptions) {
    this.#options = options;
    const { bus, clock, timers, random, gateway, onFatal } = options;
    this.#frames = new FrameCodec({
      cluster: options.cluster,
      group: options.group,
      secret: options.secret,
      sender: { role: SenderRole.gateway, name: gateway, incarnation: options.incarnation },
    });
    this.#subjects = new Subjects(options.cluster, options.group);
    this.#routing = new Routing({
      bus,
      clock,
      frames: this.#frames,
      subjects: this.#subjects,
      home: options.home,
      onNewTerm: () => this.#writer.onNewTerm(),
    });
    const shared = {
      bus,
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
  }

  get frames(): FrameCodec {
    return this.#frames;
  }

  get outstandingBatches(): number {
    return this.#writer.outstandingBatches;
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
    return Promise.all(this.#options.nodes.map((node) => this.#nodeStatus(node, timeoutMs)));
  }

  async #nodeStatus(node: NodeId, timeoutMs: number): Promise<NodeStatus> {
    const consensusSubject = this.#subjects.consensus(node, ConsensusOperation.status);
    const storageSubject = this.#subjects.storage(node, StorageOperation.status);
    const [consensus, storage] = await Promise.all([
      this.#ask(consensusSubject, FrameKind.consensusStatus, decodeConsensusStatus, timeoutMs),
      this.#ask(storageSubject, FrameKind.storageStatus, decodeStorageStatus, timeoutMs),
    ]);
    return { node, consensus, storage };
  }

  async #ask<Status extends ConsensusStatus | StorageStatus>(
    subject: string,
    kind: FrameKind,
    decode: (body: Uint8Array) => Status,
    timeoutMs: number,
  ): Promise<Status | undefined> {
    const query = this.#frames.seal(FrameKind.statusQuery, term(0), new Uint8Array(0));
    try {
      const answer = await this.#options.bus.request(subject, query, timeoutMs);
      const frame = this.#frames.open(answer, kind);
      return frame && decode(frame.body);
    } catch (error) {
      if (error instanceof BusError || error instanceof DecodeError) return undefined;
      throw error;
    }
  }
}
