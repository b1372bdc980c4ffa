/**
 * The consensus service of a node: the sequencer of group g0 over its log on disk, and its control
 * plane. The module opens the files and composes; it decides nothing.
 */
import { type DynamicModule, Module } from '@nestjs/common';
import { openHardState, openSegmentedLog } from '@kvstore/disk';
import { type Config, type KvLogger, type NodeContext, Self, StartError } from '@kvstore/nest-kit';
import { LogError, Sequencer, type SequencerConfig } from '@kvstore/sequencer';
import type { NodeId } from '@kvstore/std';
import { ConsensusController } from './consensus.controller.ts';
import { CONSENSUS_SELF, SEQUENCER } from './consensus-tokens.ts';
import { tellNotice } from './tell-notice.ts';

/** Of the sequencer, what the configuration says. */
export function sequencerConfig(config: Config): Partial<SequencerConfig> {
  return {
    logReserveBytes: config.logReserve,
    logLagBytesMax: config.logLagLimit,
    logBytesMax: config.logLimit,
  };
}

@Module({})
export class ConsensusModule {
  static register(
    context: NodeContext,
    config: Partial<SequencerConfig>,
    log: KvLogger,
  ): DynamicModule {
    return {
      module: ConsensusModule,
      controllers: [ConsensusController],
      providers: [
        { provide: SEQUENCER, useFactory: () => openSequencer(context, config, log) },
        {
          provide: CONSENSUS_SELF,
          inject: [SEQUENCER],
          useFactory: (sequencer: Sequencer) => selfOf(context, sequencer),
        },
      ],
      exports: [SEQUENCER, CONSENSUS_SELF],
    };
  }
}

function selfOf({ node, directory }: NodeContext, sequencer: Sequencer): Self {
  return new Self('consensus', node, () => {
    const { disk, clusterId, founders } = directory.identity;
    const { disks = [], removed = [] } = sequencer.committedConfiguration ?? {};
    const admitted = Object.fromEntries(disks.map((each) => [each.node, each.disk]));
    return { disk, clusterId, founders, admitted, removed };
  });
}

/** None of a node that is none of them: it takes part by the log, or not at all. */
function foundersOf({ node, nodes, directory }: NodeContext): readonly NodeId[] {
  const { founders } = directory.identity;
  const known = founders === undefined ? nodes : (Object.keys(founders) as NodeId[]);
  return known.includes(node) ? known : [];
}

async function openSequencer(
  context: NodeContext,
  config: Partial<SequencerConfig>,
  log: KvLogger,
): Promise<Sequencer> {
  const { disk, cluster, group, node, timers, established } = context;
  const directory = `consensus/${group}`;
  const label = `${cluster}/${group}/${node}`;
  const shared = { disk, label, mustExist: established };
  try {
    const hardStates = await openHardState({ ...shared, directory });
    const entries = await openSegmentedLog({
      ...shared,
      directory: `${directory}/log`,
      timers,
      // A single voter has nobody to get back from what it has lost.
      ...(context.nodes.length > 1 && { onDamage: () => hardStates.beginRepair() }),
    });
    if (entries.recovered.damage !== undefined) {
      log.event('error', entries.recovered.damage, {
        consequence:
          'what is lost is fetched from the other members; until then this one does not vote',
      });
    }
    return new Sequencer({
      ...context,
      config,
      voters: foundersOf(context),
      log: entries,
      hardStates,
      onNotice: (notice) => tellNotice(log, notice),
    });
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    throw new StartError(
      'DATA_DIR_DAMAGED',
      error.message,
      'This node must not vote with it: restore the file from a copy, or move the data directory away and let the member start empty.',
      error,
    );
  }
}
