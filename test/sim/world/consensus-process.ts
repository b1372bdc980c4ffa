/** One incarnation of a consensus: the real sequencer over the real log files on a simulated disk. */
import type { Lanes } from '@kvstore/contract';
import type { Entry } from '@kvstore/raft';
import { openHardState, openSegmentedLog } from '@kvstore/disk';
import {
  type LogStore,
  Sequencer,
  type SequencerConfig,
  type SequencerNotice,
} from '@kvstore/sequencer';
import { logIndex, type NodeId, SeededRandom } from '@kvstore/std';
import { CLUSTER_ID, IDENTITY, labelOf } from './identity.ts';
import type { SimDisk } from './sim-disk.ts';
import type { SimProcess } from './sim-process.ts';
import { type StoreWitness, WatchedHardState, WatchedLog } from './watched-stores.ts';

export interface ConsensusOptions {
  readonly process: SimProcess;
  readonly node: NodeId;
  readonly voters: readonly NodeId[];
  readonly lanes: Lanes;
  readonly disk: SimDisk;
  readonly seed: number;
  readonly segmentBytes: number;
  readonly config: Partial<SequencerConfig>;
  /** This node has held entries and votes before. */
  readonly mustExist: boolean;
  readonly witness: StoreWitness;
  readonly onFatal: (error: unknown) => void;
  readonly onNotice: (notice: SequencerNotice) => void;
}

/** Rejects when the files cannot be trusted. */
export async function startConsensus(options: ConsensusOptions): Promise<Sequencer> {
  const { process, node, voters, lanes, segmentBytes, mustExist, witness } = options;
  const disk = options.disk.mount(process);
  const directory = 'consensus/g0';
  const label = labelOf(node);
  const hardStates = await openHardState({ disk, directory, label, mustExist });
  const log = await openSegmentedLog({
    disk,
    directory: `${directory}/log`,
    label,
    mustExist,
    segmentBytes,
    timers: process.timers,
  });
  witness.recovered(await everyEntry(log), hardStates.recovered);
  const sequencer = new Sequencer({
    ...IDENTITY,
    node,
    voters,
    lanes,
    incarnation: process.incarnation,
    log: new WatchedLog(log, witness),
    hardStates: new WatchedHardState(hardStates, witness),
    clock: process.clock,
    timers: process.timers,
    random: new SeededRandom(options.seed),
    config: options.config,
    onFatal: options.onFatal,
    onNotice: options.onNotice,
  });
  await sequencer.start(CLUSTER_ID);
  return sequencer;
}

async function everyEntry(log: LogStore): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  while (entries.length < log.recovered.last.index) {
    entries.push(...(await log.read(logIndex(entries.length + 1), 1 << 20)));
  }
  return entries;
}
