/**
 * disk: what must survive a crash, on the file system of the machine. The durable log of a group
 * and its term and vote, behind the ports of the sequencer, over the `Disk` port; and that port
 * over node:fs. Knows nothing of elections, commands or storage.
 */
export { openHardState } from './hard-state-file.ts';
export type { HardStateFile, HardStateOptions } from './hard-state-file.ts';
export { NodeDisk } from './node-disk.ts';
export { openSegmentedLog } from './open-segmented-log.ts';
export type { SegmentedLog, SegmentedLogOptions } from './segmented-log.ts';
