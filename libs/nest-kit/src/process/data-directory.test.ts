import { isDeepStrictEqual } from 'node:util';
import { nodeId } from '@kvstore/std';
import { MemoryDisk } from '@kvstore/testing';
import type { StartError } from '../start-error.ts';
import { clusterSecret, DataDirectory, existingClusterSecret } from './data-directory.ts';

const member = { cluster: 'dev', node: nodeId('node-1') };

describe('the data directory', () => {
  const identityOf = async (disk: MemoryDisk) =>
    (await DataDirectory.open(disk, '/data', member)).identity;

  test('keeps its disk’s name and counts incarnations durably', async () => {
    const disk = new MemoryDisk();
    const first = await identityOf(disk);
    const second = await identityOf(disk.killImage());
    expect(first).toMatchObject({ incarnation: 1, established: false, clusterId: undefined });
    expect(second).toMatchObject({ incarnation: 2, disk: first.disk });
    expect((await identityOf(new MemoryDisk())).disk).not.toBe(first.disk);
  });

  test('remembers the cluster that it founded, and that its log must be there', async () => {
    const disk = new MemoryDisk();
    const directory = await DataDirectory.open(disk, '/data', member);
    await directory.found('c1', { [member.node]: directory.identity.disk });
    expect(directory.identity.established).toBe(false);
    await directory.establish();
    const again = await identityOf(disk.killImage());
    expect(again).toMatchObject({
      established: true,
      clusterId: 'c1',
      founders: { 'node-1': again.disk },
    });
  });

  test('of a storage remembers the cluster that it learned', async () => {
    const disk = new MemoryDisk();
    await (await DataDirectory.open(disk, '/data', member)).learnCluster(77);
    expect(await identityOf(disk.killImage())).toMatchObject({ clusterTag: 77 });
  });

  test('of the first version keeps its cluster id and gets a name for its disk', async () => {
    const disk = new MemoryDisk();
    const file = await disk.create('identity.json');
    const old = {
      format: 1,
      cluster: 'dev',
      cluster_id: 'c0',
      node: 'node-1',
      incarnation: 4,
      established: true,
    };
    await file.write(0, Buffer.from(JSON.stringify(old)));
    await file.close();
    const first = await identityOf(disk);
    expect(first).toMatchObject({ incarnation: 5, clusterId: 'c0', established: true });
    expect(await identityOf(disk)).toMatchObject({ disk: first.disk });
  });

  test('is refused to another cluster or member, which leaves it as it was', async () => {
    const disk = new MemoryDisk();
    await identityOf(disk);
    for (const other of [
      { ...member, cluster: 'prod' },
      { ...member, node: nodeId('node-2') },
    ]) {
      await expect(DataDirectory.open(disk, '/data', other)).rejects.toMatchObject({
        code: 'DATA_DIR_OF_ANOTHER_CLUSTER',
      });
    }
    expect(await identityOf(disk)).toMatchObject({ incarnation: 2 });
  });

  test.each(['', '{', '{}', '{"format":1}', '\u0000'])(
    'is damaged when its identity is %j',
    async (text) => {
      const disk = new MemoryDisk();
      const file = await disk.create('identity.json');
      await file.write(0, Buffer.from(text));
      await file.close();
      await expect(identityOf(disk)).rejects.toMatchObject({
        code: 'DATA_DIR_DAMAGED',
      });
    },
  );

  test('whose identity is cut anywhere, or has any bit flipped, is damaged or says the same', async () => {
    const disk = new MemoryDisk();
    const directory = await DataDirectory.open(disk, '/data', member);
    await directory.found('c1', { [member.node]: directory.identity.disk });
    const whole = disk.peek('identity.json');
    const damaged: Uint8Array[] = [];
    // Without the line's end it says the same.
    for (let length = 0; length < whole.length - 1; length++) {
      damaged.push(whole.slice(0, length));
    }
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = whole.slice();
      flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7));
      damaged.push(flipped);
    }
    const outcomes = new Map<string, number>();
    const count = (outcome: string): void =>
      void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    for (const bytes of damaged) {
      disk.damage('identity.json', bytes);
      const expected = { ...directory.identity, incarnation: 2 };
      await identityOf(disk).then(
        (identity) => count(isDeepStrictEqual(identity, expected) ? 'the same' : 'another'),
        (error: StartError) => count(error.code),
      );
    }
    // In the name of the checksum, which says nothing of the member.
    expect(outcomes.get('the same')).toBeLessThanOrEqual('checksum'.length * 8);
    expect([...outcomes.keys()].toSorted()).toEqual(['DATA_DIR_DAMAGED', 'the same']);
  });

  test('of a newer format is refused', async () => {
    const disk = new MemoryDisk();
    await identityOf(disk);
    const file = await disk.open('identity.json');
    const text = Buffer.from(await file.read(0, await file.size())).toString();
    const { checksum, ...identity } = JSON.parse(text) as Record<string, unknown>;
    expect(checksum).toBeDefined();
    const newer = { ...identity, format: 2, of_tomorrow: true };
    await file.write(0, Buffer.from(JSON.stringify(newer).padEnd(text.length)));
    await expect(identityOf(disk)).rejects.toMatchObject({
      code: 'DATA_DIR_DAMAGED',
      message: expect.stringContaining('has format 2'),
    });
  });

  test('generates the secret once, and prefers a configured one', async () => {
    const disk = new MemoryDisk();
    const generated = await clusterSecret(disk, undefined);
    expect(generated.length).toBeGreaterThanOrEqual(32);
    expect(await clusterSecret(disk, undefined)).toEqual(generated);
    const configured = await clusterSecret(disk, 'a configured secret of some length');
    expect(Buffer.from(configured).toString()).toBe('a configured secret of some length');
  });

  test('a process of a cluster takes the secret that is there and makes none', async () => {
    const disk = new MemoryDisk();
    await expect(existingClusterSecret(disk, undefined)).rejects.toMatchObject({
      code: 'CONFIGURATION',
    });
    const generated = await clusterSecret(disk, undefined);
    expect(await existingClusterSecret(disk, undefined)).toEqual(generated);
  });
});
