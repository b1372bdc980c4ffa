import { SeededRandom } from '@kvstore/std';
import { FaultyDisk, MemoryDisk, UNSYNCED_FATES } from '@kvstore/testing';
import { createDurableMark, openDurableMark } from './durable-mark.ts';

const LABEL = 'c/g0';

interface Image {
  readonly disk: MemoryDisk;
  /** The newest mark whose save had resolved, and the newest one that was begun. */
  readonly saved: number;
  readonly begun: number;
}

/** Opens the mark and saves `sequences`, with images at every operation. */
async function images(
  from: MemoryDisk,
  before: number,
  sequences: readonly number[],
): Promise<{ readonly crashed: readonly Image[]; readonly killed: readonly Image[] }> {
  const random = new SeededRandom(4);
  const crashed: Image[] = [];
  const killed: Image[] = [];
  let saved = before;
  let begun = before;
  const disk = new FaultyDisk(from, () => {
    for (const unsynced of UNSYNCED_FATES) {
      crashed.push({ disk: from.crashImage(random, { unsynced }), saved, begun });
    }
    killed.push({ disk: from.killImage(), saved, begun });
  });
  const mark = await openDurableMark(disk, '', LABEL);
  for (const sequence of sequences) {
    begun = sequence;
    await mark.save(sequence);
    saved = sequence;
  }
  return { crashed, killed };
}

async function expectWithin(image: Image, begun = image.begun): Promise<void> {
  const { sequence } = await openDurableMark(image.disk, '', LABEL);
  expect(sequence).toBeGreaterThanOrEqual(image.saved);
  expect(sequence).toBeLessThanOrEqual(begun);
}

test('a crash at any point leaves the mark saved last or the one being saved', async () => {
  const memory = new MemoryDisk();
  await (await createDurableMark(memory, '', LABEL)).save(1);
  const first = await images(memory, 1, [2, 3, 4]);
  for (const image of first.crashed) await expectWithin(image);
  for (const image of first.killed) {
    const second = await images(image.disk, image.saved, [9]);
    for (const crashed of second.crashed) await expectWithin(crashed, 9);
  }
});

test('the newest mark is found again', async () => {
  const disk = new MemoryDisk();
  await createDurableMark(disk, '', LABEL);
  for (const sequence of [4, 5, 6]) {
    await (await openDurableMark(disk, '', LABEL)).save(sequence);
    expect((await openDurableMark(disk, '', LABEL)).sequence).toBe(sequence);
  }
});

test('a mark of another log is refused', async () => {
  const disk = new MemoryDisk();
  await createDurableMark(disk, '', 'c/g1');
  await expect(openDurableMark(disk, '', LABEL)).rejects.toMatchObject({ code: 'LOG_FOREIGN' });
});
