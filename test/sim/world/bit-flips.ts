/** Rot: some bytes of one durable file are not what was written. */
import type { MemoryDisk } from '@kvstore/testing';
import type { Dice } from './dice.ts';

const DIRECTORY = 'consensus/g0';
const HEAD_SHARE = 0.5;
const HEAD_BYTES = 2048;

/** The file that was damaged; undefined when there is none with contents. */
export function flipBits(disk: MemoryDisk, dice: Dice): string | undefined {
  const files = disk
    .files()
    .filter((path) => path.startsWith(DIRECTORY) && disk.peek(path).length > 0);
  if (files.length === 0) return undefined;
  const path = dice.pick(files);
  const bytes = disk.peek(path);
  // Why near its beginning: most of a segment is zeros that nobody has written yet.
  const reach = dice.chance(HEAD_SHARE) ? Math.min(bytes.length, HEAD_BYTES) : bytes.length;
  for (let flips = dice.between(1, 3); flips > 0; flips--) {
    const at = dice.below(reach);
    bytes[at] = (bytes[at] as number) ^ (1 << dice.below(8));
  }
  disk.damage(path, bytes);
  return path;
}
