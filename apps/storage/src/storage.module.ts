/**
 * The storage service of a node: a replica of group g0 over the LSM engine on SQLite segments, and its
 * control plane. The module opens the engine and composes; it decides nothing.
 */
import { type DynamicModule, Module } from '@nestjs/common';
import { clusterTagOf } from '@kvstore/contract';
import { ManifestError, SegmentError } from '@kvstore/lsm';
import { type Config, type KvLogger, type NodeContext, Self, StartError } from '@kvstore/nest-kit';
import { type EntryArchive, Replica, type ReplicaNotice } from '@kvstore/replica';
import { openLsmStore } from '@kvstore/sqlite';
import { filterPrefixLength } from '@kvstore/state-machine';
import { StorageController } from './storage.controller.ts';
import { REPLICA, STORAGE_SELF } from './storage-tokens.ts';

export interface StorageOptions {
  readonly memtableBytes: number;
  readonly numMemtables: number;
  readonly blockCacheBytes: number;
  /** Read when no consensus serves an entry. */
  readonly archive?: EntryArchive;
}

export function storageOptions(config: Config): StorageOptions {
  return {
    memtableBytes: config.memtableSize,
    numMemtables: config.numMemtables,
    blockCacheBytes: config.blockCacheSize,
  };
}

@Module({})
export class StorageModule {
  static register(context: NodeContext, options: StorageOptions, log: KvLogger): DynamicModule {
    return {
      module: StorageModule,
      controllers: [StorageController],
      providers: [
        { provide: REPLICA, useFactory: () => openReplica(context, options, log) },
        { provide: STORAGE_SELF, useValue: new Self('storage', context.node) },
      ],
      exports: [REPLICA, STORAGE_SELF],
    };
  }
}

async function openReplica(
  context: NodeContext,
  { archive, ...config }: StorageOptions,
  log: KvLogger,
): Promise<Replica> {
  const { disk, dataPath, cluster, group, timers, clock, onFatal, node, nodes } = context;
  try {
    const store = await openLsmStore({
      disk,
      root: dataPath,
      directory: `storage/${group}`,
      label: `${cluster}/${group}/${node}`,
      timers,
      clock,
      setsAside: false,
      filterPrefixLength,
      config,
      onFatal,
    });
    const others = nodes.filter((other) => other !== node);
    return new Replica({
      ...context,
      clusterTag: clusterTagFrom(context),
      consensusNodes: [node, ...others],
      store,
      onNotice: (notice) => hear(context, log, notice),
      ...(archive && { archive }),
    });
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

/** Learned from a mark, or known from the consensus that shares the directory. */
function clusterTagFrom({ directory }: NodeContext): number | undefined {
  const { clusterTag, clusterId } = directory.identity;
  return clusterTag ?? (clusterId === undefined ? undefined : clusterTagOf(clusterId));
}

function hear(
  { directory, onFatal, node }: NodeContext,
  log: KvLogger,
  notice: ReplicaNotice,
): void {
  switch (notice.kind) {
    case 'cluster-learned':
      directory.learnCluster(notice.clusterTag).catch(onFatal);
      return;
    case 'foreign-data':
      log.event(
        'error',
        `the data of ${node} is of another cluster than the one that ${notice.leader} leads: it serves nothing`,
        { remedy: 'give the member its own data directory back, or move the directory away' },
      );
  }
}
