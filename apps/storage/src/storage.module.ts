/**
 * The storage service of a node: a replica of group g0 over the LSM engine on SQLite segments. The
 * module opens the engine and composes; it decides nothing.
 */
import { type DynamicModule, Module } from '@nestjs/common';
import { ManifestError, SegmentError } from '@kvstore/lsm';
import { type NodeContext, StartError } from '@kvstore/nest-kit';
import { Replica } from '@kvstore/replica';
import { openLsmEngine } from '@kvstore/sqlite';
import { filterPrefixLength } from '@kvstore/state-machine';

/** Injection token of the node's `Replica`, created and not yet started. */
export const REPLICA = Symbol('Replica');

export interface StorageOptions {
  readonly memtableBytes: number;
  readonly numMemtables: number;
  readonly blockCacheBytes: number;
}

@Module({})
export class StorageModule {
  static register(context: NodeContext, options: StorageOptions): DynamicModule {
    return {
      module: StorageModule,
      providers: [{ provide: REPLICA, useFactory: () => openReplica(context, options) }],
      exports: [REPLICA],
    };
  }
}

async function openReplica(context: NodeContext, options: StorageOptions): Promise<Replica> {
  const { disk, dataPath, cluster, group, timers, onFatal, node, nodes } = context;
  try {
    const store = await openLsmEngine({
      disk,
      root: dataPath,
      directory: `storage/${group}`,
      label: `${cluster}/${group}/${node}`,
      timers,
      filterPrefixLength,
      config: options,
      onFatal,
    });
    const others = nodes.filter((other) => other !== node);
    return new Replica({ ...context, consensusNodes: [node, ...others], store });
  } catch (error) {
    if (!(error instanceof ManifestError || error instanceof SegmentError)) throw error;
    throw new StartError(
      'DATA_DIR_DAMAGED',
      error.message,
      'Restore the file from a copy, or move the data directory away and let the member start empty.',
      error,
    );
  }
}
