/**
 * The whole path on real files. A copy of the data directory taken while the node runs is what
 * `kill -9` at that moment would have left: the next cluster starts on the copy.
 */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { NodeDisk, openHardState, openSegmentedLog } from '@kvstore/disk';
import { openLsmStore } from '@kvstore/sqlite';
import { filterPrefixLength } from '@kvstore/state-machine';
import {
  eventually,
  LocalCluster,
  type MemberStores,
  realClock,
  realTimers,
} from '@kvstore/testing';
import { RawGateway } from '../support/raw-gateway.ts';
import { put } from '../support/requests.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

async function openFiles(root: string): Promise<MemberStores> {
  mkdirSync(root, { recursive: true });
  const disk = new NodeDisk(root);
  const label = 'test/g0/node-1';
  const shared = { disk, label, timers: realTimers };
  return {
    hardStates: await openHardState({ disk, directory: 'state', label }),
    log: await openSegmentedLog({ ...shared, directory: 'log', segmentBytes: 1024 * 1024 }),
    store: await openLsmStore({
      ...shared,
      root,
      directory: 'storage',
      clock: realClock,
      setsAside: false,
      filterPrefixLength,
      // Small, so that some of what is written is in segments and the rest only in the log.
      config: { memtableBytes: 16 * 1024 },
      onFatal: (error) => {
        throw error;
      },
    }),
  };
}

async function startOn(root: string): Promise<LocalCluster> {
  const cluster = new LocalCluster({ members: 1, openStores: () => openFiles(root) });
  await cluster.startAll();
  await eventually('leader', () => cluster.leader !== undefined);
  return cluster;
}

test('a retry with the same session and batch applies nothing twice on what a kill left', async () => {
  const directory = temporaryDirectory();
  let root = join(directory.path, 'run-0');
  let cluster = await startOn(root);
  let gateway = new RawGateway(cluster);
  const session = await gateway.register();
  const decided = new Map<number, unknown>();
  for (let batchNo = 1; batchNo <= 120; batchNo++) {
    const command = put(`key-${batchNo % 7}`, `${batchNo} ${'x'.repeat(500)}`);
    decided.set(batchNo, await gateway.decide(session, batchNo, command));
    if (batchNo % 40 !== 0) continue;
    const next = join(directory.path, `run-${batchNo}`);
    cpSync(root, next, { recursive: true });
    await cluster.stopAll();
    expect(cluster.failures).toEqual([]);
    root = next;
    cluster = await startOn(root);
    gateway = new RawGateway(cluster);
    for (let again = 1; again <= batchNo; again++) {
      const same = put(`key-${again % 7}`, `${again} ${'x'.repeat(500)}`);
      expect(await gateway.decide(session, again, same)).toEqual(decided.get(again));
    }
    expect(cluster.member(cluster.nodes[0]!).replica.status().revision).toBe(batchNo);
  }
  expect(cluster.member(cluster.nodes[0]!).replica.status().segments).toBeGreaterThan(0);
  await cluster.stopAll();
  expect(cluster.failures).toEqual([]);
  directory.remove();
}, 60_000);
