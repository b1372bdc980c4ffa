/**
 * What one seed simulates: the size of the cluster, its workload, and a random subset of fault
 * classes at random rates (swarm testing: Groce et al. 2012). Each family is off with p = 1/3, so
 * that some seeds see one kind of trouble only and others see all of them.
 */
import type { SequencerConfig } from '@kvstore/sequencer';
import { Dice } from './dice.ts';
import type { DiskFaults } from './sim-disk.ts';
import type { NetworkFaults } from './sim-network.ts';
import type { FlushFaults } from './sim-storage-files.ts';

/** What can be left out of a seed, when it is made smaller. */
export const FAULT_FAMILIES = [
  'loss',
  'duplicate',
  'late',
  'delay',
  'reorder',
  'clog',
  'partition',
  'depose',
  'transfer',
  'members',
  'connection',
  'kill',
  'gateway-kill',
  'power',
  'power-all',
  'pause',
  'slow-sync',
  'stall',
  'sync-error',
  'disk-full',
  'bit-flip',
  'flush',
  'clock-rate',
  'clock-jump',
] as const;
export type FaultFamily = (typeof FAULT_FAMILIES)[number];

/** Overrides of what the seed says: how a failing seed is made smaller, and how a run is tuned. */
export interface Reduction {
  readonly without: readonly FaultFamily[];
  readonly clientsMax?: number;
  readonly safetyMsMax?: number;
}

export const NO_REDUCTION: Reduction = { without: [] };

export interface Workload {
  readonly clients: number;
  /** Further clients that only read. */
  readonly readers: number;
  readonly keys: number;
  readonly thinkUsMean: number;
  readonly readShare: number;
  readonly weakReadShare: number;
  readonly deleteShare: number;
  readonly conditionShare: number;
  readonly ttlShare: number;
  readonly idempotentShare: number;
  readonly valueBytesMax: number;
  readonly timeoutMs: number;
}

/** Mean milliseconds between two faults of a family; families that are off are not there. */
export type FaultPeriods = Partial<Record<FaultFamily, number>>;

export interface SimOptions {
  readonly seed: number;
  /** Nodes that found the cluster, all of them voters. */
  readonly founders: number;
  /** Nodes that run and may be admitted. */
  readonly spares: number;
  readonly gateways: number;
  readonly safetyMs: number;
  /** Clients end that long before the faults do: what was lost last, no later write brings back. */
  readonly quietMs: number;
  readonly segmentBytes: number;
  readonly memtableBytes: number;
  readonly numMemtables: number;
  readonly downMsMean: number;
  readonly sequencer: Partial<SequencerConfig>;
  readonly workload: Workload;
  readonly network: NetworkFaults;
  readonly disk: DiskFaults;
  readonly flush: FlushFaults;
  readonly periods: FaultPeriods;
  readonly clockRates: boolean;
}

const OFF = 1 / 3;
/** They exclude each other, and each has to have its share. */
const OFF_SHARE: Partial<Record<FaultFamily, number>> = { members: 0.6 };

export function optionsOf(seed: number, reduction: Reduction = NO_REDUCTION): SimOptions {
  const dice = new Dice(seed, 'options');
  const families = familiesOf(seed, reduction);
  const has = (family: FaultFamily): boolean => families.has(family);
  const founders = dice.pick([1, 3, 3, 3, 3, 3, 3, 5, 5]);
  const spares = dice.pick([1, 2, 2]);
  const safetyMs = dice.between(2500, 6000);
  const workload = workloadOf(dice);
  const { clientsMax = Number.POSITIVE_INFINITY, safetyMsMax = safetyMs } = reduction;
  return {
    seed,
    founders,
    spares: has('members') ? spares : 0,
    gateways: dice.pick([1, 2, 2, 3]),
    safetyMs: Math.min(safetyMs, safetyMsMax),
    quietMs: dice.pick([0, 200, 800]),
    segmentBytes: dice.pick([96, 128, 160, 256]) * 1024,
    memtableBytes: dice.pick([2, 4, 8, 32]) * 1024,
    numMemtables: dice.between(1, 4),
    downMsMean: dice.pick([50, 200, 600, 2_500]),
    sequencer: {
      tailBytesMax: dice.pick([0, 2_000, 8 << 20]),
      appendBytesMax: dice.pick([1, 300, 4_000, 384 << 10]),
      inflightBytesMax: dice.pick([384 << 10, 4 << 20]),
      uncommittedBytesMax: dice.pick([20_000, 400_000, 16 << 20]),
      // As small as segments let it be, so that even a short life sees followers overtaken.
      logReserveBytes: dice.pick([0, 0, 0, 256 << 20]),
      logLagBytesMax: dice.pick([0, 0, 400_000, 1 << 30]),
      cutPeriodMs: dice.pick([50, 500]),
      yieldTicks: dice.pick([5, 20, 300]),
      unappliedEntriesMax: dice.pick([10, 200, 10_000]),
    },
    workload: { ...workload, clients: Math.min(workload.clients, clientsMax) },
    network: networkOf(new Dice(seed, 'network-options'), has),
    disk: diskOf(new Dice(seed, 'disk-options'), has),
    flush: flushOf(new Dice(seed, 'flush-options'), has),
    periods: periodsOf(seed, families),
    clockRates: has('clock-rate'),
  };
}

function familiesOf(seed: number, { without }: Reduction): ReadonlySet<FaultFamily> {
  const dice = new Dice(seed, 'families');
  const drawn = FAULT_FAMILIES.filter((family) => !dice.chance(OFF_SHARE[family] ?? OFF));
  const families = drawn.filter((family) => !without.includes(family));
  // Why not both: a change may leave a majority to nodes that refuse to start for ever.
  if (!families.includes('members')) return new Set(families);
  return new Set(families.filter((family) => family !== 'sync-error' && family !== 'bit-flip'));
}

function workloadOf(dice: Dice): Workload {
  return {
    clients: dice.between(2, 6),
    readers: dice.pick([0, 2, 4]),
    keys: dice.between(1, 5),
    thinkUsMean: dice.pick([15_000, 40_000, 100_000]),
    readShare: dice.pick([0.2, 0.5, 0.7]),
    weakReadShare: 0.15,
    deleteShare: 0.15,
    conditionShare: dice.pick([0, 0.2, 0.5]),
    ttlShare: dice.pick([0, 0.1]),
    idempotentShare: dice.pick([0, 0.2, 0.6]),
    valueBytesMax: dice.pick([16, 200, 3000, 12_000, 24_000, 24_000]),
    timeoutMs: dice.pick([400, 1500, 3000]),
  };
}

function networkOf(dice: Dice, has: (family: FaultFamily) => boolean): NetworkFaults {
  const share = dice.fraction() ** 2;
  const [loss, duplicate, late] = [0.2 * share, 0.3 * dice.fraction() ** 2, 0.05 * share];
  const meanUs = dice.pick([300, 2_000, 20_000]);
  return {
    loss: has('loss') ? loss : 0,
    duplicate: has('duplicate') ? duplicate : 0,
    lateDuplicate: has('late') ? late : 0,
    lateUsMax: 3_000_000,
    delayUsMin: 50,
    delayUsMean: has('delay') ? meanUs : 150,
    reorder: has('reorder'),
  };
}

function diskOf(dice: Dice, has: (family: FaultFamily) => boolean): DiskFaults {
  const syncUsMean = dice.pick([200, 1_000, 5_000]);
  const slowSync = dice.pick([0.01, 0.1]);
  return { syncUsMean, slowSync: has('slow-sync') ? slowSync : 0, slowSyncUsMax: 600_000 };
}

function flushOf(dice: Dice, has: (family: FaultFamily) => boolean): FlushFaults {
  const slow = dice.pick([0.05, 0.3]);
  const error = dice.pick([0.02, 0.2]);
  const isOn = has('flush');
  return {
    stepUsMean: 3_000,
    slow: isOn ? slow : 0,
    slowUsMax: 800_000,
    error: isOn ? error : 0,
  };
}

const PERIOD_MS: FaultPeriods = {
  clog: 800,
  partition: 900,
  depose: 1500,
  transfer: 1500,
  members: 700,
  connection: 1200,
  kill: 1000,
  'gateway-kill': 3000,
  power: 1500,
  'power-all': 5000,
  pause: 900,
  stall: 1500,
  'sync-error': 4000,
  'disk-full': 3000,
  'bit-flip': 6000,
  'clock-jump': 1500,
};

function periodsOf(seed: number, families: ReadonlySet<FaultFamily>): FaultPeriods {
  const dice = new Dice(seed, 'periods');
  const periods: FaultPeriods = {};
  for (const family of FAULT_FAMILIES) {
    const factor = dice.pick([0.3, 1, 1, 3]);
    const period = PERIOD_MS[family];
    if (period !== undefined && families.has(family)) periods[family] = period * factor;
  }
  return periods;
}
