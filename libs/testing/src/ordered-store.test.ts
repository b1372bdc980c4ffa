/** The conformance suites on every store there is: in memory, the engine, the engine on files. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk } from '@kvstore/disk';
import { lsmConfig, LsmStore, type LsmConfig } from '@kvstore/lsm';
import type { ReplicaStore } from '@kvstore/replica';
import { openLsmStore } from '@kvstore/sqlite';
import { realClock, realTimers } from './local-cluster.ts';
import type { StoreHarness } from './log-store-conformance.ts';
import { orderedStoreConformance, replicaStoreConformance } from './ordered-store-conformance.ts';
import { MemoryOrderedStore } from './ordered-store-memory.ts';
import { MemoryReplicaStore } from './replica-store-memory.ts';
import { MemoryEngineFiles } from './engine-files-memory.ts';

/** Delimited by the first `/` after the second byte, if any: decided by the bytes it covers. */
function filterPrefixLength(key: Uint8Array): number {
  return key.indexOf(0x2f, 2) + 1;
}

function failLoudly(error: Error): void {
  throw error;
}

function engineInMemory(config: Partial<LsmConfig>): () => Promise<StoreHarness<ReplicaStore>> {
  return async () => {
    const files = new MemoryEngineFiles();
    return {
      open: () =>
        LsmStore.open({
          config: lsmConfig(config),
          files,
          setsAside: true,
          timers: realTimers,
          label: 'test',
          filterPrefixLength,
          onFatal: failLoudly,
        }),
    };
  };
}

async function engineOnFiles(): Promise<StoreHarness<ReplicaStore>> {
  const root = await mkdtemp(join(tmpdir(), 'kvstore-engine-'));
  return {
    open: () =>
      openLsmStore({
        disk: new NodeDisk(root),
        root,
        directory: 'g0/storage',
        label: 'test',
        timers: realTimers,
        clock: realClock,
        setsAside: true,
        filterPrefixLength,
        onFatal: failLoudly,
      }),
    dispose: () => rm(root, { recursive: true, force: true }),
  };
}

orderedStoreConformance('MemoryOrderedStore', async () => ({
  open: async () => new MemoryOrderedStore(),
}));

replicaStoreConformance('MemoryReplicaStore', async () => {
  let store: MemoryReplicaStore | undefined;
  return { open: async () => (store = store?.reopen() ?? new MemoryReplicaStore()) };
});

replicaStoreConformance('LsmStore', engineInMemory({}));
replicaStoreConformance(
  'LsmStore with tiny memtables and blocks, without caches',
  engineInMemory({ memtableBytes: 256, blockBytes: 32, blockCacheBytes: 0, indexCacheBytes: 0 }),
);
replicaStoreConformance('LsmStore on SQLite files', engineOnFiles);
