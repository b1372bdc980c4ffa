/**
 * One replica of one group: the Raft state machine (Ongaro's thesis, chapters 3, 4, 6.4, 9.6). The
 * manual for its caller is the header of `index.ts`.
 *
 * Invariants
 *   1. term and commit index never go down; one vote per term
 *   2. a leader never truncates or changes its own log
 *   3. what promises durability leaves only when that is durable: a vote request speaks for the
 *      candidate's own vote, a grant for the vote, an acceptance for the term and the entries
 *   4. whatever arrives in a message is dropped or answered; assertions fire only when replicas
 *      have diverged or this code is wrong
 * This file is what the caller sees; terms and changes of role are in `roles.ts`.
 */
import { assert, type Chain, type LogIndex } from '@kvstore/std';
import type { LogPosition, NodeId, Term } from '@kvstore/std';
import { ElectionTimer } from './election-timer.ts';
import type { Entry } from './entry.ts';
import { HardStateCell } from './hard-state-cell.ts';
import { RaftLog } from './log/raft-log.ts';
import type { Change } from './membership/change.ts';
import type { Configuration, LogBase } from './membership/configuration.ts';
import { Membership } from './membership/membership.ts';
import type { Message } from './message.ts';
import { Outbox } from './outbox.ts';
import {
  assertConfig,
  assertRestored,
  type RaftConfig,
  type RestoredState,
} from './raft-config.ts';
import type { ChangeProposed, Proposed, RaftStatus, TransferStarted } from './raft-status.ts';
import type { HardState, Ready, SoftState } from './ready.ts';
import type { ReplicaState } from './replica-state.ts';
import { Roles } from './roles.ts';

export class RaftNode {
  readonly #state: ReplicaState;
  readonly #roles: Roles;
  #softStateTaken: SoftState;
  #configurationTaken: Configuration;

  constructor(config: RaftConfig, restored: RestoredState) {
    assertConfig(config);
    assertRestored(restored);
    const { tailBytesMax, configurations } = config;
    const log = new RaftLog(restored, {
      tailBytesMax,
      decodeConfiguration: (body) => configurations.decode(body),
    });
    this.#state = {
      config,
      log,
      membership: new Membership(log.configurations),
      hardState: new HardStateCell(restored.hardState),
      timer: new ElectionTimer(config.electionTicks, config.random),
      outbox: new Outbox(),
    };
    this.#roles = new Roles(this.#state);
    this.#softStateTaken = this.#softState();
    this.#configurationTaken = this.#state.membership.configuration;
  }

  /**
   * One unit of time has passed, and it is `nowMs` on the caller's monotonic clock. Ticks that were
   * missed are not made up for.
   */
  tick(nowMs: number): void {
    this.#roles.tick(nowMs);
  }

  /** A message arrived: from anyone, in any order, any number of times. The core owns it now. */
  step(message: Message): void {
    this.#roles.step(message);
  }

  /** Appends an entry if this replica leads. The core owns `body` from here on. */
  propose(body: Uint8Array): Proposed {
    return this.#roles.leading?.propose(body) ?? this.#notLeader;
  }

  /** Proposes the next configuration; joint ones are left, and learners promoted, without a call. */
  changeMembers(changes: readonly Change[]): ChangeProposed {
    return this.#roles.leading?.changeMembers(changes) ?? this.#notLeader;
  }

  /**
   * Begins to hand leadership over to `to`. No proposal is taken until another leader is heard, or
   * until an election timeout has passed and this one goes on.
   */
  transferLeadership(to: NodeId): TransferStarted {
    return this.#roles.leading?.transferTo(to) ?? 'not-leader';
  }

  /**
   * Gives leadership up because it serves nobody (entries do not get through, though heartbeats do),
   * and leaves the next election to the others first. Nothing when this replica does not lead.
   */
  stepDown(): void {
    this.#roles.stepDown();
  }

  /**
   * Asks for the index that a linearizable read of now has to wait for. A pending `context` comes
   * back in `Ready.reads` or `Ready.abandonedReads`; the core does not look into it.
   */
  requestRead(context: number): 'pending' | 'not-leader' | 'overloaded' {
    const leader = this.#roles.leading;
    if (leader === undefined) return 'not-leader';
    return leader.addRead(context) ? 'pending' : 'overloaded';
  }

  /**
   * The index that a read of now has to wait for, without asking anybody, while this leader's lease
   * is certainly valid at `nowMs`, on the clock of `tick`.
   */
  leaseRead(nowMs: number): LogIndex | undefined {
    return this.#roles.leading?.leaseIndex(nowMs);
  }

  /** The storage of member `node` holds everything up to `index` durably. */
  storageDurable(node: NodeId, index: LogIndex): void {
    this.#state.membership.storageDurable(node, index);
  }

  /**
   * The `Ready.append` or `Ready.install` that ended at `index` of `term`, and every earlier one, is
   * durable. Reports of entries that were overwritten meanwhile are ignored.
   */
  persisted(index: LogIndex, term: Term): void {
    if (this.#state.log.persisted(index, term)) this.#roles.onLogDurable();
  }

  /** A `Ready.hardState` is durable. */
  hardStatePersisted(state: HardState): void {
    this.#state.hardState.persisted(state);
    this.#roles.onHardStateDurable();
  }

  /** Answers a `LoadRequest`: `entries` follow `previous`, which is at `from` − 1. */
  loaded(to: NodeId, previous: LogPosition, entries: readonly Entry[]): void {
    this.#roles.leading?.onLoaded(to, previous, entries);
  }

  /**
   * The log is about to be cut at its beginning, up to `position`: at or below the cut point of the
   * group, above the base (there is nothing to do otherwise), at or below `durableIndex` and a
   * `commitIndex` that was handed out already. Make the result durable before anything is deleted;
   * `note` is the driver's own.
   */
  cutLog(position: LogPosition, note: Uint8Array): LogBase {
    const base = this.#state.log.cut(position, note);
    this.#roles.leading?.onCut();
    return base;
  }

  /** Is there anything to do for the driver? */
  hasReady(): boolean {
    const { outbox, hardState, log } = this.#state;
    return (
      !outbox.isEmpty ||
      hardState.hasChange ||
      log.hasInstall ||
      log.hasAppend ||
      log.hasCommitted ||
      this.#roles.leading?.hasWork === true ||
      this.#hasNewConfiguration ||
      this.#hasNewSoftState
    );
  }

  /** Everything there is to do, handed out once. */
  ready(): Ready {
    const { outbox, hardState, log, membership } = this.#state;
    this.#roles.leading?.work();
    this.#check();
    const softState = this.#hasNewSoftState ? this.#softState() : undefined;
    if (softState !== undefined) this.#softStateTaken = softState;
    const configuration = this.#hasNewConfiguration ? membership.latest : undefined;
    this.#configurationTaken = membership.configuration;
    const { messages, reads, abandonedReads, loads } = outbox.take();
    const ready: Ready = {
      hardState: hardState.take(),
      install: log.takeInstall(),
      append: log.takeAppend(),
      messages,
      commitIndex: log.hasCommitted ? log.commitIndex : undefined,
      committed: log.takeCommitted(),
      reads,
      abandonedReads,
      loads,
      configuration,
      softState,
    };
    log.trim();
    return ready;
  }

  status(): RaftStatus {
    const { log, membership } = this.#state;
    return {
      ...this.#softState(),
      baseIndex: log.base.position.index,
      commitIndex: log.commitIndex,
      lastIndex: log.last.index,
      durableIndex: log.durableIndex,
      isUnderRepair: log.isUnderRepair,
      uncommittedBytes: log.unsettledBytes,
      configuration: membership.latest,
      cutPoint: membership.cutPoint(log),
      changePoint: membership.changePoint(log),
      transferringTo: this.#roles.leading?.transferringTo,
      dropped: this.#roles.dropped,
      progress: this.#roles.leading?.status() ?? [],
    };
  }

  /** Highest index known durable on this replica. */
  get durableIndex(): LogIndex {
    return this.#state.log.durableIndex;
  }

  /** Chain up to and including an entry, while the core has it in memory. */
  chainAt(index: LogIndex): Chain | undefined {
    return this.#state.log.chainAt(index);
  }

  /** Term of an entry of the log; undefined when the log does not reach it. */
  termAt(index: LogIndex): Term | undefined {
    return this.#state.log.termAt(index);
  }

  /** Entries in memory from `from` on: one, then as many more as fit; none when it is not there. */
  entriesFrom(from: LogIndex, maxBytes: number): readonly Entry[] {
    return this.#state.log.entriesFrom(from, maxBytes);
  }

  /**
   * Whatever decides what this replica does next, besides its log and what `status` tells; for
   * diagnosis and for models that have to tell states apart.
   */
  inspect(): readonly unknown[] {
    return [this.#state.timer.inspect(), this.#roles.inspect()];
  }

  get #notLeader() {
    return { kind: 'not-leader', leader: this.#roles.leader } as const;
  }

  get #hasNewConfiguration(): boolean {
    return this.#configurationTaken !== this.#state.membership.configuration;
  }

  get #hasNewSoftState(): boolean {
    const { role, term, leader } = this.#softStateTaken;
    return (
      role !== this.#roles.current.kind ||
      term !== this.#state.hardState.term ||
      leader !== this.#roles.leader
    );
  }

  #softState(): SoftState {
    return {
      role: this.#roles.current.kind,
      term: this.#state.hardState.term,
      leader: this.#roles.leader,
    };
  }

  /** Invariants across the parts, before anything leaves. O(members). */
  #check(): void {
    const { log, hardState } = this.#state;
    assert(log.last.term <= hardState.term, 'an entry of a term that was never entered');
    log.check();
    this.#roles.leading?.check();
  }
}
