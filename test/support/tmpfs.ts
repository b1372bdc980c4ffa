/** A file system of its own for a test: small, or read-only. Linux, as root. */
import { spawnSync } from 'node:child_process';

/** Mounts a tmpfs at `path`; the caller calls `unmount`. `options` as `mount -o` takes them. */
export function mountTmpfs(path: string, options: string): { unmount(): void } {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], {
    encoding: 'utf8',
  });
  if (mounted.status !== 0) {
    throw new Error(`this test mounts a tmpfs and needs root: ${mounted.stderr.trim()}`);
  }
  return { unmount: () => void spawnSync('umount', ['-l', path]) };
}
