import { nodeId } from '@kvstore/std';
import { MemoryDisk } from '@kvstore/testing';
import { beginIncarnation, clusterSecret, establish } from './data-directory.ts';

const member = { cluster: 'dev', node: nodeId('node-1') };

describe('the data directory', () => {
  test('keeps its cluster id and counts incarnations durably', async () => {
    const disk = new MemoryDisk();
    const first = await beginIncarnation(disk, '/data', member);
    const second = await beginIncarnation(disk.killImage(), '/data', member);
    expect(first).toMatchObject({ incarnation: 1, established: false });
    expect(second).toMatchObject({ incarnation: 2, clusterId: first.clusterId });
  });

  test('remembers that the member has been ready', async () => {
    const disk = new MemoryDisk();
    await establish(disk, await beginIncarnation(disk, '/data', member));
    const again = await beginIncarnation(disk, '/data', member);
    expect(again).toMatchObject({ incarnation: 2, established: true });
  });

  test('is refused to another cluster or member, which leaves it as it was', async () => {
    const disk = new MemoryDisk();
    await beginIncarnation(disk, '/data', member);
    for (const other of [
      { ...member, cluster: 'prod' },
      { ...member, node: nodeId('node-2') },
    ]) {
      await expect(beginIncarnation(disk, '/data', other)).rejects.toMatchObject({
        code: 'DATA_DIR_OF_ANOTHER_CLUSTER',
      });
    }
    expect(await beginIncarnation(disk, '/data', member)).toMatchObject({ incarnation: 2 });
  });

  test.each(['', '{', '{}', '{"format":1}', '\u0000'])(
    'is damaged when its identity is %j',
    async (text) => {
      const disk = new MemoryDisk();
      const file = await disk.create('identity.json');
      await file.write(0, Buffer.from(text));
      await file.close();
      await expect(beginIncarnation(disk, '/data', member)).rejects.toMatchObject({
        code: 'DATA_DIR_DAMAGED',
      });
    },
  );

  test('of a newer format is refused', async () => {
    const disk = new MemoryDisk();
    await beginIncarnation(disk, '/data', member);
    const file = await disk.open('identity.json');
    const text = Buffer.from(await file.read(0, await file.size())).toString();
    await file.write(0, Buffer.from(text.replace('"format":1', '"format":2')));
    await expect(beginIncarnation(disk, '/data', member)).rejects.toMatchObject({
      code: 'DATA_DIR_DAMAGED',
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
});
