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
 *   4. a message of another founded cluster, or of a former start of its sender, is dropped and counted
 */
import {
  type BusMessage,
  type BusSubscription,
  clusterTagOf,
  ConsensusOperation,
  type ConsensusStatus,
  decodeBeacon,
  decodeMark,
  decodePropose,
  decodePull,
  encodeEntryBody,
  encodeLive,
  encodeMark,
  encodeProposeReply,
  encodePullReply,
  encodeReadIndexReply,
  FrameCodec,
  FrameKind,
  FrameRefusal,
  isProposableBatch,
  type Lanes,
  type MemberQuestion,
  type MemberReply,
  type ProposeReply,
  type ReadIndexReply,
  RefusalReason,
  SenderRole,
  Subjects,
} from '@kvstore/contract';
import {
  isNodeId,
  LOG_START,
  type LogIndex,
  logIndex,
  type NodeId,
  type Timer,
} from '@kvstore/std';
import {
  type Configuration,
  type DroppedMessages,
  type Entry,
  type LogBase,
  type Message,
  type RaftNode,
  type Ready,
  Role,
  type SoftState,
} from '@kvstore/raft';
import type { ArchiveSource, ArchiveState } from './archive-source.ts';
import { askHello } from './ask-hello.ts';
import { ClusterClock } from './cluster-clock.ts';
import { CommitWatch } from './commit-watch.ts';
import { CommittedLog } from './committed-log.ts';
import { createCore } from './create-core.ts';
import { DiskWatch } from './disk-watch.ts';
import { EntryHeaders } from './entry-headers.ts';
import { decodeBaseNote } from './log-base-codec.ts';
import { LogCutter } from './log-cutter.ts';
import { FormerStarts } from './former-starts.ts';
import { LogRoom, RECORD_OVERHEAD_BYTES } from './log-room.ts';
import type { LogStore } from './log-store.ts';
import { LogWriter } from './log-writer.ts';
import { MarkPace } from './mark-pace.ts';
import { MemberRequests } from './member-requests.ts';
import { Members } from './members.ts';
import { answerAll, type Proposal, Proposals, refusalOf } from './proposals.ts';
import { decodeMessage, encodeMessage } from './raft-codec.ts';
import { ReadRequests } from './read-requests.ts';
import {
  defaultSequencerConfig,
  type SequencerConfig,
  type SequencerOptions,
} from './sequencer-options.ts';
import type { SequencerCounters } from './sequencer-report.ts';
import { Storages } from './storages.ts';

/** How long a room is awaited between two looks. */
const ROOM_POLL_MS = 10;
const CLOCK_ENTRY_PERIOD_MS = 500;
/** Two election timeouts without a commit, or without an fsync, are no accident. */
const PATIENCE_TIMEOUTS = 2;

export class Sequencer {
  readonly counters: SequencerCounters = {
    electionsWon: 0,
    entriesCommitted: 0,
    batchesProposed: 0,
    proposalsRefused: 0,
    readIndexRequests: 0,
    pullsServed: 0,
    reconnects: 0,
    resignations: 0,
    logCuts: 0,
    readersOvertaken: 0,
    basesInstalled: 0,
  };
  /** What the archiver of the committed log works from. */
  readonly archive: ArchiveSource;
  readonly #options: SequencerOptions;
  readonly #config: SequencerConfig;
  readonly #frames: FrameCodec;
  readonly #subjects: Subjects;
  readonly #raft: RaftNode;
  readonly #members: Members;
  readonly #memberRequests: MemberRequests;
  readonly #formerStarts = new FormerStarts();
  readonly #writer: LogWriter;
  readonly #clusterClock: ClusterClock;
  readonly #headers: EntryHeaders;
  readonly #room: LogRoom;
  readonly #committedLog: CommittedLog;
  readonly #proposals: Proposals;
  readonly #storages: Storages;
  readonly #cutter: LogCutter;
  readonly #commitWatch: CommitWatch;
  readonly #diskWatch: DiskWatch;
  readonly #markPace = new MarkPace();
  /** Of the founded cluster that this member belongs to; known from `start` on. */
  #clusterId: string | undefined;
  #clusterTag = 0;
  readonly #foreign = new Set<string>();
  readonly #reads: ReadRequests;
  readonly #subscriptions: BusSubscription[] = [];
  #ticker: Timer | undefined;
  #ticks = 0;
  #soft: SoftState;
  #commitIndex: LogIndex = logIndex(0);
  #lastClockEntry: LogIndex = logIndex(0);
  #lastClockEntryAtMs = 0;
  #advancing = false;
  #isUnderRepair: boolean;
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
    this.#proposals = new Proposals(this.#config.queueBytesMax);
    this.#clusterClock = new ClusterClock(options.clock, () => this.#majorityWallMs());
    this.#headers = new EntryHeaders(this.#clusterClock);
    this.#room = new LogRoom(options.log, options.clock, this.#config.logBytesMax);
    this.#commitWatch = new CommitWatch(PATIENCE_TIMEOUTS * this.#config.electionTicks);
    this.#diskWatch = new DiskWatch(PATIENCE_TIMEOUTS * this.#config.electionTicks);
    this.archive = this.#archiveSource();
    this.#raft = createCore(options, this.#config, this.#headers, this.#clusterClock);
    this.#reads = new ReadRequests(this.#raft);
    this.#members = new Members(this.#raft.status().configuration);
    this.#storages = new Storages(this.#members);
    this.#memberRequests = this.#takeMemberRequests();
    this.#committedLog = new CommittedLog(options.log, this.#raft);
    this.#cutter = this.#newCutter();
    this.#writer = new LogWriter(
      this.#raft,
      { log: options.log, hardStates: options.hardStates },
      { onDurable: () => this.#advance(), onFatal: options.onFatal },
    );
    const { role, term, leader, isUnderRepair } = this.#raft.status();
    this.#soft = { role, term, leader };
    this.#isUnderRepair = isUnderRepair;
  }

  /** What recovery found, the size of the log on disk and, while it cannot grow, why. */
  get log(): Pick<LogStore, 'recovered' | 'sizeBytes' | 'spaceError'> {
    return this.#options.log;
  }

  /** The log was damaged, and this replica does not vote until a leader has sent what may be lost. */
  get isUnderRepair(): boolean {
    return this.#isUnderRepair;
  }

  get frames(): FrameCodec {
    return this.#frames;
  }

  /** Raft messages that the core did not take, by why. */
  get dropped(): DroppedMessages {
    return this.#raft.status().dropped;
  }

  /**
   * Begins to take part in the cluster that was founded under this id. Stamps in the log are known
   * before the first entry is stamped.
   */
  async start(clusterId: string): Promise<void> {
    this.#clusterId = clusterId;
    this.#clusterTag = clusterTagOf(clusterId);
    await this.#restoreHeader();
    const { lanes, node, timers } = this.#options;
    const listen = (
      lane: keyof Lanes,
      operation: ConsensusOperation,
      handler: (message: BusMessage) => void,
    ): void => {
      const subject = this.#subjects.consensus(node, operation);
      this.#subscriptions.push(lanes[lane].subscribe(subject, handler));
    };
    listen('data', ConsensusOperation.propose, (m) => this.#onPropose(m));
    listen('data', ConsensusOperation.readIndex, (m) => this.#onReadIndex(m));
    listen('data', ConsensusOperation.pull, (m) => this.#onPull(m));
    listen('data', ConsensusOperation.raft, (m) => this.#onRaft(m));
    listen('control', ConsensusOperation.vote, (m) => this.#onRaft(m));
    this.#subscriptions.push(
      lanes.control.subscribe(this.#subjects.beacon, (m) => this.#onBeacon(m)),
    );
    this.#subscriptions.push(lanes.control.subscribe(this.#subjects.mark, (m) => this.#onMark(m)));
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
    this.#memberRequests.stop();
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
      clusterId: this.#clusterId,
      term: status.term,
      role: status.role,
      leader: status.leader,
      commitIndex: status.commitIndex,
      lastIndex: status.lastIndex,
      durableIndex: status.durableIndex,
      logBytes: log.sizeBytes,
      logFirstIndex: logIndex(status.baseIndex + 1),
      spaceError: log.spaceError,
      progress: status.progress.map((each) => ({
        node: each.node,
        votes: each.votes,
        matchIndex: each.matchIndex,
        healthy: each.recentlyActive,
      })),
    };
  }

  /** Who takes part, or how that shall change; answered by the node that leads. */
  answerAboutMembers(question: MemberQuestion): Promise<MemberReply> {
    if (this.#clusterId === undefined || this.#stopped) {
      return Promise.resolve({ kind: 'not-leader', leader: undefined });
    }
    return this.#memberRequests.answer(question);
  }

  /** In force here, which may not be committed yet. */
  get configuration(): Configuration {
    return this.#members.inForce;
  }

  /** The newest one known to be committed; undefined until a leader has told. */
  get committedConfiguration(): Configuration | undefined {
    return this.#members.committed?.configuration;
  }

  #newCutter(): LogCutter {
    const { node, log, onNotice } = this.#options;
    return new LogCutter({
      node,
      raft: this.#raft,
      log,
      storages: this.#storages,
      config: this.#config,
      counters: this.counters,
      onNotice: (notice) => onNotice?.(notice),
      onError: (error) => this.#failUnlessStopped(error),
    });
  }

  #takeMemberRequests(): MemberRequests {
    const { node, clock, timers, lanes } = this.#options;
    const wire = { bus: lanes.control, frames: this.#frames, subjects: this.#subjects };
    return new MemberRequests({
      node,
      raft: this.#raft,
      members: this.#members,
      clock,
      timers,
      confirm: (timeoutMs) => this.#confirm(timeoutMs),
      hello: (other) => askHello(wire, other),
      advance: () => this.#advance(),
    });
  }

  async #confirm(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const late = this.#options.timers.after(timeoutMs, () => resolve(false));
      this.#requestRead((reply) => {
        late.cancel();
        resolve(reply.kind === 'granted');
      });
    });
  }

  async #restoreHeader(): Promise<void> {
    const { base, last: end } = this.#options.log.recovered;
    if (base !== undefined) this.#headers.based(decodeBaseNote(base.note));
    if (end.index === (base?.position ?? LOG_START).index) return;
    const [last] = await this.#options.log.read(end.index, 1);
    if (last !== undefined) this.#headers.appended(last);
  }

  #majorityWallMs(): number | undefined {
    const { node, clock } = this.#options;
    return this.#storages.majorityWallMs(node, clock.wallMs(), clock.monotonicMs());
  }

  #tick(): void {
    if (this.#stopped) return;
    this.#ticks += 1;
    // Why: its votes would still pass, and it would lead where no entry gets through.
    if (this.#soft.role === Role.leader || !this.#isCutOff) {
      this.#raft.tick(this.#options.clock.monotonicMs());
    }
    if (this.#soft.role === Role.leader) {
      this.#watchCommit();
      this.#watchDisk();
      this.#proposeClockEntry();
    }
    this.#advance();
    this.#cutter.tick(this.#options.clock.monotonicMs(), this.#commitIndex);
    if (this.#soft.role !== Role.leader || this.#ticks % this.#config.heartbeatTicks !== 0) return;
    if (this.#markPace.isDue(this.#commitIndex)) this.#publishMark();
  }

  /** Known to have no connection for entries; to a single voter that makes no difference. */
  get #isCutOff(): boolean {
    const { node, lanes } = this.#options;
    return this.#members.hasOtherVoters(node) && lanes.data.status !== 'connected';
  }

  #watchCommit(): void {
    const { commitIndex, lastIndex } = this.#raft.status();
    const action = this.#commitWatch.tick(commitIndex, lastIndex, this.#isCutOff);
    if (action === 'wait') return;
    if (action === 'reconnect') {
      this.counters.reconnects += 1;
      this.#options.lanes.data.reconnect();
    } else {
      this.counters.resignations += 1;
      this.#raft.stepDown();
    }
    this.#options.onNotice?.({ kind: 'commit-stands-still', action });
  }

  /** A single voter has nobody to leave the lead to. */
  #watchDisk(): void {
    if (!this.#members.hasOtherVoters(this.#options.node)) return;
    const { durableIndex, lastIndex } = this.#raft.status();
    if (this.#diskWatch.tick(durableIndex, lastIndex) === 'wait') return;
    this.counters.resignations += 1;
    this.#raft.stepDown();
    this.#options.onNotice?.({ kind: 'disk-stands-still' });
  }

  // --- the core's effects -----------------------------------------------------------------------

  #advance(): void {
    if (this.#advancing || this.#stopped) return;
    this.#advancing = true;
    while (this.#raft.hasReady()) this.#carryOut(this.#raft.ready());
    this.#advancing = false;
    this.#watchRepair();
    this.#memberRequests.wake();
  }

  #watchRepair(): void {
    if (!this.#isUnderRepair || this.#raft.status().isUnderRepair) return;
    this.#isUnderRepair = false;
    this.#options.onNotice?.({ kind: 'log-repaired' });
  }

  #carryOut(ready: Ready): void {
    // Why first: what is pending from an earlier leadership may be overwritten by these entries, and
    // must not be called committed.
    if (ready.softState !== undefined) this.#become(ready.softState);
    if (ready.install !== undefined) this.#basedOn(ready.install);
    for (const entry of ready.append) this.#headers.appended(entry);
    this.#writer.write(ready);
    for (const message of ready.messages) this.#send(message);
    this.#members.follow(ready.configuration, ready.commitIndex ?? this.#commitIndex);
    if (ready.commitIndex !== undefined) this.#commit(ready.commitIndex, ready.committed);
    for (const { context, index } of ready.reads) {
      this.#reads.answer(context, { kind: 'granted', index });
    }
    for (const context of ready.abandonedReads) {
      this.#reads.answer(context, { kind: 'not-leader', leader: undefined });
    }
    for (const load of ready.loads) void this.#load(load.to, load.from, load.maxBytes);
  }

  /** This replica was behind the base of its leader's log, which takes the place of its own. */
  #basedOn({ position, note }: LogBase): void {
    this.#headers.based(decodeBaseNote(note));
    this.counters.basesInstalled += 1;
    this.#options.onNotice?.({ kind: 'base-installed', index: position.index });
  }

  /** Entries and their answers must not hold up votes and heartbeats: they are on another lane. */
  #send(message: Message): void {
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

  #commit(commitIndex: LogIndex, entries: readonly Entry[]): void {
    const { role, term } = this.#soft;
    const leads = role === Role.leader;
    const first = leads && this.#raft.termAt(this.#commitIndex) !== term;
    this.#commitIndex = commitIndex;
    this.counters.entriesCommitted += entries.length;
    for (const entry of entries) {
      this.#headers.committed(entry);
      const routes = this.#proposals.committed(entry.index);
      // Why the leader alone: storages would get every entry from every replica otherwise.
      if (!leads) continue;
      const live = encodeLive({ clusterTag: this.#clusterTag, entry, routes });
      this.#publish('data', this.#subjects.live, FrameKind.live, live);
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
      this.#commitWatch.reset();
      this.#diskWatch.reset();
      this.#markPace.reset();
    }
    if (soft.role !== Role.leader && led) this.#proposals.abandon();
  }

  async #load(to: NodeId, from: LogIndex, maxBytes: number): Promise<void> {
    const previousIndex = logIndex(from - 1);
    const { log } = this.#options;
    try {
      const entries = await log.read(from, maxBytes);
      const place = await log.position(previousIndex);
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
    this.#markPace.published(this.#commitIndex);
    const { cutPoint, changePoint } = this.#raft.status();
    const { archiveFrom } = this.#cutter;
    this.#cutter.told(cutPoint, archiveFrom);
    const body = encodeMark({
      clusterTag: this.#clusterTag,
      commitIndex: this.#commitIndex,
      chain,
      cutPoint,
      flushTo: this.#waitsForStorages(changePoint) ? changePoint : logIndex(0),
      epoch: this.#headers.epoch,
      archiveFrom,
      members: this.#members.all,
    });
    this.#publish('control', this.#subjects.mark, FrameKind.mark, body);
  }

  /** A memtable is sealed every few minutes, and who joins or leaves cannot wait for that. */
  #waitsForStorages(changePoint: LogIndex): boolean {
    if (this.#memberRequests.awaitStorages) return true;
    return this.#storages.isBehind(this.#members.inForce.joining, changePoint);
  }

  // --- the archive --------------------------------------------------------------------------------

  #archiveSource(): ArchiveSource {
    const state = (): ArchiveState | undefined => this.#archiveState();
    return {
      get state() {
        return state();
      },
      read: async (from, maxBytes) => (await this.#committedLog.read(from, maxBytes)).entries,
      beginEpoch: () => this.#beginEpoch(),
      archived: (from) => this.#cutter.archived(from),
    };
  }

  /** Committed in its own term: before that a leader does not know what is committed. */
  #archiveState(): ArchiveState | undefined {
    const { term, role } = this.#soft;
    if (role !== Role.leader || this.#raft.termAt(this.#commitIndex) !== term) return undefined;
    const firstIndex = logIndex(this.#raft.status().baseIndex + 1);
    return { term, epoch: this.#headers.epoch, commitIndex: this.#commitIndex, firstIndex };
  }

  #beginEpoch(): void {
    if (this.#archiveState() === undefined || this.#headers.isEpochComing) return;
    if (!this.#room.takesBareEntry) return;
    this.#raft.propose(encodeEntryBody(this.#headers.nextEpoch(), []));
    this.#advance();
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
    if (this.#room.isComing(this.#proposals.queueBytes)) {
      this.#options.timers.after(ROOM_POLL_MS, () => this.#propose());
      return;
    }
    let proposedBytes = 0;
    for (const proposals of this.#proposals.drain()) {
      proposedBytes += this.#proposeEntry(proposals, proposedBytes);
    }
    this.#advance();
  }

  /**
   * `proposedBytes`: of this turn, not yet handed to the log and so not yet missing from its room.
   * Returns what this entry adds to them.
   */
  #proposeEntry(proposals: readonly Proposal[], proposedBytes: number): number {
    const body = encodeEntryBody(
      this.#headers.next(),
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
    answerAll(proposals, refusalOf(proposed));
    return 0;
  }

  #refusal(bytes: number): RefusalReason | undefined {
    const refusal = this.#room.refusal(bytes);
    if (refusal !== undefined) return refusal;
    const applied = this.#storages.medianApplied();
    const behind = applied === undefined ? 0 : this.#commitIndex - applied;
    return behind > this.#config.unappliedEntriesMax ? RefusalReason.overloaded : undefined;
  }

  #proposeClockEntry(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#commitIndex < this.#lastClockEntry || this.#commitIndex === 0) return;
    const expiry = this.#storages.expiry(this.#clusterClock.now(), this.#lastClockEntry, nowMs);
    if (expiry === 'idle') return;
    if (expiry === 'unheard' && nowMs - this.#lastClockEntryAtMs < CLOCK_ENTRY_PERIOD_MS) return;
    if (!this.#room.takesBareEntry) return;
    const proposed = this.#raft.propose(encodeEntryBody(this.#headers.next(), []));
    if (proposed.kind !== 'appended') return;
    this.#lastClockEntry = proposed.index;
    this.#lastClockEntryAtMs = nowMs;
  }

  // --- reads, pulls, storages, replicas ---------------------------------------------------------

  #onReadIndex(message: BusMessage): void {
    if (this.#frames.open(message.payload, FrameKind.readIndex) === undefined) return;
    this.#requestRead((reply) => {
      message.respond(this.#seal(FrameKind.readIndexReply, encodeReadIndexReply(reply)));
    });
  }

  #requestRead(answer: (reply: ReadIndexReply) => void): void {
    if (!this.#reads.add(this.#soft.leader, answer)) return;
    this.counters.readIndexRequests += 1;
    this.#advance();
  }

  #onPull(message: BusMessage): void {
    const pull = this.#frames.receive(message.payload, FrameKind.pull, decodePull)?.body;
    if (pull === undefined || pull.from === 0) return;
    this.#servePull(message, pull.from, Math.min(pull.maxBytes, this.#config.pullBytesMax)).catch(
      (error: unknown) => this.#failUnlessStopped(error),
    );
  }

  async #servePull(message: BusMessage, from: LogIndex, maxBytes: number): Promise<void> {
    const reply = await this.#committedLog.read(from, maxBytes);
    this.counters.pullsServed += 1;
    if (this.#stopped) return;
    const body = encodePullReply({ clusterTag: this.#clusterTag, ...reply });
    message.respond(this.#seal(FrameKind.pullReply, body));
  }

  #onBeacon(message: BusMessage): void {
    const received = this.#frames.receive(message.payload, FrameKind.beacon, decodeBeacon);
    const node = received?.frame.sender.name;
    if (received === undefined || node === undefined || !isNodeId(node)) return;
    const { clusterTag, healthy, durable } = received.body;
    if (clusterTag !== this.#clusterTag) {
      this.#frames.refuse(FrameRefusal.foreign);
      return;
    }
    this.#storages.hear(node, received.body, this.#options.clock.monotonicMs());
    // What a storage holds that does not serve is damaged, or being replaced, and counts for nothing.
    this.#raft.storageDurable(node, healthy ? durable : logIndex(0));
  }

  /**
   * Of a leader, maybe of this one, maybe of one that was deposed: a cut point is true for ever, for no
   * leader changes voters to such whose storages may lack what was told before it led.
   */
  #onMark(message: BusMessage): void {
    const mark = this.#frames.receive(message.payload, FrameKind.mark, decodeMark)?.body;
    if (mark === undefined || mark.clusterTag !== this.#clusterTag) return;
    this.#cutter.told(mark.cutPoint, mark.archiveFrom);
  }

  #onRaft(message: BusMessage): void {
    const received = this.#frames.receive(message.payload, FrameKind.raft, decodeMessage);
    if (received === undefined) return;
    const { name } = received.frame.sender;
    const { clusterTag, wallMs, message: raftMessage } = received.body;
    if (clusterTag !== this.#clusterTag) {
      this.#refuseForeign(name);
      return;
    }
    if (raftMessage.from !== name) return;
    if (this.#formerStarts.isFormer(received.frame.sender)) {
      this.#frames.refuse(FrameRefusal.former);
      return;
    }
    // Why first: with this vote it may lead, and stamp.
    this.#storages.hearWall(raftMessage.from, wallMs, this.#options.clock.monotonicMs());
    this.#raft.step(raftMessage);
    this.#advance();
  }

  #refuseForeign(node: string): void {
    this.#frames.refuse(FrameRefusal.foreign);
    if (this.#foreign.has(node) || !this.#members.all.some((each) => each === node)) return;
    this.#foreign.add(node);
    this.#options.onNotice?.({ kind: 'foreign-member', node });
  }

  #publish(lane: keyof Lanes, subject: string, kind: FrameKind, body: Uint8Array): void {
    this.#options.lanes[lane].publish(subject, this.#seal(kind, body));
  }

  #seal(kind: FrameKind, body: Uint8Array): Uint8Array {
    return this.#frames.seal(kind, this.#soft.term, body);
  }
}
