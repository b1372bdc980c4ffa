/** Puts a storage's engine together over one directory; see `EngineDirectory` for what is in it. */
import { lsmConfig, LsmStore, type FilterPrefixLength, type LsmConfig } from '@kvstore/lsm';
import type { Clock, Disk, Timers } from '@kvstore/std';
import { EngineDirectory } from './engine-directory.ts';

export interface LsmStoreOptions {
  readonly disk: Disk;
  /** Absolute path of the root of `disk`: SQLite opens files by path. */
  readonly root: string;
  /** Below the root, e.g. `storage/g0`; created when it does not exist. */
  readonly directory: string;
  /** Names cluster, group and node, at most 255 bytes; data with another label is refused. */
  readonly label: string;
  readonly timers: Timers;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly filterPrefixLength: FilterPrefixLength;
  readonly config?: Partial<LsmConfig>;
  /** Whether a damaged directory is set aside, since others have the data; else open rejects. */
  readonly setsAside: boolean;
  /**
   * A failed fsync or a manifest that cannot be committed, after which the process must stop; or
   * damage, which `LsmStore.isDamage` tells.
   */
  readonly onFatal: (error: Error) => void;
}

/** Rejects with `ManifestError`, `SegmentError` or `DiskError` when the data cannot be trusted. */
export function openLsmStore(options: LsmStoreOptions): Promise<LsmStore> {
  const { disk, root, directory, label, timers, clock, filterPrefixLength, onFatal } = options;
  return LsmStore.open({
    files: new EngineDirectory({ disk, root, directory, label, clock }),
    config: lsmConfig(options.config),
    timers,
    label,
    filterPrefixLength,
    setsAside: options.setsAside,
    onFatal,
  });
}
