/**
 * The consensus service of a node: the sequencer of group g0 over its log on disk, and its control
 * plane. The module opens the files and composes; it decides nothing.
 */
import { type DynamicModule, Module } from '@nestjs/common';
import { type Config, type KvLogger, type NodeContext, Self } from '@kvstore/nest-kit';
import type { SequencerConfig } from '@kvstore/sequencer';
import { Consensus } from './consensus.ts';
import { ConsensusController } from './consensus.controller.ts';
import { CONSENSUS, CONSENSUS_SELF } from './consensus-tokens.ts';

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
        { provide: CONSENSUS, useFactory: () => Consensus.open(context, config, log) },
        {
          provide: CONSENSUS_SELF,
          inject: [CONSENSUS],
          useFactory: (consensus: Consensus) => selfOf(context, consensus),
        },
      ],
      exports: [CONSENSUS, CONSENSUS_SELF],
    };
  }
}

function selfOf({ node, directory }: NodeContext, consensus: Consensus): Self {
  return new Self('consensus', node, () => {
    const { disk, clusterId, founders } = directory.identity;
    const { disks = [], removed = [] } = consensus.sequencer?.committedConfiguration ?? {};
    const admitted = Object.fromEntries(disks.map((each) => [each.node, each.disk]));
    return { disk, clusterId, founders, admitted, removed };
  });
}
