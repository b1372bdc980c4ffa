import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  diskConformance,
  hardStateConformance,
  logStoreConformance,
  ManualTimers,
  MemoryDisk,
} from '@kvstore/testing';
import { openHardState } from './hard-state-file.ts';
import { NodeDisk } from './node-disk.ts';
import { openSegmentedLog } from './open-segmented-log.ts';

async function temporaryDisk(): Promise<{ disk: NodeDisk; dispose: () => Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'kvstore-disk-'));
  return { disk: new NodeDisk(root), dispose: () => rm(root, { recursive: true }) };
}

const timers = new ManualTimers();
const label = 'cluster/g0';

diskConformance('NodeDisk', temporaryDisk);

for (const segmentBytes of [32 * 1024, 64 * 1024]) {
  logStoreConformance(`SegmentedLog of ${segmentBytes}-byte segments on NodeDisk`, async () => {
    const { disk, dispose } = await temporaryDisk();
    const options = { disk, directory: 'log', label, timers, segmentBytes };
    return { open: () => openSegmentedLog(options), dispose };
  });
}
logStoreConformance('SegmentedLog on MemoryDisk', async () => {
  const options = { disk: new MemoryDisk(), directory: 'log', label, timers, segmentBytes: 32768 };
  return { open: () => openSegmentedLog(options) };
});
hardStateConformance('HardStateFile on NodeDisk', async () => {
  const { disk, dispose } = await temporaryDisk();
  return { open: () => openHardState({ disk, directory: 'state', label }), dispose };
});
