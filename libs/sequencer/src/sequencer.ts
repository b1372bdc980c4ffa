/**
 * The sequencer: drives the Raft core of one group on one node.
 *
 * Batches of gateways are proposed (`proposer.ts`); effects of the core are carried out in its order;
 * committed entries go out on the live lane and their proposers are answered; marks say what is committed;
 * storages pull what they missed. What travels is `wire.ts`'s.
 *
 * Invariants
 *   1. nothing is published, answered or served above this replica's commit index
 *   2. an error of the log or the hard state that is not waited out stops the process
 */
import type {
  ConsensusStatus,
  FrameCodec,
  MemberQuestion,
  MemberReply,
  Pull,
  PullReply,
  ReadIndexReply,
} from '@kvstore/contract';
import { LOG_START, type LogIndex, logIndex, type NodeId, type Timer } from '@kvstore/std';
import {
  type Configuration,
  type DroppedMessages,
  type Entry,
  type LogBase,
  type RaftNode,
  type Ready,
  Role,
  type SoftState,
} from '@kvstore/raft';
import type { ArchiveSource, ArchiveState } from './archive-source.ts';
import { ClusterClock } from './cluster-clock.ts';
import { CommitWatch } from './commit-watch.ts';
import { CommittedLog } from './committed-log.ts';
import { createCore } from './create-core.ts';
import { DiskWatch } from './disk-watch.ts';
import { EntryHeaders } from './entry-headers.ts';
import { decodeBaseNote } from './log-base-codec.ts';
import { LogCutter } from './log-cutter.ts';
import type { LogStore } from './log-store.ts';
import { LogWriter } from './log-writer.ts';
import { MarkPace } from './mark-pace.ts';
import { MemberRequests } from './member-requests.ts';
import { Members } from './members.ts';
import { Proposer } from './proposer.ts';
import { ReadRequests } from './read-requests.ts';
import {
  defaultSequencerConfig,
  type SequencerConfig,
  type SequencerOptions,
} from './sequencer-options.ts';
import type { SequencerCounters } from './sequencer-report.ts';
import { Storages } from './storages.ts';
import { Wire, type WireListener } from './wire.ts';

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
  readonly #wire: Wire;
  readonly #raft: RaftNode;
  readonly #members: Members;
  readonly #memberRequests: MemberRequests;
  readonly #writer: LogWriter;
  readonly #headers: EntryHeaders;
  readonly #committedLog: CommittedLog;
  readonly #proposer: Proposer;
  readonly #storages: Storages;
  readonly #cutter: LogCutter;
  readonly #commitWatch: CommitWatch;
  readonly #diskWatch: DiskWatch;
  readonly #markPace = new MarkPace();
  /** Of the founded cluster that this member belongs to; known from `start` on. */
  #clusterId: string | undefined;
  readonly #foreign = new Set<string>();
  readonly #reads: ReadRequests;
  #ticker: Timer | undefined;
  #ticks = 0;
  #soft: SoftState;
  #commitIndex: LogIndex = logIndex(0);
  #advancing = false;
  #isUnderRepair: boolean;
  #stopped = false;

  constructor(options: SequencerOptions) {
    this.#options = options;
    this.#config = { ...defaultSequencerConfig, ...options.config };
    this.#wire = new Wire(options, () => this.#soft.term);
    const clusterClock = new ClusterClock(options.clock, () => this.#majorityWallMs());
    this.#headers = new EntryHeaders(clusterClock);
    this.#commitWatch = new CommitWatch(PATIENCE_TIMEOUTS * this.#config.electionTicks);
    this.#diskWatch = new DiskWatch(PATIENCE_TIMEOUTS * this.#config.electionTicks);
    this.archive = this.#archiveSource();
    this.#raft = createCore(options, this.#config, this.#headers, clusterClock);
    this.#reads = new ReadRequests(this.#raft);
    this.#members = new Members(this.#raft.status().configuration);
    this.#storages = new Storages(this.#members);
    this.#proposer = this.#newProposer(clusterClock);
    this.#memberRequests = this.#newMemberRequests();
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
    return this.#wire.frames;
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
    await this.#restoreHeader();
    this.#wire.start(clusterId, this.#listener());
    const { timers } = this.#options;
    // Why the end of the turn: after a stall the inbox is drained before an election is judged.
    this.#ticker = timers.every(this.#config.tickMs, () => timers.endOfTurn(() => this.#tick()));
    this.#tick();
  }

  /** Stops taking part; what is being written is finished, the stores are closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ticker?.cancel();
    this.#wire.stop();
    this.#proposer.stop();
    this.#memberRequests.stop();
    await this.#writer.idle();
    this.#proposer.abandon();
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

  /**
   * The index that a read of now has to wait for, without asking anybody: while this node leads and its lease is
   * certainly valid.
   */
  leaseRead(): LogIndex | undefined {
    return this.#raft.leaseRead(this.#options.clock.monotonicMs());
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

  #newProposer(clusterClock: ClusterClock): Proposer {
    const { log, clock, timers } = this.#options;
    return new Proposer({
      raft: this.#raft,
      log,
      headers: this.#headers,
      clusterClock,
      storages: this.#storages,
      clock,
      timers,
      config: this.#config,
      counters: this.counters,
      soft: () => this.#soft,
      commitIndex: () => this.#commitIndex,
      advance: () => this.#advance(),
    });
  }

  #newMemberRequests(): MemberRequests {
    const { node, clock, timers } = this.#options;
    return new MemberRequests({
      node,
      raft: this.#raft,
      members: this.#members,
      clock,
      timers,
      confirm: (timeoutMs) => this.#confirm(timeoutMs),
      hello: (other) => this.#wire.hello(other),
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
      this.#proposer.tick();
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
    for (const message of ready.messages) this.#wire.send(message);
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

  #commit(commitIndex: LogIndex, entries: readonly Entry[]): void {
    const { role, term } = this.#soft;
    const leads = role === Role.leader;
    const first = leads && this.#raft.termAt(this.#commitIndex) !== term;
    this.#commitIndex = commitIndex;
    this.counters.entriesCommitted += entries.length;
    for (const entry of entries) {
      this.#headers.committed(entry);
      const routes = this.#proposer.committed(entry.index);
      // Why the leader alone: storages would get every entry from every replica otherwise.
      if (!leads) continue;
      this.#wire.live({ entry, routes });
    }
    if (first) this.#publishMark();
  }

  #become(soft: SoftState): void {
    const led = this.#soft.role === Role.leader;
    this.#soft = soft;
    if (soft.role === Role.leader && !led) {
      this.counters.electionsWon += 1;
      this.#proposer.lead();
      this.#commitWatch.reset();
      this.#diskWatch.reset();
      this.#markPace.reset();
    }
    if (soft.role !== Role.leader && led) this.#proposer.abandon();
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
    this.#wire.mark({
      commitIndex: this.#commitIndex,
      chain,
      cutPoint,
      flushTo: this.#waitsForStorages(changePoint) ? changePoint : logIndex(0),
      epoch: this.#headers.epoch,
      archiveFrom,
      members: this.#members.all,
    });
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
    if (this.#archiveState() !== undefined) this.#proposer.beginEpoch();
  }

  // --- what is heard ------------------------------------------------------------------------------

  #listener(): WireListener {
    const { clock } = this.#options;
    return {
      propose: (propose, reply) => this.#proposer.take(propose, reply),
      readIndex: (reply) => this.#requestRead(reply),
      pull: (pull, reply) => void this.#servePull(pull, reply),
      beacon: (node, beacon) => {
        this.#storages.hear(node, beacon, clock.monotonicMs());
        // What a storage holds that does not serve is damaged, or being replaced, and counts for nothing.
        this.#raft.storageDurable(node, beacon.healthy ? beacon.durable : logIndex(0));
      },
      // Of a leader, maybe of this one, maybe of one that was deposed: a cut point is true for ever, for no
      // leader changes voters to such whose storages may lack what was told before it led.
      mark: ({ cutPoint, archiveFrom }) => this.#cutter.told(cutPoint, archiveFrom),
      raft: (message, wallMs) => {
        // Why first: with this vote it may lead, and stamp.
        this.#storages.hearWall(message.from, wallMs, clock.monotonicMs());
        this.#raft.step(message);
        this.#advance();
      },
      foreign: (name) => this.#hearForeign(name),
    };
  }

  #requestRead(reply: (reply: ReadIndexReply) => void): void {
    if (!this.#reads.add(this.#soft.leader, reply)) return;
    this.counters.readIndexRequests += 1;
    this.#advance();
  }

  async #servePull(
    { from, maxBytes }: Pull,
    reply: (reply: Omit<PullReply, 'clusterTag'>) => void,
  ): Promise<void> {
    if (from === 0) return;
    try {
      const held = await this.#committedLog.read(
        from,
        Math.min(maxBytes, this.#config.pullBytesMax),
      );
      this.counters.pullsServed += 1;
      if (!this.#stopped) reply(held);
    } catch (error) {
      this.#failUnlessStopped(error);
    }
  }

  /** Warns of each member once. */
  #hearForeign(node: string): void {
    if (this.#foreign.has(node) || !this.#members.all.some((each) => each === node)) return;
    this.#foreign.add(node);
    this.#options.onNotice?.({ kind: 'foreign-member', node });
  }
}
