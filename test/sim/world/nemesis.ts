/**
 * Injects the faults of a seed while the safety phase lasts, each family at its own rate from its own
 * stream of the seed, and takes all of them back when it ends.
 *
 * The atlas of what may be broken at a time: files are damaged, or an fsync fails, on a minority of the
 * nodes only, ever: nothing that was acknowledged may depend on a copy that was broken on purpose.
 */
import type { NodeId } from '@kvstore/std';
import { UNSYNCED_FATES, type UnsyncedFate } from '@kvstore/testing';
import { Dice } from './dice.ts';
import { type FaultAtlas, FaultClass } from './fault-atlas.ts';
import { flipBits } from './bit-flips.ts';
import { Operator } from './operator.ts';
import { Partitions } from './partitions.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimCluster, SimGateway, SimNode } from './sim-cluster.ts';
import { CALM } from './sim-network.ts';
import type { FaultFamily, SimOptions } from './sim-options.ts';
import { CALM_FLUSH } from './sim-storage-files.ts';
import type { SimProcess } from './sim-process.ts';

const FATE_FAULT: Readonly<Record<UnsyncedFate, FaultClass | undefined>> = {
  lost: FaultClass.unsyncedLost,
  torn: FaultClass.unsyncedTorn,
  random: FaultClass.unsyncedMixed,
  kept: undefined,
};

const DISK_RESTS_US = 25_000;
const FLIP_LOOKS_MAX = 80;

export class Nemesis {
  readonly #scheduler: Scheduler;
  readonly #cluster: SimCluster;
  readonly #options: SimOptions;
  readonly #atlas: FaultAtlas;
  readonly #partitions: Partitions;
  readonly operator: Operator;
  readonly #restarts: Dice;
  readonly #cuts: Dice;
  readonly #tell: (what: string) => void;
  #active = true;

  constructor(
    scheduler: Scheduler,
    cluster: SimCluster,
    options: SimOptions,
    atlas: FaultAtlas,
    tell: (what: string) => void,
  ) {
    this.#scheduler = scheduler;
    this.#cluster = cluster;
    this.#options = options;
    this.#atlas = atlas;
    this.#tell = tell;
    this.#restarts = new Dice(options.seed, 'restarts');
    this.#cuts = new Dice(options.seed, 'cuts');
    this.#partitions = new Partitions(scheduler, cluster, atlas, tell);
    this.operator = new Operator(scheduler, cluster, atlas, tell);
    cluster.onStopped = (process) => this.#restartLater(process);
    cluster.onCut = (node) => this.#losePowerInCut(node);
  }

  start(): void {
    const { network, disk, flush, clockRates, seed } = this.#options;
    this.#cluster.network.faults = network;
    for (const node of this.#cluster.nodes) {
      node.disk.faults = disk;
      node.files.faults = flush;
    }
    if (clockRates) this.#setRates(new Dice(seed, 'clock-rate'));
    this.#repeat('clog', (dice) => this.#clog(dice));
    this.#repeat('partition', (dice) => this.#partitions.begin(dice));
    this.#repeat('depose', (dice) => this.#partitions.depose(dice));
    this.#repeat('transfer', (dice) => this.#transfer(dice));
    this.#repeat('members', (dice) => this.#changeMembers(dice));
    this.#repeat('connection', (dice) => this.#disconnect(dice));
    this.#repeat('kill', (dice) => this.#kill(dice));
    this.#repeat('gateway-kill', (dice) => this.#killGateway(dice));
    this.#repeat('power', (dice) => this.#losePower(dice.pick(this.#cluster.nodes), dice));
    this.#repeat('power-all', (dice) => this.#losePowerEverywhere(dice));
    this.#repeat('pause', (dice) => this.#pause(dice));
    this.#repeat('stall', (dice) => this.#stall(dice));
    this.#repeat('sync-error', (dice) => this.#failSync(dice));
    this.#repeat('disk-full', (dice) => this.#fillDisk(dice));
    this.#repeat('bit-flip', (dice) => this.#flip(dice));
    this.#repeat('clock-jump', (dice) => this.#jump(dice));
  }

  /** When the last process that is paused goes on and the last operation that a disk held up is done. */
  get overAtUs(): number {
    const pauses = this.#processes.map((process) => process.pausedUntilUs);
    const asked = Math.max(this.operator.overAtUs, this.#cluster.network.lateUntilUs);
    return Math.max(asked, ...pauses, ...this.#cluster.nodes.map(({ disk }) => disk.busyUntilUs));
  }

  /**
   * Takes every fault back but pauses and stalls, which end by themselves; who is down starts, unless
   * its files were damaged and it refuses.
   */
  heal(): void {
    this.#active = false;
    const { network, nodes, gateways } = this.#cluster;
    network.faults = CALM;
    this.#partitions.end();
    for (const node of nodes) {
      this.#cluster.freeDisk(node);
      node.disk.heal();
      node.files.faults = CALM_FLUSH;
      this.#cluster.startConsensus(node);
      this.#cluster.startStorage(node);
    }
    for (const gateway of gateways) this.#cluster.startGateway(gateway);
  }

  #repeat(family: FaultFamily, inject: (dice: Dice) => void): void {
    const periodMs = this.#options.periods[family];
    if (periodMs === undefined) return;
    const dice = new Dice(this.#options.seed, family);
    const arm = (): void => {
      this.#scheduler.schedule(dice.exponential(periodMs) * 1000, undefined, () => {
        if (!this.#active) return;
        inject(dice);
        arm();
      });
    };
    arm();
  }

  // --- network ----------------------------------------------------------------------------------

  #clog(dice: Dice): void {
    const { machines, network } = this.#cluster;
    const [from, to] = [dice.pick(machines), dice.pick(machines)];
    if (from === to) return;
    this.#atlas.count(FaultClass.linkClogged);
    network.clog(from, to, dice.below(1_500_000));
    this.#tell(`clog ${from} > ${to}`);
  }

  #disconnect(dice: Dice): void {
    const process = dice.pick(this.#processes);
    const lane = dice.chance(0.5) ? 'data' : 'control';
    if (!process.isAlive) return;
    this.#atlas.count(FaultClass.connectionLost);
    this.#cluster.network.disconnect(process, lane, dice.below(300_000));
    this.#tell(`connection lost ${process.address} ${lane}`);
  }

  // --- processes --------------------------------------------------------------------------------

  get #processes(): readonly SimProcess[] {
    const { nodes, gateways } = this.#cluster;
    const all = [
      ...nodes.map(({ consensus }) => consensus),
      ...nodes.map(({ storage }) => storage),
      ...gateways.map(({ process }) => process),
    ];
    return all.filter((process) => process !== undefined);
  }

  #kill(dice: Dice): void {
    const node = dice.pick(this.#cluster.nodes);
    const process = dice.chance(0.6) ? node.consensus : node.storage;
    if (process?.isAlive !== true) return;
    this.#atlas.count(FaultClass.kill);
    this.#tell(`kill ${process.address}`);
    this.#cluster.kill(process);
    this.#restartLater(process);
  }

  #killGateway(dice: Dice): void {
    const { process } = dice.pick(this.#cluster.gateways);
    if (process?.isAlive !== true) return;
    this.#atlas.count(FaultClass.gatewayKilled);
    this.#tell(`kill ${process.address}`);
    this.#cluster.kill(process);
    this.#restartLater(process);
  }

  #losePower(node: SimNode, dice: Dice): void {
    // Why: a power cut together with damage to the last group looks like a torn write (libs/disk/DESIGN.md).
    if (node.rotten) return;
    const fate = dice.pick(UNSYNCED_FATES);
    const fault = FATE_FAULT[fate];
    this.#atlas.count(FaultClass.powerLoss);
    if (fault !== undefined) this.#atlas.count(fault);
    this.#tell(`power lost ${node.id}, unsynced ${fate}`);
    this.#cluster.losePower(node, fate);
    this.#startLater(() => this.#cluster.startConsensus(node));
    this.#startLater(() => this.#cluster.startStorage(node));
  }

  /** What is given back, and when, shows only to who starts from what is left in the middle of it. */
  #losePowerInCut(node: SimNode): void {
    const { power } = this.#options.periods;
    if (!this.#active || power === undefined || !this.#cuts.chance(0.3)) return;
    this.#scheduler.schedule(this.#cuts.exponential(2_000), undefined, () => {
      if (this.#active && node.consensus?.isAlive === true) this.#losePower(node, this.#cuts);
    });
  }

  #losePowerEverywhere(dice: Dice): void {
    this.#atlas.count(FaultClass.powerLossAll);
    for (const node of this.#cluster.nodes) this.#losePower(node, dice);
  }

  #restartLater(process: SimProcess): void {
    const { nodes, gateways } = this.#cluster;
    const node = nodes.find(({ id }) => id === process.machine);
    const gateway = gateways.find(({ name }) => name === process.machine);
    if (process.role === 'gateway') {
      this.#startLater(() => this.#cluster.startGateway(gateway as SimGateway));
    } else if (process.role === 'storage') {
      this.#startLater(() => this.#cluster.startStorage(node as SimNode));
    } else {
      this.#startLater(() => this.#cluster.startConsensus(node as SimNode));
    }
  }

  /** One start in five is watched for a moment in which to kill again. */
  #startLater(start: () => void): void {
    const ms = this.#restarts.exponential(this.#options.downMsMean);
    this.#scheduler.schedule(ms * 1000, undefined, () => {
      if (!this.#active) return;
      start();
      const kills = this.#options.periods.kill !== undefined && this.#restarts.chance(0.2);
      if (kills) this.#killInRecovery();
    });
  }

  #killInRecovery(): void {
    const us = this.#restarts.below(4000);
    this.#scheduler.schedule(us, undefined, () => {
      if (!this.#active) return;
      for (const { consensus, sequencer } of this.#cluster.nodes) {
        if (consensus?.isAlive !== true || sequencer !== undefined) continue;
        this.#atlas.count(FaultClass.crashInRecovery);
        this.#tell(`kill ${consensus.address} in its recovery`);
        this.#cluster.kill(consensus);
        this.#restartLater(consensus);
      }
    });
  }

  #pause(dice: Dice): void {
    const leader = this.#partitions.leader?.consensus;
    const process = leader !== undefined && dice.chance(0.4) ? leader : dice.pick(this.#processes);
    if (!process.isAlive) return;
    const forUs = dice.below(dice.chance(0.3) ? 3_000_000 : 600_000);
    this.#atlas.count(FaultClass.pause);
    this.#tell(`pause ${process.address} for ${Math.floor(forUs / 1000)} ms`);
    process.pauseUntil(this.#scheduler.nowUs + forUs);
  }

  #transfer(dice: Dice): void {
    const leader = this.#partitions.leader?.id;
    if (leader !== undefined) this.operator.transfer(dice, leader);
  }

  #changeMembers(dice: Dice): void {
    const leader = this.#partitions.leader?.id;
    if (leader !== undefined) this.operator.change(dice, leader);
  }

  // --- disks ------------------------------------------------------------------------------------

  #stall(dice: Dice): void {
    const node = dice.pick(this.#cluster.nodes);
    const forUs = dice.below(2_500_000);
    this.#atlas.count(FaultClass.diskStall);
    this.#tell(`disk of ${node.id} stalls for ${Math.floor(forUs / 1000)} ms`);
    node.disk.stall(forUs);
  }

  /** A failed fsync leaves pages that look written and are not: as bad as damage. */
  #failSync(dice: Dice): void {
    const node = this.#mayDamage(dice);
    if (node === undefined) return;
    node.damaged = true;
    this.#tell(`next sync of ${node.id} fails`);
    node.disk.failNextSync();
  }

  #fillDisk(dice: Dice): void {
    const node = dice.pick(this.#cluster.nodes);
    this.#atlas.count(FaultClass.diskFull);
    this.#tell(`disk of ${node.id} is full`);
    this.#cluster.fillDisk(node, dice.below(20_000));
    this.#scheduler.schedule(dice.below(2_500_000), undefined, () => this.#cluster.freeDisk(node));
  }

  /**
   * Rot is found when a file is read: at the next start. Why a disk at rest: for some milliseconds after a
   * sync, damage to that group together with a kill looks like a torn write (libs/disk/DESIGN.md).
   */
  #flip(dice: Dice, looks = 0): void {
    const node = this.#mayDamage(dice);
    const restsUs = this.#scheduler.nowUs - (node?.disk.busyUntilUs ?? 0);
    if (restsUs < DISK_RESTS_US) {
      if (looks === FLIP_LOOKS_MAX) return;
      this.#scheduler.schedule(DISK_RESTS_US / 4, undefined, () => {
        if (this.#active) this.#flip(dice, looks + 1);
      });
      return;
    }
    const process = node?.consensus;
    if (node === undefined || process?.isAlive !== true || !node.established) return;
    this.#cluster.kill(process);
    this.#restartLater(process);
    const path = flipBits(node.disk.memory, dice);
    if (path === undefined) return;
    node.damaged = true;
    node.rotten = true;
    this.#atlas.count(FaultClass.bitFlip);
    this.#tell(`bits flipped on ${node.id}: ${path}`);
  }

  #mayDamage(dice: Dice): SimNode | undefined {
    const { nodes } = this.#cluster;
    const node = dice.pick(nodes);
    const damaged = nodes.filter((each) => each.damaged).length;
    if (node.damaged) return node;
    return damaged < Math.floor((nodes.length - 1) / 2) ? node : undefined;
  }

  // --- clocks -----------------------------------------------------------------------------------

  #setRates(dice: Dice): void {
    for (const machine of this.#cluster.machines) {
      this.#atlas.count(FaultClass.clockRate);
      this.#cluster.clockOf(machine).rate = 0.9 + 0.2 * dice.fraction();
    }
  }

  #jump(dice: Dice): void {
    const machine = dice.pick<NodeId | string>(this.#cluster.machines);
    const byMs = dice.between(-60_000, 60_000);
    this.#atlas.count(FaultClass.clockJump);
    this.#tell(`wall clock of ${machine} jumps by ${byMs} ms`);
    this.#cluster.clockOf(machine).wallOffsetMs += byMs;
  }
}
