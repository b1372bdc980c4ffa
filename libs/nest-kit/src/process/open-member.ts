/**
 * Opens a member's data directory for one process: locks it, begins an incarnation in it, and puts
 * the process's `NodeContext` together. The one place where a service meets the machine's clock,
 * timers and randomness.
 */
import { randomInt } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Lanes } from '@kvstore/contract';
import { type Disk, type NodeId, SeededRandom } from '@kvstore/std';
import type { Config } from '../config/config-table.ts';
import type { KvLogger } from '../logger.ts';
import { nodeIdOf } from './node-names.ts';
import { DataDirectory } from './data-directory.ts';
import type { NodeContext } from './node-context.ts';
import type { Shutdown } from '../shutdown.ts';
import { StartError } from '../start-error.ts';
import { systemClock, systemTimers } from '../system-time.ts';

export interface MemberOptions {
  readonly config: Config;
  readonly group: string;
  /** Folder of the node below `data_dir`. */
  readonly folder: string;
  /** Folder below it that this process alone writes, with lock and identity; '' is all of it. */
  readonly part: string;
  readonly nodes: readonly NodeId[];
  /** Read, or made, once the directory is locked; given the disk of `data_dir`. */
  readonly secret: (root: Disk) => Promise<Uint8Array>;
  readonly lanes: Lanes;
  readonly log: KvLogger;
  readonly shutdown: Shutdown;
}

/** Throws `StartError`. Releasing the lock is registered with `shutdown`. */
export async function openMember(options: MemberOptions): Promise<NodeContext> {
  const { config, log, shutdown } = options;
  // Why here: a gateway has no data directory and loads neither.
  const { NodeDisk } = await import('@kvstore/disk');
  const dataPath = resolve(config.dataDir, options.folder);
  const partPath = join(dataPath, options.part);
  await lockDirectory(partPath, shutdown);
  const node = nodeIdOf(config);
  const directory = await DataDirectory.open(new NodeDisk(partPath), partPath, {
    cluster: config.cluster,
    node,
  });
  const { incarnation, established } = directory.identity;
  return {
    cluster: config.cluster,
    group: options.group,
    node,
    incarnation,
    established,
    directory,
    secret: await options.secret(new NodeDisk(resolve(config.dataDir))),
    nodes: options.nodes,
    lanes: options.lanes,
    disk: new NodeDisk(dataPath),
    dataPath,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom(),
    onFatal: stopOn(log),
  };
}

/** Seeded once per process; what it decides needs no secrecy. */
export function systemRandom(): SeededRandom {
  return new SeededRandom(randomInt(2 ** 47));
}

/** A crashed replica is safe, a wrong one is not: nothing is flushed, nothing more is acknowledged. */
export function stopOn(log: KvLogger): (error: unknown) => void {
  return (error) => {
    log.event('fatal', 'the process cannot go on and stops', { err: error });
    process.exit(1);
  };
}

async function lockDirectory(path: string, shutdown: Shutdown): Promise<void> {
  const { acquireDirectoryLock, DirectoryInUseError } = await import('@kvstore/sqlite');
  try {
    const lock = acquireDirectoryLock(path);
    shutdown.add('lock', async () => lock.release());
  } catch (error) {
    if (!(error instanceof DirectoryInUseError)) throw error;
    throw new StartError(
      'DATA_DIR_IN_USE',
      error.message,
      'Stop the other process, or set data_dir to another directory.',
      error,
    );
  }
}
