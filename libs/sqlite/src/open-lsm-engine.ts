/**
 * Puts the engine together over one directory:
 *
 *   manifest.db                  live segments and the log position they stand for
 *   segments/000000000001.segment
 *
 * Open checks the manifest as a whole, every live segment's size and properties, and removes what a
 * crash has left over. The SHA-256 of whole files is compared afterwards, in the background.
 */
import { join } from 'node:path';
import { lsmConfig, LsmEngine, type FilterPrefixLength, type LsmConfig } from '@kvstore/lsm';
import type { Disk, Timers } from '@kvstore/std';
import { MANIFEST_FILE } from './manifest-connection.ts';
import { SegmentDirectory } from './segment-directory.ts';
import { SqliteManifest } from './sqlite-manifest.ts';

export interface LsmEngineOptions {
  readonly disk: Disk;
  /** Absolute path of the root of `disk`: SQLite opens files by path. */
  readonly root: string;
  /** Below the root, e.g. `g0/storage`; created when it does not exist. */
  readonly directory: string;
  /** Names cluster, group and node, at most 255 bytes; data with another label is refused. */
  readonly label: string;
  readonly timers: Timers;
  readonly filterPrefixLength: FilterPrefixLength;
  readonly config?: Partial<LsmConfig>;
  /**
   * Called at most once per cause, when the process must stop: a failed fsync, a manifest that
   * cannot be committed, or a segment file whose contents are not what was written.
   */
  readonly onFatal: (error: Error) => void;
}

/** Rejects with `ManifestError`, `SegmentError` or `DiskError` when the data cannot be trusted. */
export async function openLsmEngine(options: LsmEngineOptions): Promise<LsmEngine> {
  const { disk, root, directory, label, timers, filterPrefixLength, onFatal } = options;
  const config = lsmConfig(options.config);
  const segments = new SegmentDirectory(disk, root, `${directory}/segments`);
  await disk.makeDirectory(directory);
  const manifest = await SqliteManifest.open({
    path: join(root, directory, MANIFEST_FILE),
    label,
    hasSegments: (await segments.files()).length > 0,
  });
  try {
    const recovered = manifest.state;
    await disk.syncDirectory(directory);
    await segments.prepare(recovered.segments);
    const ports = { segments, manifest, timers, onFatal };
    const engine = await LsmEngine.open({ ...ports, config, recovered, label, filterPrefixLength });
    segments.verify(recovered.segments).catch(onFatal);
    return engine;
  } catch (error) {
    await manifest.close();
    await segments.close();
    throw error;
  }
}
