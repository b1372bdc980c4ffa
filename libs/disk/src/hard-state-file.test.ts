import { nodeId, SeededRandom, term } from '@kvstore/std';
import type { Disk } from '@kvstore/std';
import type { HardState } from '@kvstore/raft';
import { failNext, FaultyDisk, MemoryDisk, UNSYNCED_FATES } from '@kvstore/testing';
import { openHardState } from './hard-state-file.ts';
import type { HardStateFile } from './hard-state-file.ts';

const PATH = 'state/hard-state';

function open(disk: Disk, label = 'c/g0/a', mustExist = false): Promise<HardStateFile> {
  return openHardState({ disk, directory: 'state', label, mustExist });
}

const voted = (inTerm: number, vote = 'a'): HardState => ({
  term: term(inTerm),
  vote: nodeId(vote),
});

async function saved(...states: readonly HardState[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const file = await open(disk);
  for (const state of states) await file.save(state);
  await file.close();
  return disk;
}

test('every crash leaves the last released state or a later one, also during recovery', async () => {
  const memory = new MemoryDisk();
  const random = new SeededRandom(3);
  const images: { disk: MemoryDisk; released: number; called: number; killed: boolean }[] = [];
  let released = 0;
  let called = 0;
  const disk = new FaultyDisk(memory, () => {
    for (const unsynced of UNSYNCED_FATES) {
      images.push({
        disk: memory.crashImage(random, { unsynced }),
        released,
        called,
        killed: false,
      });
    }
    images.push({ disk: memory.killImage(), released, called, killed: true });
  });
  const file = await open(disk);
  for (let next = 1; next <= 5; next++) {
    called = next;
    await file.save(voted(next));
    released = next;
  }
  await file.close();

  for (const image of images) {
    const second: MemoryDisk[] = [];
    const during = new FaultyDisk(image.disk, () => {
      for (const unsynced of UNSYNCED_FATES)
        second.push(image.disk.crashImage(random, { unsynced }));
    });
    const reopened = await open(during);
    const found = reopened.recovered.term;
    expect(found).toBeGreaterThanOrEqual(image.released);
    expect(found).toBeLessThanOrEqual(image.called);
    await reopened.close();
    const after = await open(image.disk.crashImage(random, { unsynced: 'lost' }));
    expect(after.recovered.term).toBe(found);
    for (const crashed of second) {
      const again = await open(crashed);
      expect(again.recovered.term).toBeGreaterThanOrEqual(image.released);
      await again.close();
    }
  }
  expect(images.length).toBeGreaterThan(100);
});

test('a bit flip anywhere in one copy never loses a released state', async () => {
  const disk = await saved(voted(4), voted(7, 'b'));
  const bytes = disk.peek(PATH);
  for (let offset = 0; offset < bytes.length; offset += offset % 4096 < 96 ? 1 : 97) {
    const damaged = bytes.slice();
    damaged[offset] = (damaged[offset] ?? 0) ^ (1 << (offset % 8));
    disk.damage(PATH, damaged);
    const file = await open(disk);
    expect(file.recovered).toEqual(voted(7, 'b'));
    await file.close();
    // Opening mended the copy: the other one may rot now.
    const other = disk.peek(PATH);
    other.fill(0, offset < 4096 ? 4096 : 0, offset < 4096 ? 8192 : 4096);
    disk.damage(PATH, other);
    const mended = await open(disk);
    expect(mended.recovered).toEqual(voted(7, 'b'));
    await mended.close();
  }
});

test('two damaged copies, a short file and a missing file are refused by name', async () => {
  const disk = await saved(voted(4));
  const corrupt = { code: 'HARD_STATE_CORRUPT', message: expect.stringContaining(PATH) };
  const bytes = disk.peek(PATH);
  for (const damaged of [
    bytes.map((byte) => byte ^ 1),
    bytes.subarray(0, 100),
    new Uint8Array(0),
  ]) {
    disk.damage(PATH, damaged);
    await expect(open(disk)).rejects.toMatchObject(corrupt);
  }
  await disk.unlink(PATH);
  await expect(open(disk, 'c/g0/a', true)).rejects.toMatchObject(corrupt);
});

test('the file of another node is refused', async () => {
  const disk = await saved(voted(4));
  await expect(open(disk, 'c/g0/b')).rejects.toMatchObject({
    code: 'LOG_FOREIGN',
    message: expect.stringContaining('another'),
  });
});

test('a failed sync fails the save and every one after it', async () => {
  const disk = new FaultyDisk(new MemoryDisk());
  const file = await open(disk);
  await file.save(voted(1));
  disk.setHook(failNext('sync', 'IO'));
  await expect(file.save(voted(2))).rejects.toMatchObject({ code: 'FSYNC_FAILED' });
  await expect(file.save(voted(3))).rejects.toMatchObject({ code: 'FSYNC_FAILED' });
  await file.close();
});

test('a term that goes back and a second vote in a term are bugs', async () => {
  const file = await open(new MemoryDisk());
  await file.save(voted(5));
  expect(() => file.save(voted(4))).toThrow('went back');
  expect(() => file.save(voted(5, 'b'))).toThrow('changed');
  expect(() => file.save({ term: term(5), vote: undefined })).toThrow('changed');
  await file.close();
});
