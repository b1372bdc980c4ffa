/**
 * The file beside an engine's directory that says that what is there must not be served, over a crash too,
 * and under which name it is kept aside: that name, and why, a line each. Replaced as a whole by a rename.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';

export interface Fence {
  readonly aside: string;
  readonly why: string;
}

/** Undefined when there is none. One that cannot be read keeps the directory fenced: `aside` is empty. */
export async function readFence(path: string): Promise<Fence | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [, aside, why] = /^([\w.-]+\.aside-[\w-]+)\n(.*)\n$/s.exec(text) ?? [];
  if (aside === undefined || why === undefined) return { aside: '', why: 'it was fenced before' };
  return { aside, why };
}

/** Durable once the directory is synced. */
export async function writeFence(path: string, { aside, why }: Fence): Promise<void> {
  const written = `${path}.new`;
  await rm(written, { force: true });
  const file = await open(written, 'wx', 0o600);
  try {
    await file.writeFile(`${aside}\n${why}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(written, path);
}
