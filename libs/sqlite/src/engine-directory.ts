/**
 * The directory of one engine: `EngineFiles` over a `Disk`.
 *
 *   g0/manifest.db                         live segments and the log position they stand for
 *   g0/segments/000000000001.segment
 *   g0/incoming/<SHA-256>.partial, .whole  files of a snapshot that is being received
 *   g0.aside-20261125T141350Z              what was damaged or wrong: the last one only
 *
 * Open checks the manifest as a whole, every live segment's size and properties, and removes what a
 * crash has left over. The SHA-256 of whole files is compared afterwards, in the background.
 */
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { EngineFiles, OpenFiles } from '@kvstore/lsm';
import type { Clock, Disk } from '@kvstore/std';
import { IncomingDirectory } from './incoming-directory.ts';
import { MANIFEST_FILE } from './manifest-connection.ts';
import { SegmentDirectory } from './segment-directory.ts';
import { SegmentThread } from './segment-thread.ts';
import { SqliteManifest } from './sqlite-manifest.ts';

export interface EngineDirectoryOptions {
  readonly disk: Disk;
  /** Absolute path of the root of `disk`. */
  readonly root: string;
  readonly directory: string;
  readonly label: string;
  readonly clock: Pick<Clock, 'wallMs'>;
}

export class EngineDirectory implements EngineFiles {
  readonly incoming: IncomingDirectory;
  readonly #options: EngineDirectoryOptions;
  /** One for the life of the process: V8 may end a process in which threads come and go. */
  readonly #thread = new SegmentThread();

  constructor(options: EngineDirectoryOptions) {
    const { disk, root, directory } = options;
    this.#options = options;
    this.incoming = new IncomingDirectory({
      disk,
      root,
      directory: `${directory}/incoming`,
      segments: `${directory}/segments`,
      thread: this.#thread,
    });
  }

  async open(onDamage: (error: Error) => void): Promise<OpenFiles> {
    const { disk, root, directory, label } = this.#options;
    const segments = new SegmentDirectory(disk, root, `${directory}/segments`, this.#thread);
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
      segments.verify(recovered.segments).catch(onDamage);
      return { segments, manifest, recovered };
    } catch (error) {
      await manifest.close();
      await segments.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  async setAside(): Promise<void> {
    const { disk, root, directory, clock } = this.#options;
    const parent = directory.includes('/') ? dirname(directory) : '';
    const prefix = `${basename(directory)}.aside-`;
    const time = new Date(clock.wallMs()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
    for (const name of await readdir(join(root, parent))) {
      // Why first: two of them could fill a disk that holds one.
      if (name.startsWith(prefix)) await rm(join(root, parent, name), { recursive: true });
    }
    await rename(join(root, directory), join(root, parent, `${prefix}${time}`));
    await disk.syncDirectory(parent);
  }
}
