/**
 * The processes of a simulated cluster, and what is left of them when they die: consensus and storage
 * of every node, and gateways. A node's two processes die alone or, with its power, together.
 */
import type { ClusterClient } from '@kvstore/cluster-client';
import type { Lanes } from '@kvstore/contract';
import type { LogBase } from '@kvstore/raft';
import { assert, type NodeId, nodeId } from '@kvstore/std';
import type { Sequencer, SequencerNotice } from '@kvstore/sequencer';
import { type UnsyncedFate } from '@kvstore/testing';
import { startConsensus } from './consensus-process.ts';
import { Dice } from './dice.ts';
import { type FaultAtlas, FaultClass } from './fault-atlas.ts';
import { startGateway } from './gateway-process.ts';
import type { Scheduler } from './scheduler.ts';
import { SimDisk } from './sim-disk.ts';
import { SimNetwork } from './sim-network.ts';
import type { SimOptions } from './sim-options.ts';
import { MachineClock, type ProcessRole, SimProcess } from './sim-process.ts';
import { SimStorageFiles } from './sim-storage-files.ts';
import { startStorage, type StorageProcess } from './storage-process.ts';
import type { ClusterWitness } from './witness.ts';

export interface SimNode {
  readonly id: NodeId;
  readonly disk: SimDisk;
  readonly files: SimStorageFiles;
  consensus: SimProcess | undefined;
  /** Undefined while the process recovers. */
  sequencer: Sequencer | undefined;
  storage: SimProcess | undefined;
  replica: StorageProcess | undefined;
  /** It has taken part: its files must be there. */
  established: boolean;
  /** Its files were damaged on purpose: it may refuse to start for ever. */
  damaged: boolean;
  /** By flipped bits. */
  rotten: boolean;
}

export interface SimGateway {
  readonly name: string;
  process: SimProcess | undefined;
  client: ClusterClient | undefined;
}

export class SimCluster {
  readonly network: SimNetwork;
  readonly nodes: readonly SimNode[];
  readonly gateways: readonly SimGateway[];
  readonly clocks = new Map<string, MachineClock>();
  readonly #scheduler: Scheduler;
  readonly #options: SimOptions;
  readonly #atlas: FaultAtlas;
  readonly #witness: ClusterWitness;
  readonly #dice: Dice;
  #incarnation = 0;
  /** Told when the log of a node is about to be cut. */
  onCut: (node: SimNode) => void = () => undefined;
  /** Told when a process stopped by itself. */
  onStopped: (process: SimProcess) => void = () => undefined;

  constructor(
    scheduler: Scheduler,
    options: SimOptions,
    atlas: FaultAtlas,
    witness: ClusterWitness,
  ) {
    const { seed } = options;
    this.#scheduler = scheduler;
    this.#options = options;
    this.#atlas = atlas;
    this.#witness = witness;
    this.#dice = new Dice(seed, 'cluster');
    this.network = new SimNetwork(scheduler, new Dice(seed, 'network'), atlas);
    const { founders, spares } = options;
    this.nodes = Array.from({ length: founders + spares }, (_, i) => ({
      id: nodeId(`n${i + 1}`),
      disk: new SimDisk(scheduler, new Dice(seed, `disk-${i}`), atlas),
      files: new SimStorageFiles(scheduler, new Dice(seed, `files-${i}`), atlas),
      consensus: undefined,
      sequencer: undefined,
      storage: undefined,
      replica: undefined,
      established: false,
      damaged: false,
      rotten: false,
    }));
    for (const { disk } of this.nodes) {
      disk.onSyncFailed = (process) => witness.syncFailed(process);
    }
    this.gateways = Array.from({ length: options.gateways }, (_, i) => ({
      name: `g${i + 1}`,
      process: undefined,
      client: undefined,
    }));
  }

  get nodeIds(): readonly NodeId[] {
    return this.nodes.map(({ id }) => id);
  }

  nodeOf(id: NodeId): SimNode {
    const node = this.nodes.find((each) => each.id === id);
    assert(node !== undefined, `no such node: ${id}`);
    return node;
  }

  get founders(): readonly NodeId[] {
    return this.nodeIds.slice(0, this.#options.founders);
  }

  /** Of the founding configuration; a node that is to be admitted knows of none. */
  votersAtStart(node: NodeId): readonly NodeId[] {
    return this.founders.includes(node) ? this.founders : [];
  }

  /** Machines that can be cut off from each other. */
  get machines(): readonly string[] {
    return [...this.nodeIds, ...this.gateways.map(({ name }) => name)];
  }

  /** Of what no process is responsible for. */
  fail(error: unknown): void {
    this.#scheduler.fail(error);
  }

  startAll(): void {
    for (const node of this.nodes) {
      this.startConsensus(node);
      this.startStorage(node);
    }
    for (const gateway of this.gateways) this.startGateway(gateway);
  }

  clockOf(machine: string): MachineClock {
    const known = this.clocks.get(machine);
    if (known !== undefined) return known;
    const clock = new MachineClock();
    this.clocks.set(machine, clock);
    return clock;
  }

  startConsensus(node: SimNode): void {
    if (node.consensus?.isAlive === true) return;
    const { process, lanes } = this.#spawn('consensus', node.id);
    node.consensus = process;
    node.sequencer = undefined;
    const witness = this.#witness.consensusStarting(node.id, (entry) => {
      return node.disk.holdsDurably(entry);
    });
    const tellCut = (base: LogBase): void => {
      witness.cut(base);
      this.onCut(node);
    };
    startConsensus({
      process,
      lanes,
      node: node.id,
      voters: this.votersAtStart(node.id),
      disk: node.disk,
      seed: this.#dice.below(2 ** 32),
      segmentBytes: this.#options.segmentBytes,
      config: this.#options.sequencer,
      mustExist: node.established,
      witness: { ...witness, cut: tellCut },
      onFatal: (error) => this.#stopped(process, error),
      onNotice: (notice: SequencerNotice) => this.#witness.notice(node.id, notice.kind),
    }).then(
      (sequencer) => {
        if (!process.isAlive) return;
        node.sequencer = sequencer;
        node.established = true;
        this.#witness.consensusStarted(node.id, sequencer);
      },
      (error: unknown) => this.#stopped(process, error),
    );
  }

  startStorage(node: SimNode): void {
    if (node.storage?.isAlive === true) return;
    const { process, lanes } = this.#spawn('storage', node.id);
    node.storage = process;
    node.replica = undefined;
    this.#witness.storageStarting(node.id, node.files.durable);
    startStorage({
      process,
      lanes,
      node: node.id,
      nodes: this.nodeIds,
      files: node.files,
      memtableBytes: this.#options.memtableBytes,
      numMemtables: this.#options.numMemtables,
      onApplied: (store) => this.#witness.applied(node.id, store),
      onReplaced: (store, installed) => {
        if (installed) this.#atlas.count(FaultClass.snapshotInstalled);
        this.#witness.storageStarting(node.id, store.applied);
      },
      onFatal: (error) => this.#stopped(process, error),
    }).then(
      (replica) => {
        if (process.isAlive) node.replica = replica;
      },
      (error: unknown) => this.#stopped(process, error),
    );
  }

  startGateway(gateway: SimGateway): void {
    if (gateway.process?.isAlive === true) return;
    const { process, lanes } = this.#spawn('gateway', gateway.name);
    gateway.process = process;
    gateway.client = startGateway({
      process,
      lanes,
      nodes: this.nodeIds,
      home: this.#dice.pick(this.nodeIds),
      seed: this.#dice.below(2 ** 32),
      onFatal: (error) => this.#stopped(process, error),
    });
  }

  /** As by SIGKILL: the page cache stays. */
  kill(process: SimProcess): void {
    if (!process.isAlive) return;
    process.kill();
    this.network.hungUp(process);
    this.#buried(process);
    const node = this.nodes.find(({ id }) => id === process.machine);
    if (node === undefined) return;
    if (process.role === 'consensus') node.disk.killed();
    else node.files.died();
  }

  /** The server notices later that nobody is there any more. */
  losePower(node: SimNode, unsynced: UnsyncedFate): void {
    for (const process of [node.consensus, node.storage]) {
      if (process?.isAlive !== true) continue;
      process.kill();
      this.#buried(process);
      this.#scheduler.schedule(1_000_000, undefined, () => this.network.hungUp(process));
    }
    node.disk.powerLost(this.#dice.random, unsynced);
    node.files.died();
  }

  fillDisk({ id, disk }: SimNode, bytesLeft: number): void {
    disk.setSpace(bytesLeft);
    this.#witness.diskFilled(id);
  }

  freeDisk({ id, disk }: SimNode): void {
    disk.setSpace(Number.POSITIVE_INFINITY);
    this.#witness.diskFreed(id);
  }

  #buried(process: SimProcess): void {
    this.#witness.died(process);
    const node = this.nodes.find(({ id }) => id === process.machine);
    if (node !== undefined && process.role === 'consensus') node.sequencer = undefined;
    if (node !== undefined && process.role === 'storage') node.replica = undefined;
    for (const gateway of this.gateways) {
      if (gateway.process === process) gateway.client = undefined;
    }
  }

  #spawn(
    role: ProcessRole,
    machine: string,
  ): { readonly process: SimProcess; readonly lanes: Lanes } {
    const clock = this.clockOf(machine);
    const process = new SimProcess(this.#scheduler, role, machine, ++this.#incarnation, clock);
    const lanes = this.network.connect(process);
    this.#witness.spawned(process);
    return { process, lanes };
  }

  #stopped(process: SimProcess, error: unknown): void {
    if (!process.isAlive) return;
    this.#witness.stopped(process, error);
    this.kill(process);
    this.onStopped(process);
  }
}
