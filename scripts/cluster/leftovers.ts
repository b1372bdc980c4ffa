/**
 * Children of a supervisor that ended without its sentinel: they would hold ports and data
 * directories. A process is killed only when the last `cluster.json` names it and its environment
 * says that it belongs to this data directory, so a number that went to somebody else is left alone.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { readClusterFile } from './cluster-file.ts';
import { CommandError } from './command-error.ts';

const GONE_POLL_MS = 10;
const GONE_WAIT_MS = 5_000;

/** Resolves with their names when they are gone. Throws `CommandError` when they do not go. */
export async function killLeftovers(dataDir: string): Promise<readonly string[]> {
  const processes = readClusterFile(dataDir)?.processes ?? [];
  const left = processes.filter(({ pid }) => pid !== null && belongsTo(pid, dataDir));
  for (const { pid } of left) kill(pid as number);
  const deadline = performance.now() + GONE_WAIT_MS;
  for (const { name, pid } of left) {
    while (belongsTo(pid as number, dataDir)) {
      if (performance.now() > deadline) {
        throw new CommandError(`${name} (pid ${pid}) of an earlier start does not end: kill it`);
      }
      await pause(GONE_POLL_MS);
    }
  }
  return left.map(({ name }) => name);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Where the system does not show environments, nothing does. */
function belongsTo(pid: number, dataDir: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return environment.includes(`KVSTORE_DATA_DIR=${dataDir}`);
  } catch {
    return false;
  }
}
