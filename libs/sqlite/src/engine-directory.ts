/**
 * The directory of one engine: `EngineFiles` over a `Disk`.
 *
 *   g0/manifest.db                         live segments and the log position they stand for
 *   g0/segments/000000000001.segment
 *   g0/incoming/<SHA-256>.partial, .whole  files of a snapshot that is being received
 *   g0.fenced                              while what is there must not be served
 *   g0.aside-20261125T141350Z              what was damaged or wrong: the last one only
 *
 * Nothing that is aside is removed before its fence has ended, and while it lasts nothing else is put there.
 * Open checks the manifest as a whole, every live segment's size and properties, and removes what a
 * crash has left over. The SHA-256 of whole files is compared afterwards, in the background.
 */
import { constants, copyFile, link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { EngineFiles, OpenFiles } from '@kvstore/lsm';
import { assert, type Clock, type Disk } from '@kvstore/std';
import { type Fence, readFence, writeFence } from './fence-marker.ts';
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
  #fence: Fence | undefined;

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
    this.#fence = await readFence(this.#marker);
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

  get fenced(): string | undefined {
    return this.#fence?.why;
  }

  async fence(why: string): Promise<void> {
    this.#fence ??= await readFence(this.#marker);
    const { aside = '' } = this.#fence ?? {};
    if (aside !== '') return;
    const fence = { aside: await this.#freeName(), why };
    await writeFence(this.#marker, fence);
    await this.#syncParent();
    this.#fence = fence;
  }

  async unfence(): Promise<void> {
    const asides = await this.#asides();
    const kept = this.#fence?.aside ?? '';
    if (asides.includes(kept)) {
      for (const name of asides) if (name !== kept) await this.#remove(name);
    }
    await rm(this.#marker, { force: true });
    await this.#syncParent();
    this.#fence = undefined;
  }

  async setAside(): Promise<void> {
    const { aside } = this.#fenceOrThrow;
    const { root, directory } = this.#options;
    if ((await this.#asides()).includes(aside)) await this.#remove(basename(directory));
    else await rename(join(root, directory), this.#beside(aside));
    await this.#syncParent();
  }

  async keepAside(): Promise<void> {
    const { aside } = this.#fenceOrThrow;
    const { disk, root, directory } = this.#options;
    if ((await this.#asides()).includes(aside)) return;
    const copy = `${aside}.new`;
    await this.#remove(copy);
    const target = this.#beside(copy);
    await mkdir(join(target, 'segments'), { recursive: true });
    await copyFile(join(root, directory, MANIFEST_FILE), join(target, MANIFEST_FILE));
    for (const name of await readdir(join(root, directory, 'segments'))) {
      await linkOrCopy(join(root, directory, 'segments', name), join(target, 'segments', name));
    }
    const relative = join(dirname(directory), copy);
    await disk.syncDirectory(join(relative, 'segments'));
    await disk.syncDirectory(relative);
    await rename(target, this.#beside(aside));
    await this.#syncParent();
  }

  get #fenceOrThrow(): Fence {
    assert(this.#fence !== undefined, 'put aside without a fence');
    return this.#fence;
  }

  get #marker(): string {
    return this.#beside(`${basename(this.#options.directory)}.fenced`);
  }

  #beside(name: string): string {
    const { root, directory } = this.#options;
    return join(root, dirname(directory), name);
  }

  async #remove(name: string): Promise<void> {
    await rm(this.#beside(name), { recursive: true, force: true });
  }

  /** What is aside, of whichever fence, and what a crash left of a copy. */
  async #asides(): Promise<readonly string[]> {
    const prefix = `${basename(this.#options.directory)}.aside-`;
    return (await readdir(this.#beside(''))).filter((name) => name.startsWith(prefix));
  }

  async #freeName(): Promise<string> {
    const { directory, clock } = this.#options;
    const time = new Date(clock.wallMs()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const taken = await this.#asides();
    for (let copy = 0; ; copy++) {
      const name = `${basename(directory)}.aside-${time}${copy === 0 ? '' : `-${copy}`}`;
      if (!taken.includes(name)) return name;
    }
  }

  async #syncParent(): Promise<void> {
    const { disk, directory } = this.#options;
    await disk.syncDirectory(directory.includes('/') ? dirname(directory) : '');
  }
}

/** Not every file system has hard links. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    await copyFile(from, to, constants.COPYFILE_EXCL);
  }
}
