/**
 * The storage service of a node: a replica of group g0 over the LSM engine on SQLite segments, and its
 * control plane. The module opens the engine and composes; it decides nothing.
 */
import { type DynamicModule, Module } from '@nestjs/common';
import { clusterTagOf } from '@kvstore/contract';
import { DEFAULT_LSM_CONFIG, ManifestError, SegmentError } from '@kvstore/lsm';
import { type Config, type KvLogger, type NodeContext, Self, StartError } from '@kvstore/nest-kit';
import {
  type EntryArchive,
  Replica,
  type ReplicaNotice,
  type ReplicaStore,
} from '@kvstore/replica';
import { openLsmStore } from '@kvstore/sqlite';
import { filterPrefixLength } from '@kvstore/state-machine';
import { sealShare } from './seal-share.ts';
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
  { archive, memtableBytes, ...config }: StorageOptions,
  log: KvLogger,
): Promise<Replica> {
  const { disk, dataPath, cluster, group, timers, clock, node, nodes } = context;
  const share = sealShare(node, nodes);
  let replica: Replica | undefined;
  const onStoreFailure = (error: Error): void => {
    if (replica === undefined) context.onFatal(error);
    else replica.failed(error);
  };
  try {
    const store = await openLsmStore({
      disk,
      root: dataPath,
      directory: `storage/${group}`,
      label: `${cluster}/${group}/${node}`,
      timers,
      clock,
      // Alone, there is nobody to rebuild it from.
      setsAside: nodes.length > 1,
      filterPrefixLength,
      config: {
        ...config,
        memtableBytes: Math.ceil(memtableBytes * share),
        memtableLogBytes: Math.ceil(DEFAULT_LSM_CONFIG.memtableLogBytes * share),
      },
      onFatal: onStoreFailure,
    });
    const open = (): Replica =>
      new Replica({
        ...context,
        clusterTag: clusterTagFrom(context),
        consensusNodes: [node, ...nodes.filter((other) => other !== node)],
        store,
        onNotice: (notice) => hear(context, log, notice),
        ...(archive && { archive }),
      });
    replica = await openOnSoundStore(open, store, nodes.length > 1);
    return replica;
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

/** A replica reads its state when it is made: what is damaged there is found then, not at open. */
async function openOnSoundStore(
  open: () => Replica,
  store: ReplicaStore,
  setsAside: boolean,
): Promise<Replica> {
  try {
    return open();
  } catch (error) {
    if (!setsAside || !(error instanceof Error) || !store.isDamage(error)) throw error;
    await store.setAside(error);
    return open();
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
      return;
    case 'fenced':
      log.event('error', `the data of ${node} is damaged or not the leader's: it is rebuilt`, {
        why: notice.reason,
        kept: 'what was stored here stays until it is rebuilt, then beside it, with "aside" and the time in the name',
      });
      return;
    case 'snapshot-installed':
      log.event('info', `${node} holds a snapshot of ${notice.source} now`, {
        index: notice.index,
      });
      return;
    case 'rebuilt':
      log.event('info', `the data of ${node} is rebuilt: it serves again`, { index: notice.index });
  }
}
