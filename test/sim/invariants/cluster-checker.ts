/**
 * Watches a whole simulated cluster and checks its invariants: the witness of its processes, the tap of
 * its network, and a look at a consensus after each of its events.
 */
import { FrameKind } from '@kvstore/contract';
import type { LsmStore } from '@kvstore/lsm';
import { configurationOf, type Entry } from '@kvstore/raft';
import { LogError, type Sequencer } from '@kvstore/sequencer';
import { DiskError, type LogPosition, type NodeId, term } from '@kvstore/std';
import { decodeMessage } from '../../../libs/sequencer/src/raft-codec.ts';
import type { FaultAtlas } from '../world/fault-atlas.ts';
import type { Scheduler } from '../world/scheduler.ts';
import type { SimCluster } from '../world/sim-cluster.ts';
import type { NetworkTap } from '../world/sim-network.ts';
import type { SimOptions } from '../world/sim-options.ts';
import { SimProcess } from '../world/sim-process.ts';
import type { StoreWitness } from '../world/watched-stores.ts';
import type { ClusterWitness } from '../world/witness.ts';
import { CommitInvariants } from './commit-invariants.ts';
import { ElectionInvariants } from './election-invariants.ts';
import { peekFrame } from './frame-bytes.ts';
import { Ghost, NodeLog } from './ghost.ts';
import { LeaseInvariants } from './lease-invariants.ts';
import { InvariantViolation, type Ledger } from './ledger.ts';
import { LogInvariants } from './log-invariants.ts';
import { MembershipInvariants } from './membership-invariants.ts';
import { PriorityInvariants } from './priority-invariants.ts';
import { ServiceInvariants } from './service-invariants.ts';
import { StorageInvariants } from './storage-invariants.ts';

export interface Teller {
  (who: string, what: string, detail: string): void;
}

/** In which a process stops after a failed sync. */
const STOPPED_WITHIN_US = 1_000;

export class ClusterChecker implements ClusterWitness, NetworkTap {
  readonly ghost = new Ghost();
  readonly storages: StorageInvariants;
  readonly #ledger: Ledger;
  readonly #scheduler: Scheduler;
  readonly #tell: Teller;
  readonly #members: MembershipInvariants;
  readonly #logs: LogInvariants;
  readonly #elections: ElectionInvariants;
  readonly #commits: CommitInvariants;
  readonly #services: ServiceInvariants;
  readonly #leases: LeaseInvariants;
  readonly #priorities: PriorityInvariants;
  #cluster: SimCluster | undefined;
  /** Nodes whose disk is full, and whether one stopped for that. */
  readonly #full = new Map<NodeId, boolean>();
  /** Told when a process is dead. */
  onDied: (process: SimProcess) => void = () => undefined;

  constructor(
    options: SimOptions,
    scheduler: Scheduler,
    ledger: Ledger,
    atlas: FaultAtlas,
    tell: Teller,
  ) {
    this.#ledger = ledger;
    this.#scheduler = scheduler;
    this.#tell = tell;
    const bytesMax = options.sequencer.uncommittedBytesMax ?? 0;
    this.#members = new MembershipInvariants(this.ghost, ledger);
    this.#logs = new LogInvariants(this.ghost, ledger, this.#members, atlas, bytesMax);
    this.#elections = new ElectionInvariants(this.ghost, ledger, this.#members);
    this.#commits = new CommitInvariants(this.ghost, ledger, {
      logs: this.#logs,
      elections: this.#elections,
      members: this.#members,
    });
    this.#services = new ServiceInvariants(this.ghost, ledger, this.#members, atlas);
    this.#leases = new LeaseInvariants(this.ghost, ledger, !options.clockRates);
    const { yieldTicks = 0 } = options.sequencer;
    this.#priorities = new PriorityInvariants(ledger, scheduler, yieldTicks);
    this.storages = new StorageInvariants(this.ghost, ledger);
  }

  watch(cluster: SimCluster): void {
    this.#cluster = cluster;
    this.ghost.founding = configurationOf(cluster.founders);
    for (const node of cluster.nodeIds) {
      const founding = configurationOf(cluster.votersAtStart(node));
      const log = new NodeLog(node, { term: term(0), vote: undefined }, founding);
      this.ghost.logs.set(node, log);
    }
    this.#members.view = {
      commitIndexOf: (node) => cluster.nodeOf(node).sequencer?.status().commitIndex ?? 0,
      baseIndexOf: (node) => (cluster.nodeOf(node).sequencer?.status().logFirstIndex ?? 1) - 1,
      storedBy: (node) => cluster.nodeOf(node).files.durable.index,
    };
    cluster.network.tap = this;
    this.#scheduler.afterEvent = (process) => {
      if (process instanceof SimProcess) this.#look(process, true);
    };
  }

  // --- the processes ----------------------------------------------------------------------------

  spawned(process: SimProcess): void {
    this.#tell(process.address, 'start', `incarnation ${process.incarnation}`);
  }

  consensusStarting(node: NodeId, isOnDisk: (entry: Entry) => boolean): StoreWitness {
    this.#commits.restarted(node);
    this.#elections.restarted(node);
    this.#members.restarted(node);
    return this.#logs.witness(node, isOnDisk);
  }

  consensusStarted(node: NodeId, sequencer: Sequencer): void {
    const { last, cut } = sequencer.log.recovered;
    this.#tell(
      `consensus/${node}`,
      'recovered',
      `last ${last.index}/${last.term}${cut ? ', tail cut' : ''}`,
    );
  }

  storageStarting(node: NodeId, durable: LogPosition): void {
    this.storages.starting(node, durable);
  }

  applied(node: NodeId, store: LsmStore): void {
    this.storages.applied(node, store);
  }

  notice(node: NodeId, kind: string): void {
    this.#tell(`consensus/${node}`, 'notice', kind);
  }

  died(process: SimProcess): void {
    this.onDied(process);
  }

  syncFailed(process: SimProcess): void {
    this.#scheduler.schedule(STOPPED_WITHIN_US, undefined, () => {
      this.#ledger.expect('I29', !process.isAlive, () => {
        return `${process.address} lives on after a failed sync`;
      });
    });
  }

  diskFilled(node: NodeId): void {
    if (!this.#full.has(node)) this.#full.set(node, false);
  }

  diskFreed(node: NodeId): void {
    const hasStopped = this.#full.get(node);
    if (hasStopped === undefined) return;
    this.#full.delete(node);
    this.#ledger.expect('I30', !hasStopped, () => `${node} stopped because its disk was full`);
  }

  /** What was injected may stop a process; anything else that does is a bug. */
  stopped(process: SimProcess, error: unknown): void {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#tell(process.address, 'stopped', text);
    const node = this.#cluster?.nodes.find(({ id }) => id === process.machine);
    if (error instanceof DiskError && error.code === 'DISK_FULL') {
      // Who has never taken part has nothing to serve, and may say so and stop.
      if (node?.established === true) this.#full.set(node.id, true);
      return;
    }
    const isDamaged = node?.damaged === true && process.role === 'consensus';
    const isSync =
      (error instanceof LogError && error.code === 'FSYNC_FAILED') ||
      (error instanceof DiskError && error.code === 'IO');
    if (isSync) {
      this.#ledger.expect('I29', isDamaged, () => `${process.address} stops: ${text}`);
    } else if (error instanceof LogError) {
      this.#ledger.expect('I28', isDamaged, () => `${process.address} stops: ${text}`);
    } else if (!(error instanceof InvariantViolation)) {
      const stack = error instanceof Error ? (error.stack ?? text) : text;
      this.#scheduler.fail(
        new InvariantViolation('assertion', `${process.address} stops: ${stack}`),
      );
    }
  }

  // --- the network ------------------------------------------------------------------------------

  sent(from: SimProcess, payload: Uint8Array, exchange: string | undefined): void {
    const frame = peekFrame(payload);
    if (frame.kind === FrameKind.raft) {
      const { message } = decodeMessage(frame.body);
      this.#elections.sent(message);
      const sequencer = this.#cluster?.nodeOf(message.from).sequencer;
      if (sequencer === undefined) return;
      if (message.kind === 'heartbeat-request') this.#priorities.leads(sequencer, message.term);
      if (message.kind === 'timeout-now') {
        this.#priorities.handsOver(from, sequencer, message.to, message.term);
      }
      return;
    }
    // Why: what this event has committed so far is served within it.
    this.#look(from, false);
    this.#services.sent(from, frame, exchange, this.#commitIndexOf(from));
  }

  delivered(to: SimProcess, payload: Uint8Array): void {
    if (payload[1] !== FrameKind.raft) return;
    const { message } = decodeMessage(peekFrame(payload).body);
    this.#elections.delivered(message);
    const isAnswer = message.kind === 'append-response' || message.kind === 'heartbeat-response';
    if (isAnswer) this.#commits.heard(to.machine as NodeId, message.from, this.#scheduler.nowMs);
  }

  #commitIndexOf(process: SimProcess): number {
    if (process.role !== 'consensus') return 0;
    const node = this.#cluster?.nodes.find(({ id }) => id === process.machine);
    return node?.sequencer?.status().commitIndex ?? 0;
  }

  #look(process: SimProcess, settled: boolean): void {
    if (process.role !== 'consensus') return;
    const node = this.#cluster?.nodes.find(({ id }) => id === process.machine);
    const status = node?.consensus === process ? node.sequencer?.status() : undefined;
    if (status === undefined) return;
    if (settled && node?.sequencer !== undefined) {
      this.#members.actsBy(node.id, node.sequencer.configuration, status.logFirstIndex - 1);
    }
    const isNews = this.#commits.look(process, status, this.#scheduler.nowMs, settled);
    if (settled && status.role === 'leader' && node?.sequencer !== undefined) {
      this.#leases.look(node.id, status.term, node.sequencer);
    }
    if (!isNews) return;
    this.#tell(
      process.address,
      status.role,
      `term ${status.term} commit ${status.commitIndex} durable ${status.durableIndex} last ${status.lastIndex}`,
    );
  }
}
