/**
 * The sequencer: drives the Raft core of one group on one node.
 *
 * Batches of an event-loop turn become one entry (or few, by the cut rules); effects of the core
 * are carried out in its order; committed entries go out on the live lane and their proposers are
 * answered; marks say what is committed; storages pull what they missed. Commands stay opaque.
 *
 * Invariants
 *   1. nothing is published, answered or served above this replica's commit index
 *   2. a proposal is appended only when the log certainly has room for it, so that a full disk is
 *      an answer and never a half-written promise
 *   3. an error of the log or the hard state that is not waited out stops the process
 */
import {
  type Bus,
  type BusMessage,
  type BusSubscription,
  ConsensusOperation,
  type ConsensusStatus,
  decodeBeacon,
  decodePropose,
  decodePull,
  encodeEntryBody,
  encodeLive,
  encodeMark,
  encodeProposeReply,
  encodePullReply,
  encodeReadIndexReply,
  encodeStatus,
  FrameCodec,
  FrameKind,
  isProposableBatch,
  Limits,
  type ProposeReply,
  type ReadIndexReply,
  RefusalReason,
  SenderRole,
  Subjects,
} from '@kvstore/contract';
import {
  type Clock,
  isNodeId,
  LOG_START,
  type LogIndex,
  logIndex,
  logTimeMs,
  type NodeId,
  type Random,
  type Timer,
  type Timers,
} from '@kvstore/std';
import { type Entry, RaftNode, type Ready, Role, type SoftState } from '@kvstore/raft';
import { ClusterClock } from './cluster-clock.ts';
import type { HardStateStore, LogStore } from './log-store.ts';
import { LogWriter } from './log-writer.ts';
import { answerAll, type Proposal, Proposals } from './proposals.ts';
import { decodeMessage, encodeMessage } from './raft-codec.ts';
import { Storages } from './storages.ts';

export interface SequencerConfig {
  readonly tickMs: number;
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  readonly queueBytesMax: number;
  readonly uncommittedBytesMax: number;
  readonly inflightBytesMax: number;
  readonly tailBytesMax: number;
  /** Entries that the median voting storage may be behind the commit index. */
  readonly unappliedEntriesMax: number;
  /** Answers to pulls hold at most this much. */
  readonly pullBytesMax: number;
}

/** Heartbeat 50 ms, election timeout 300–600 ms. */
export const defaultSequencerConfig: SequencerConfig = {
  tickMs: 10,
  heartbeatTicks: 5,
  electionTicks: 30,
  queueBytesMax: 16 * 1024 * 1024,
  uncommittedBytesMax: 16 * 1024 * 1024,
  inflightBytesMax: 4 * 1024 * 1024,
  tailBytesMax: 8 * 1024 * 1024,
  unappliedEntriesMax: 10_000,
  pullBytesMax: Limits.entryBytesMax,
};

export interface SequencerOptions {
  readonly node: NodeId;
  readonly cluster: string;
  readonly group: string;
  readonly incarnation: number;
  readonly secret: Uint8Array;
  readonly voters: readonly NodeId[];
  readonly bus: Bus;
  readonly log: LogStore;
  readonly hardStates: HardStateStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly config?: Partial<SequencerConfig>;
  /** The disk failed or an invariant broke: nothing more is acknowledged, the process must stop. */
  readonly onFatal: (error: unknown) => void;
}

/** Bytes of log kept free of proposals, so that openings and clock entries always fit. */
const RESERVED_ROOM_BYTES = 64 * 1024;
const RECORD_OVERHEAD_BYTES = 256;
/** A queue above this does not wait for room as a whole; its entries are refused one by one. */
const ROOM_AWAITED_BYTES_MAX = 4 * 1024 * 1024;
const ROOM_AWAITED_MS_MAX = 1_000;
const CLOCK_ENTRY_PERIOD_MS = 500;

export interface SequencerCounters {
  electionsWon: number;
  entriesCommitted: number;
  batchesProposed: number;
  proposalsRefused: number;
  readIndexRequests: number;
  pullsServed: number;
}

export class Sequencer {
  readonly counters: SequencerCounters = {
    electionsWon: 0,
    entriesCommitted: 0,
    batchesProposed: 0,
    proposalsRefused: 0,
    readIndexRequests: 0,
    pullsServed: 0,
  };
  readonly #options: SequencerOptions;
  readonly #config: SequencerConfig;
  readonly #frames: FrameCodec;
  readonly #subjects: Subjects;
  readonly #raft: RaftNode;
  readonly #writer: LogWriter;
  readonly #clusterClock: ClusterClock;
  readonly #proposals: Proposals;
  readonly #storages: Storages;
  readonly #reads = new Map<number, BusMessage>();
  readonly #subscriptions: BusSubscription[] = [];
  #ticker: Timer | undefined;
  #ticks = 0;
  #soft: SoftState;
  #commitIndex: LogIndex = logIndex(0);
  #lastClockEntry: LogIndex = logIndex(0);
  #lastClockEntryAtMs = 0;
  #roomAwaitedFromMs: number | undefined;
  #nextRead = 1;
  #advancing = false;
  #stopped = false;

  constructor(options: SequencerOptions) {
    this.#options = options;
    this.#config = { ...defaultSequencerConfig, ...options.config };
    this.#frames = new FrameCodec({
      cluster: options.cluster,
      group: options.group,
      secret: options.secret,
      sender: { role: SenderRole.consensus, name: options.node, incarnation: options.incarnation },
    });
    this.#subjects = new Subjects(options.cluster, options.group);
    this.#clusterClock = new ClusterClock(options.clock);
    this.#proposals = new Proposals(this.#config.queueBytesMax);
    this.#storages = new Storages(options.voters);
    this.#raft = this.#createCore();
    this.#writer = new LogWriter(
      this.#raft,
      { log: options.log, hardStates: options.hardStates },
      { onDurable: () => this.#advance(), onFatal: options.onFatal },
    );
    const { role, term, leader } = this.#raft.status();
    this.#soft = { role, term, leader };
  }

  /** What recovery found, the size of the log on disk and, while it cannot grow, why. */
  get log(): Pick<LogStore, 'recovered' | 'sizeBytes' | 'spaceError'> {
    return this.#options.log;
  }

  get frames(): FrameCodec {
    return this.#frames;
  }

  /** Begins to take part. Stamps in the log are known before the first entry is stamped. */
  async start(): Promise<void> {
    await this.#restoreStamp();
    const { bus, node, timers } = this.#options;
    const listen = (subject: string, handler: (message: BusMessage) => void): void => {
      this.#subscriptions.push(bus.subscribe(subject, handler));
    };
    listen(this.#subjects.consensus(node, ConsensusOperation.propose), (m) => this.#onPropose(m));
    listen(this.#subjects.consensus(node, ConsensusOperation.readIndex), (m) =>
      this.#onReadIndex(m),
    );
    listen(this.#subjects.consensus(node, ConsensusOperation.pull), (m) => this.#onPull(m));
    listen(this.#subjects.consensus(node, ConsensusOperation.raft), (m) => this.#onRaft(m));
    listen(this.#subjects.consensus(node, ConsensusOperation.status), (m) => this.#onStatus(m));
    listen(this.#subjects.beacon, (m) => this.#onBeacon(m));
    // Why the end of the turn: after a stall the inbox is drained before an election is judged.
    this.#ticker = timers.every(this.#config.tickMs, () => timers.endOfTurn(() => this.#tick()));
    this.#tick();
  }

  /** Stops taking part; what is being written is finished, the stores are closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ticker?.cancel();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#proposals.refuseQueue(undefined);
    await this.#writer.idle();
    this.#proposals.abandon();
    await this.#options.log.close();
    await this.#options.hardStates.close();
  }

  status(): ConsensusStatus {
    const status = this.#raft.status();
    const { log, node } = this.#options;
    return {
      node,
      term: status.term,
      role: status.role,
      leader: status.leader,
      commitIndex: status.commitIndex,
      lastIndex: status.lastIndex,
      durableIndex: status.durableIndex,
      logBytes: log.sizeBytes,
      logFirstIndex: log.recovered.firstIndex,
      spaceError: log.spaceError,
      progress: status.progress.map((each) => ({
        node: each.node,
        matchIndex: each.matchIndex,
        healthy: each.recentlyActive,
      })),
    };
  }

  #createCore(): RaftNode {
    const { node, voters, random, log, hardStates } = this.#options;
    return new RaftNode(
      {
        id: node,
        voters,
        electionTicks: this.#config.electionTicks,
        heartbeatTicks: this.#config.heartbeatTicks,
        random,
        openingBody: () => {
          this.#clusterClock.lead();
          return encodeEntryBody(this.#clusterClock.stamp(), []);
        },
        appendBytesMax: Limits.entryBytesMax,
        inflightBytesMax: this.#config.inflightBytesMax,
        uncommittedBytesMax: this.#config.uncommittedBytesMax,
        tailBytesMax: this.#config.tailBytesMax,
      },
      {
        hardState: hardStates.recovered,
        last: log.recovered.last,
        spans: log.recovered.spans,
      },
    );
  }

  async #restoreStamp(): Promise<void> {
    const { index } = this.#options.log.recovered.last;
    if (index === 0) return;
    const [last] = await this.#options.log.read(index, 1);
    if (last !== undefined) this.#observeStamp(last);
  }

  /** Entry bodies are this sequencer's own format: u8 format, u64 stamp. */
  #observeStamp(entry: Entry): void {
    const { body } = entry;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.#clusterClock.observe(logTimeMs(view.getUint32(1) * 0x1_0000_0000 + view.getUint32(5)));
  }

  #tick(): void {
    if (this.#stopped) return;
    this.#ticks += 1;
    this.#raft.tick();
    if (this.#soft.role === Role.leader) this.#proposeClockEntry();
    this.#advance();
    if (this.#ticks % this.#config.heartbeatTicks === 0) this.#publishMark();
  }

  // --- the core's effects -----------------------------------------------------------------------

  #advance(): void {
    if (this.#advancing || this.#stopped) return;
    this.#advancing = true;
    while (this.#raft.hasReady()) this.#carryOut(this.#raft.ready());
    this.#advancing = false;
  }

  #carryOut(ready: Ready): void {
    // Why first: what is pending from an earlier leadership may be overwritten by these entries, and
    // must not be called committed.
    if (ready.softState !== undefined) this.#become(ready.softState);
    for (const entry of ready.append) this.#observeStamp(entry);
    this.#writer.write(ready.hardState, ready.append);
    for (const message of ready.messages) {
      const subject = this.#subjects.consensus(message.to, ConsensusOperation.raft);
      this.#publish(subject, FrameKind.raft, encodeMessage(message));
    }
    if (ready.commitIndex !== undefined) this.#commit(ready.commitIndex, ready.committed);
    for (const { context, index } of ready.reads) {
      this.#answerRead(context, { kind: 'granted', index });
    }
    for (const context of ready.abandonedReads) {
      this.#answerRead(context, { kind: 'not-leader', leader: undefined });
    }
    for (const load of ready.loads) void this.#load(load.to, load.from, load.maxBytes);
  }

  #commit(commitIndex: LogIndex, entries: readonly Entry[]): void {
    const first = this.#commitIndex === 0;
    this.#commitIndex = commitIndex;
    this.counters.entriesCommitted += entries.length;
    for (const entry of entries) {
      const routes = this.#proposals.committed(entry.index);
      this.#publish(this.#subjects.live, FrameKind.live, encodeLive({ entry, routes }));
    }
    if (first) this.#publishMark();
  }

  #become(soft: SoftState): void {
    const led = this.#soft.role === Role.leader;
    this.#soft = soft;
    if (soft.role === Role.leader && !led) {
      this.counters.electionsWon += 1;
      // A clock entry of an earlier leadership may never have been committed.
      this.#lastClockEntry = logIndex(0);
    }
    if (soft.role !== Role.leader && led) this.#proposals.abandon();
  }

  async #load(to: NodeId, from: LogIndex, maxBytes: number): Promise<void> {
    const previousIndex = logIndex(from - 1);
    const { log } = this.#options;
    try {
      const entries = await log.read(from, maxBytes);
      const place = previousIndex === 0 ? LOG_START : await log.position(previousIndex);
      if (place === undefined || this.#stopped) return;
      const { term, chain } = place;
      this.#raft.loaded(to, { index: previousIndex, term, chain }, entries);
      this.#advance();
    } catch (error) {
      this.#failUnlessStopped(error);
    }
  }

  /** Stopping closes the log under whoever still reads it. */
  #failUnlessStopped(error: unknown): void {
    if (!this.#stopped) this.#options.onFatal(error);
  }

  /** Only what is committed in the leader's own term is marked: before that it knows no commit. */
  #publishMark(): void {
    if (this.#soft.role !== Role.leader || this.#commitIndex === 0) return;
    const chain = this.#raft.chainAt(this.#commitIndex);
    if (chain === undefined) return;
    const body = encodeMark({ commitIndex: this.#commitIndex, chain });
    this.#publish(this.#subjects.mark, FrameKind.mark, body);
  }

  // --- proposals --------------------------------------------------------------------------------

  #onPropose(message: BusMessage): void {
    const propose = this.#frames.receive(message.payload, FrameKind.propose, decodePropose)?.body;
    if (propose === undefined) return;
    const answer = (reply: ProposeReply): void => {
      if (reply.kind === 'refused') this.counters.proposalsRefused += 1;
      message.respond(this.#seal(FrameKind.proposeReply, encodeProposeReply(reply)));
    };
    if (!isProposableBatch(propose.batch)) {
      answer({ kind: 'refused', reason: RefusalReason.malformed });
      return;
    }
    const first = this.#proposals.take({ ...propose, answer });
    if (first) this.#options.timers.endOfTurn(() => this.#propose());
  }

  #propose(): void {
    if (this.#stopped) return;
    if (this.#soft.role !== Role.leader) {
      this.#proposals.refuseQueue(this.#soft.leader);
      return;
    }
    if (this.#roomIsComing()) {
      this.#options.timers.after(this.#config.tickMs, () => this.#propose());
      return;
    }
    let proposedBytes = 0;
    for (const proposals of this.#proposals.drain()) {
      proposedBytes += this.#proposeEntry(proposals, proposedBytes);
    }
    this.#advance();
  }

  /** The next log segment is still being made: the queue, which is bounded, waits for it. */
  #roomIsComing(): boolean {
    const { log } = this.#options;
    const needed = this.#proposals.queueBytes + RECORD_OVERHEAD_BYTES + RESERVED_ROOM_BYTES;
    const hoped = log.spaceError === undefined && needed < ROOM_AWAITED_BYTES_MAX;
    if (log.roomBytes >= needed || !hoped) {
      this.#roomAwaitedFromMs = undefined;
      return false;
    }
    const nowMs = this.#options.clock.monotonicMs();
    this.#roomAwaitedFromMs ??= nowMs;
    return nowMs - this.#roomAwaitedFromMs < ROOM_AWAITED_MS_MAX;
  }

  /**
   * `proposedBytes`: of this turn, not yet handed to the log and so not yet missing from its room.
   * Returns what this entry adds to them.
   */
  #proposeEntry(proposals: readonly Proposal[], proposedBytes: number): number {
    const body = encodeEntryBody(
      this.#clusterClock.stamp(),
      proposals.map((proposal) => proposal.batch),
    );
    const bytes = body.length + RECORD_OVERHEAD_BYTES;
    const refusal = this.#refusal(proposedBytes + bytes);
    if (refusal !== undefined) {
      answerAll(proposals, { kind: 'refused', reason: refusal });
      return 0;
    }
    const proposed = this.#raft.propose(body);
    if (proposed.kind === 'appended') {
      this.counters.batchesProposed += proposals.length;
      this.#proposals.appended(proposed.index, proposals);
      return bytes;
    }
    const overloaded = proposed.kind === 'overloaded';
    answerAll(
      proposals,
      overloaded
        ? { kind: 'refused', reason: RefusalReason.overloaded }
        : { kind: 'not-leader', leader: proposed.leader },
    );
    return 0;
  }

  #refusal(bytes: number): RefusalReason | undefined {
    const { log } = this.#options;
    if (log.roomBytes < bytes + RESERVED_ROOM_BYTES) {
      return log.spaceError === undefined ? RefusalReason.overloaded : RefusalReason.diskFull;
    }
    const applied = this.#storages.medianApplied();
    const behind = applied === undefined ? 0 : this.#commitIndex - applied;
    return behind > this.#config.unappliedEntriesMax ? RefusalReason.overloaded : undefined;
  }

  #proposeClockEntry(): void {
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#commitIndex < this.#lastClockEntry || this.#commitIndex === 0) return;
    const expiry = this.#storages.expiry(this.#clusterClock.now(), this.#lastClockEntry, nowMs);
    if (expiry === 'idle') return;
    if (expiry === 'unheard' && nowMs - this.#lastClockEntryAtMs < CLOCK_ENTRY_PERIOD_MS) return;
    if (log.roomBytes < RECORD_OVERHEAD_BYTES) return;
    const proposed = this.#raft.propose(encodeEntryBody(this.#clusterClock.stamp(), []));
    if (proposed.kind !== 'appended') return;
    this.#lastClockEntry = proposed.index;
    this.#lastClockEntryAtMs = nowMs;
  }

  // --- reads, pulls, storages, replicas ---------------------------------------------------------

  #onReadIndex(message: BusMessage): void {
    if (this.#frames.open(message.payload, FrameKind.readIndex) === undefined) return;
    const context = this.#nextRead++;
    this.#reads.set(context, message);
    const requested = this.#raft.requestRead(context);
    if (requested === 'not-leader') {
      this.#answerRead(context, { kind: 'not-leader', leader: this.#soft.leader });
    } else if (requested === 'overloaded') {
      this.#answerRead(context, { kind: 'overloaded' });
    } else {
      this.counters.readIndexRequests += 1;
      this.#advance();
    }
  }

  #answerRead(context: number, reply: ReadIndexReply): void {
    const message = this.#reads.get(context);
    this.#reads.delete(context);
    message?.respond(this.#seal(FrameKind.readIndexReply, encodeReadIndexReply(reply)));
  }

  #onPull(message: BusMessage): void {
    const pull = this.#frames.receive(message.payload, FrameKind.pull, decodePull)?.body;
    if (pull === undefined || pull.from === 0) return;
    this.#servePull(message, pull.from, Math.min(pull.maxBytes, this.#config.pullBytesMax)).catch(
      (error: unknown) => this.#failUnlessStopped(error),
    );
  }

  async #servePull(message: BusMessage, from: LogIndex, maxBytes: number): Promise<void> {
    // Why also durable: while a conflicting suffix waits to be replaced on disk, the log still
    // holds the old one, and the new one may be committed already.
    const { durableIndex } = this.#raft.status();
    const commitIndex = logIndex(Math.min(this.#commitIndex, durableIndex));
    const stored = from > commitIndex ? [] : await this.#options.log.read(from, maxBytes);
    const entries = withinFrame(stored.filter((entry) => entry.index <= commitIndex));
    this.counters.pullsServed += 1;
    if (this.#stopped) return;
    message.respond(this.#seal(FrameKind.pullReply, encodePullReply({ commitIndex, entries })));
  }

  #onBeacon(message: BusMessage): void {
    const received = this.#frames.receive(message.payload, FrameKind.beacon, decodeBeacon);
    const node = received?.frame.sender.name;
    if (received === undefined || node === undefined || !isNodeId(node)) return;
    this.#storages.hear(node, received.body, this.#options.clock.monotonicMs());
  }

  #onRaft(message: BusMessage): void {
    const received = this.#frames.receive(message.payload, FrameKind.raft, decodeMessage);
    if (received === undefined || received.body.from !== received.frame.sender.name) return;
    this.#raft.step(received.body);
    this.#advance();
  }

  #onStatus(message: BusMessage): void {
    if (this.#frames.open(message.payload, FrameKind.statusQuery) === undefined) return;
    message.respond(this.#seal(FrameKind.consensusStatus, encodeStatus(this.status())));
  }

  #publish(subject: string, kind: FrameKind, body: Uint8Array): void {
    this.#options.bus.publish(subject, this.#seal(kind, body));
  }

  #seal(kind: FrameKind, body: Uint8Array): Uint8Array {
    return this.#frames.seal(kind, this.#soft.term, body);
  }
}

/** The first entries that fit one frame; at least one when there is one. */
function withinFrame(entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0;
  let count = 0;
  for (const entry of entries) {
    bytes += entry.body.length + RECORD_OVERHEAD_BYTES;
    if (count > 0 && bytes > Limits.entryBytesMax) break;
    count += 1;
  }
  return entries.slice(0, count);
}
