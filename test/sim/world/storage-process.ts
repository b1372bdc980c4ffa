/** One incarnation of a storage: the real replica over the real engine on simulated files. */
import type { Lanes } from '@kvstore/contract';
import { clusterTagOf } from '@kvstore/contract';
import { lsmConfig, LsmStore } from '@kvstore/lsm';
import { Replica } from '@kvstore/replica';
import { filterPrefixLength } from '@kvstore/state-machine';
import type { NodeId } from '@kvstore/std';
import { CLUSTER_ID, IDENTITY, labelOf } from './identity.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimStorageFiles } from './sim-storage-files.ts';

export interface StorageOptions {
  readonly process: SimProcess;
  readonly node: NodeId;
  readonly nodes: readonly NodeId[];
  readonly lanes: Lanes;
  readonly files: SimStorageFiles;
  readonly memtableBytes: number;
  readonly numMemtables: number;
  /** Called when an entry has been applied, with the engine between two entries. */
  readonly onApplied: (store: LsmStore) => void;
  /** A snapshot was to take the place of what it had applied; the store holds that, or what was durable. */
  readonly onReplaced: (store: LsmStore, installed: boolean) => void;
  readonly onFatal: (error: unknown) => void;
}

export interface StorageProcess {
  readonly replica: Replica;
  readonly store: LsmStore;
}

export async function startStorage(options: StorageOptions): Promise<StorageProcess> {
  const { process, node, nodes, lanes, files, onApplied, onFatal } = options;
  const store = await LsmStore.open({
    files: files.mount(process),
    setsAside: false,
    filterPrefixLength,
    onFatal,
    timers: process.timers,
    label: labelOf(node),
    config: lsmConfig({
      memtableBytes: options.memtableBytes,
      numMemtables: options.numMemtables,
      blockBytes: 1024,
      memtableAgeMs: 2000,
    }),
  });
  const endEntry = store.endEntry.bind(store);
  store.endEntry = (position, logBytes) => {
    endEntry(position, logBytes);
    onApplied(store);
  };
  const receive = store.receive.bind(store);
  store.receive = async (manifest) => {
    const received = await receive(manifest);
    const install = received.install.bind(received);
    received.install = async () => {
      let installed = false;
      try {
        await install();
        installed = true;
      } finally {
        if (process.isAlive) options.onReplaced(store, installed);
      }
    };
    return received;
  };
  const replica = new Replica({
    ...IDENTITY,
    node,
    lanes,
    store,
    onFatal,
    incarnation: process.incarnation,
    clusterTag: clusterTagOf(CLUSTER_ID),
    consensusNodes: [node, ...nodes.filter((other) => other !== node)],
    clock: process.clock,
    timers: process.timers,
    onNotice: (notice) => {
      // Why: nothing here damages what storages keep, and they all apply one log.
      if (notice.kind === 'fenced') onFatal(new Error(notice.reason));
    },
  });
  replica.start();
  return { replica, store };
}
