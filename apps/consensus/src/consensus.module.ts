/**
 * The consensus service of a node: the sequencer of group g0 over its log on disk. The module opens
 * the files and composes; it decides nothing.
 */
import { type DynamicModule, Module } from '@nestjs/common';
import { openHardState, openSegmentedLog } from '@kvstore/disk';
import { type NodeContext, StartError } from '@kvstore/nest-kit';
import { LogError, Sequencer } from '@kvstore/sequencer';

/** Injection token of the node's `Sequencer`, created and not yet started. */
export const SEQUENCER = Symbol('Sequencer');

@Module({})
export class ConsensusModule {
  static register(context: NodeContext): DynamicModule {
    return {
      module: ConsensusModule,
      providers: [{ provide: SEQUENCER, useFactory: () => openSequencer(context) }],
      exports: [SEQUENCER],
    };
  }
}

async function openSequencer(context: NodeContext): Promise<Sequencer> {
  const { disk, cluster, group, node, timers, established } = context;
  const directory = `consensus/${group}`;
  const label = `${cluster}/${group}/${node}`;
  const shared = { disk, label, mustExist: established };
  try {
    const hardStates = await openHardState({ ...shared, directory });
    const log = await openSegmentedLog({ ...shared, directory: `${directory}/log`, timers });
    return new Sequencer({ ...context, voters: context.nodes, log, hardStates });
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
