import { SeededRandom } from '@kvstore/std';
import { diskConformance } from './disk-conformance.ts';
import { FaultyDisk, Gate, failNext, stallSyncs } from './disk-faults.ts';
import { MemoryDisk } from './disk-memory.ts';

diskConformance('MemoryDisk', async () => ({ disk: new MemoryDisk() }));
diskConformance('FaultyDisk without faults', async () => ({
  disk: new FaultyDisk(new MemoryDisk()),
}));

describe('crash images', () => {
  const random = new SeededRandom(1);

  async function written(): Promise<MemoryDisk> {
    const disk = new MemoryDisk();
    const file = await disk.create('file');
    await file.write(0, new Uint8Array(8192).fill(1));
    await file.sync();
    await disk.syncDirectory('');
    await file.write(0, new Uint8Array(8192).fill(2));
    return disk;
  }

  test('unsynced blocks are lost, kept, or survive one by one', async () => {
    const disk = await written();
    expect(new Set(disk.crashImage(random, { unsynced: 'lost' }).peek('file'))).toEqual(
      new Set([1]),
    );
    expect(new Set(disk.crashImage(random, { unsynced: 'kept' }).peek('file'))).toEqual(
      new Set([2]),
    );
    const seen = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const bytes = disk.crashImage(random, { unsynced: 'random' }).peek('file');
      expect(new Set(bytes.subarray(0, 4096)).size).toBe(1);
      seen.add(`${bytes[0]}${bytes[4096]}`);
    }
    expect([...seen].sort()).toEqual(['11', '12', '21', '22']);
  });

  test('a torn block is a mix of sectors of 512 bytes', async () => {
    const disk = await written();
    const bytes = disk.crashImage(random, { unsynced: 'torn' }).peek('file');
    for (let at = 0; at < 8192; at += 512) {
      expect(new Set(bytes.subarray(at, at + 512)).size).toBe(1);
    }
    expect(new Set(bytes.subarray(0, 4096))).toEqual(new Set([1, 2]));
  });

  test('synced contents survive, the name only after syncDirectory', async () => {
    const disk = new MemoryDisk();
    const file = await disk.create('file');
    await file.write(0, new Uint8Array([1]));
    await file.sync();
    expect(await disk.crashImage(random, { unsynced: 'lost' }).list('')).toEqual([]);
    await disk.syncDirectory('');
    expect(disk.crashImage(random, { unsynced: 'lost' }).peek('file')).toEqual(new Uint8Array([1]));
  });

  test('a rename survives whole or not at all', async () => {
    const disk = await written();
    await disk.rename('file', 'other');
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      seen.add((await disk.crashImage(random, { unsynced: 'random' }).list('')).join());
    }
    expect([...seen].sort()).toEqual(['file', 'other']);
  });

  test('an unsynced unlink can come back', async () => {
    const disk = await written();
    await disk.unlink('file');
    expect(await disk.crashImage(random, { unsynced: 'lost' }).list('')).toEqual(['file']);
    expect(await disk.crashImage(random, { unsynced: 'kept' }).list('')).toEqual([]);
  });

  test('a killed process leaves what it wrote readable, but not durable', async () => {
    const killed = (await written()).killImage();
    expect(killed.peek('file')[0]).toBe(2);
    expect(killed.crashImage(random, { unsynced: 'lost' }).peek('file')[0]).toBe(1);
    const file = await killed.open('file');
    await file.sync();
    expect(killed.crashImage(random, { unsynced: 'lost' }).peek('file')[0]).toBe(2);
  });

  test('pages of a failed sync are readable, count as clean, and are never written', async () => {
    const disk = await written();
    const file = await disk.open('file');
    disk.failNextSync();
    await expect(file.sync()).rejects.toMatchObject({ code: 'IO' });
    await file.sync();
    expect((await file.read(0, 1))[0]).toBe(2);
    expect(disk.crashImage(random, { unsynced: 'kept' }).peek('file')[0]).toBe(1);
  });
});

describe('FaultyDisk', () => {
  test('fails the next operation of a kind, once', async () => {
    const disk = new FaultyDisk(new MemoryDisk(), failNext('sync', 'IO'));
    const file = await disk.create('file');
    await expect(file.sync()).rejects.toMatchObject({ code: 'IO' });
    await file.sync();
    expect(disk.operations).toBe(3);
  });

  test('space is the growth of files; overwriting is free, unlinking gives it back', async () => {
    const disk = new FaultyDisk(new MemoryDisk());
    disk.setSpace(100);
    const file = await disk.create('file');
    await file.write(0, new Uint8Array(80));
    await disk.rename('file', 'other');
    await file.write(10, new Uint8Array(70));
    expect(disk.spaceBytes).toBe(20);
    await expect(file.write(80, new Uint8Array(30))).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(await file.size()).toBe(100);
    await disk.unlink('other');
    expect(disk.spaceBytes).toBe(100);
  });

  test('a closed gate stalls syncs until it opens', async () => {
    const gate = new Gate();
    const disk = new FaultyDisk(new MemoryDisk(), stallSyncs(gate));
    const file = await disk.create('file');
    gate.close();
    let synced = false;
    const sync = file.sync().then(() => (synced = true));
    await file.write(0, new Uint8Array(1));
    expect([gate.waiting, synced]).toEqual([1, false]);
    gate.open();
    await sync;
    expect(synced).toBe(true);
  });
});
