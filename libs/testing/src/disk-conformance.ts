/** What every `Disk` must do, as a jest suite that each of them runs. */
import type { Disk } from '@kvstore/std';

export interface DiskHarness {
  readonly disk: Disk;
  dispose?(): Promise<void>;
}

export function diskConformance(name: string, make: () => Promise<DiskHarness>): void {
  describe(`${name} as a Disk`, () => {
    let harness: DiskHarness;
    let disk: Disk;

    beforeEach(async () => {
      harness = await make();
      disk = harness.disk;
      await disk.makeDirectory('a/b');
    });
    afterEach(async () => {
      await harness.dispose?.();
    });

    const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

    test('what was written is read back, from any offset', async () => {
      const file = await disk.create('a/file');
      await file.write(0, bytes(1, 2, 3, 4));
      await file.write(2, bytes(9));
      expect(await file.read(0, 4)).toEqual(bytes(1, 2, 9, 4));
      expect(await file.read(1, 2)).toEqual(bytes(2, 9));
      expect(await file.size()).toBe(4);
      await file.sync();
      await file.close();
      const again = await disk.open('a/file');
      expect(await again.read(0, 4)).toEqual(bytes(1, 2, 9, 4));
      expect(again.path).toBe('a/file');
      await again.close();
    });

    test('a read is short only at the end of the file', async () => {
      const file = await disk.create('a/file');
      await file.write(0, bytes(1, 2, 3));
      expect(await file.read(1, 10)).toEqual(bytes(2, 3));
      expect(await file.read(3, 10)).toEqual(bytes());
      expect(await file.read(99, 10)).toEqual(bytes());
      await file.close();
    });

    test('a read hands out bytes of its own', async () => {
      const file = await disk.create('a/file');
      await file.write(0, bytes(1, 2, 3));
      (await file.read(0, 3)).fill(7);
      expect(await file.read(0, 3)).toEqual(bytes(1, 2, 3));
      await file.close();
    });

    test('a write behind the end fills the gap with zeros', async () => {
      const file = await disk.create('a/file');
      await file.write(5000, bytes(1));
      expect(await file.size()).toBe(5001);
      expect(await file.read(4998, 3)).toEqual(bytes(0, 0, 1));
      await file.close();
    });

    test('truncate shortens, and lengthens with zeros', async () => {
      const file = await disk.create('a/file');
      await file.write(0, bytes(1, 2, 3, 4));
      await file.truncate(2);
      expect(await file.size()).toBe(2);
      await file.truncate(4);
      expect(await file.read(0, 9)).toEqual(bytes(1, 2, 0, 0));
      await file.close();
    });

    test('open wants the file to be there, create wants it not to be', async () => {
      await expect(disk.open('a/none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      const file = await disk.create('a/file');
      await file.close();
      await expect(disk.create('a/file')).rejects.toMatchObject({ code: 'EXISTS' });
      await expect(disk.create('none/file')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    test('rename replaces its target', async () => {
      for (const [path, value] of [
        ['a/x', 1],
        ['a/b/y', 2],
      ] as const) {
        const file = await disk.create(path);
        await file.write(0, bytes(value));
        await file.close();
      }
      await disk.rename('a/x', 'a/b/y');
      await disk.syncDirectory('a');
      await disk.syncDirectory('a/b');
      const file = await disk.open('a/b/y');
      expect(await file.read(0, 1)).toEqual(bytes(1));
      await file.close();
      expect(await disk.list('a')).toEqual(['b']);
      await expect(disk.rename('a/none', 'a/z')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    test('an open file can still be read after its name is gone', async () => {
      const file = await disk.create('a/file');
      await file.write(0, bytes(5));
      await disk.unlink('a/file');
      expect(await file.read(0, 1)).toEqual(bytes(5));
      await file.close();
      await expect(disk.unlink('a/file')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    test('list is sorted, and empty for a directory that does not exist', async () => {
      for (const path of ['a/c', 'a/B', 'a/10']) await (await disk.create(path)).close();
      expect(await disk.list('a')).toEqual(['10', 'B', 'b', 'c']);
      expect(await disk.list('none')).toEqual([]);
    });

    test('makeDirectory has no effect on what exists', async () => {
      await (await disk.create('a/b/file')).close();
      await disk.makeDirectory('a/b');
      expect(await disk.list('a/b')).toEqual(['file']);
    });

    test('a closed file refuses everything', async () => {
      const file = await disk.create('a/file');
      await file.close();
      await expect(file.read(0, 1)).rejects.toMatchObject({ code: 'IO' });
      await expect(file.write(0, bytes(1))).rejects.toMatchObject({ code: 'IO' });
      await expect(file.sync()).rejects.toMatchObject({ code: 'IO' });
    });
  });
}
