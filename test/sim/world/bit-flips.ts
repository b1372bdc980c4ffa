/** Rot: some bytes of one durable file are not what was written. */
import type { MemoryDisk } from '@kvstore/testing';
import type { Dice } from './dice.ts';

const DIRECTORY = 'consensus/g0';
const HEAD_SHARE = 0.3;
const HEAD_BYTES = 4096;
const LOG_SHARE = 0.6;

/** The file that was damaged; undefined when there is none with contents. */
export function flipBits(disk: MemoryDisk, dice: Dice): string | undefined {
  const files = disk
    .files()
    .filter((path) => path.startsWith(DIRECTORY) && writtenBytes(disk.peek(path)) > 0);
  if (files.length === 0) return undefined;
  const logs = files.filter((path) => path.endsWith('.log'));
  const path = dice.pick(dice.chance(LOG_SHARE) && logs.length > 0 ? logs : files);
  const bytes = disk.peek(path);
  // Why not all of it: the rest of a segment is zeros that nobody has written yet.
  const written = writtenBytes(bytes);
  const reach = dice.chance(HEAD_SHARE) ? Math.min(written, HEAD_BYTES) : written;
  for (let flips = dice.between(1, 3); flips > 0; flips--) {
    const at = dice.below(reach);
    bytes[at] = (bytes[at] as number) ^ (1 << dice.below(8));
  }
  disk.damage(path, bytes);
  return path;
}

function writtenBytes(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}
