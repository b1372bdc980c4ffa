import type { KvLogger, NodeContext } from '@kvstore/nest-kit';
import { nodeId } from '@kvstore/std';
import { ManualTimers, MemoryDisk } from '@kvstore/testing';
import { Consensus } from './consensus.ts';

const [n1, n2] = [nodeId('node-1'), nodeId('node-2')];
const HARD_STATE = 'consensus/g0/hard-state';

function open(
  disk: MemoryDisk,
  context: Partial<Pick<NodeContext, 'nodes' | 'cluster' | 'established'>> = {},
): Promise<Consensus> {
  const fixed = { disk, group: 'g0', node: n1, timers: new ManualTimers() };
  const whole = { ...fixed, cluster: 'dev', nodes: [n1, n2], established: true, ...context };
  const log = { event: () => undefined } as unknown as KvLogger;
  return Consensus.open(whole as unknown as NodeContext, {}, log);
}

/** Of a member that has run before. */
async function written(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await open(disk, { established: false });
  return disk.killImage();
}

function damaged(disk: MemoryDisk): MemoryDisk {
  disk.damage(
    HARD_STATE,
    disk.peek(HARD_STATE).map((byte) => byte ^ 1),
  );
  return disk;
}

test('a member that has forgotten its votes is to be replaced, never restored', async () => {
  const disk = damaged(await written());
  await expect(open(disk)).rejects.toMatchObject({
    code: 'DATA_DIR_DAMAGED',
    message: expect.stringContaining(HARD_STATE),
    remedy: expect.stringMatching(/^(?!.*restore).*a name that was never used/i),
  });
});

test('a single member has only copies to go back to', async () => {
  const disk = damaged(await written());
  await expect(open(disk, { nodes: [n1] })).rejects.toMatchObject({
    code: 'DATA_DIR_DAMAGED',
    remedy: expect.stringContaining('from a copy'),
  });
});

test('files of another cluster are not damage to be mended', async () => {
  await expect(open(await written(), { cluster: 'other' })).rejects.toMatchObject({
    message: expect.stringContaining('another cluster'),
    remedy: expect.stringContaining('its own data directory'),
  });
});
