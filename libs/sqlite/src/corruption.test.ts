import {
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ManifestError, SegmentError, type LsmStore } from '@kvstore/lsm';
import { SeededRandom } from '@kvstore/std';
import {
  contents,
  DIRECTORY,
  expectedAfter,
  openEngine,
  removeTemporaryRoots,
  temporaryRoot,
  writeEntry,
} from './engine.test-support.ts';

/** A directory with two segments and the manifest; every test damages a copy. */
let intact: string;
const manifestPath = (root: string): string => join(root, DIRECTORY, 'manifest.db');
const segmentNames = (root: string): string[] =>
  readdirSync(join(root, DIRECTORY, 'segments')).sort();
const segmentPath = (root: string, at: number): string =>
  join(root, DIRECTORY, 'segments', segmentNames(root)[at] as string);

beforeAll(async () => {
  intact = temporaryRoot();
  const engine = await openEngine(intact, { config: { blockBytes: 64 } });
  for (const flushAt of [8, 16]) {
    while (engine.applied.index < flushAt) writeEntry(engine);
    await engine.flush();
  }
  await engine.close();
});
afterAll(removeTemporaryRoots);

function damagedCopy(damage: (root: string) => void): string {
  const root = temporaryRoot();
  cpSync(join(intact, 'g0'), join(root, 'g0'), { recursive: true });
  damage(root);
  return root;
}

function flipBit(path: string, bit: number): void {
  const bytes = readFileSync(path);
  bytes[bit >>> 3] = (bytes[bit >>> 3] as number) ^ (1 << (bit & 7));
  writeFileSync(path, bytes);
}

/** Opens, reads everything both ways and waits for the background verdict on whole files. */
async function readAll(root: string): Promise<{ lines: string[]; verdict: Error | undefined }> {
  let verdict: Error | undefined;
  const engine: LsmStore = await openEngine(root, { onFatal: (error) => (verdict = error) });
  try {
    const lines = contents(engine);
    const deadline = Date.now() + 5_000;
    while (verdict === undefined && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return { lines, verdict };
  } finally {
    await engine.close();
  }
}

/** Damage must be noticed at open, at read or by the background check, and name the file. */
async function expectNoticed(root: string, file: string): Promise<void> {
  try {
    const { lines, verdict } = await readAll(root);
    expect(lines).toEqual(expectedAfter(16));
    expect(verdict).toMatchObject({ code: 'SEGMENT_CORRUPT', file });
  } catch (error) {
    if (!(error instanceof SegmentError)) throw error;
    expect(error).toMatchObject({ code: 'SEGMENT_CORRUPT', file });
  }
}

async function inBatches(count: number, step: (i: number) => Promise<void>): Promise<void> {
  for (let first = 0; first < count; first += 8) {
    const batch = Array.from({ length: Math.min(8, count - first) }, (_, i) => step(first + i));
    await Promise.all(batch);
  }
}

describe('a segment file', () => {
  test('that is whole reads as it was written', async () => {
    const engine = await openEngine(damagedCopy(() => undefined));
    expect(contents(engine)).toEqual(expectedAfter(16));
    expect(engine.statistics.segments).toBe(2);
    await engine.close();
  });

  test('with any bit flipped is noticed, and never gives a wrong value', async () => {
    const random = new SeededRandom(1);
    const bits = statSync(segmentPath(intact, 0)).size * 8;
    await inBatches(32, async (i) => {
      const bit = i < 16 ? i * 49 : random.below(bits);
      const file = segmentNames(intact)[i % 2] as string;
      await expectNoticed(
        damagedCopy((root) => flipBit(segmentPath(root, i % 2), bit)),
        file,
      );
    });
  }, 60_000);

  test('cut short, or longer than it was, is named at open', async () => {
    const file = segmentNames(intact)[1] as string;
    const size = statSync(segmentPath(intact, 1)).size;
    for (const length of [0, 1, 99, 4_096, size - 1, size + 1]) {
      const root = damagedCopy((copy) => truncateSync(segmentPath(copy, 1), length));
      await expect(openEngine(root)).rejects.toMatchObject({ code: 'SEGMENT_CORRUPT', file });
    }
  });

  test('that is missing is named at open', async () => {
    const root = damagedCopy((copy) => rmSync(segmentPath(copy, 0)));
    await expect(openEngine(root)).rejects.toMatchObject({
      code: 'SEGMENT_MISSING',
      file: segmentNames(intact)[0],
    });
  });

  test('in the place of another is noticed', async () => {
    const root = damagedCopy((copy) => copyFileSync(segmentPath(copy, 0), segmentPath(copy, 1)));
    await expect(openEngine(root)).rejects.toMatchObject({
      code: 'SEGMENT_CORRUPT',
      file: segmentNames(intact)[1],
    });
  });

  test('that no manifest lists, and half a file, are removed at open', async () => {
    const root = damagedCopy((copy) => {
      const directory = join(copy, DIRECTORY, 'segments');
      writeFileSync(join(directory, '000000000003.segment'), 'whole');
      writeFileSync(join(directory, '000000000004.segment.partial'), 'ha');
    });
    const engine = await openEngine(root);
    expect(segmentNames(root)).toEqual(segmentNames(intact));
    await engine.close();
  });
});

describe('the manifest', () => {
  test('with any bit flipped is refused, or says what it said', async () => {
    const random = new SeededRandom(2);
    const bits = statSync(manifestPath(intact)).size * 8;
    let refused = 0;
    await inBatches(72, async (i) => {
      const bit = i < 24 ? i * 33 : random.below(bits);
      const root = damagedCopy((copy) => flipBit(manifestPath(copy), bit));
      try {
        const engine = await openEngine(root);
        expect(engine.applied.index).toBe(16);
        expect(contents(engine)).toEqual(expectedAfter(16));
        await engine.close();
      } catch (error) {
        if (!(error instanceof ManifestError)) throw error;
        expect(error.file).toBe('manifest.db');
        refused += 1;
      }
    });
    expect(refused).toBeGreaterThan(10);
  }, 60_000);

  test('with a changed row is refused', async () => {
    const { openConnection } = await import('./driver.ts');
    for (const change of [
      'UPDATE state SET applied_index = applied_index - 1',
      'UPDATE segment SET bytes = bytes + 1 WHERE id = 1',
      'DELETE FROM segment WHERE id = 1',
      "UPDATE segment SET first_key = x'00' WHERE id = 2",
    ]) {
      const root = damagedCopy((copy) => {
        const connection = openConnection(manifestPath(copy));
        connection.exec(change);
        connection.close();
      });
      await expect(openEngine(root)).rejects.toMatchObject({ code: 'MANIFEST_CORRUPT' });
    }
  });

  test('that is gone, or empty, beside segments is refused, and the segments stay', async () => {
    for (const damage of [
      (root: string): void => rmSync(manifestPath(root)),
      (root: string): void => truncateSync(manifestPath(root), 0),
    ]) {
      const root = damagedCopy(damage);
      await expect(openEngine(root)).rejects.toMatchObject({ code: 'MANIFEST_MISSING' });
      await expect(openEngine(root)).rejects.toMatchObject({ code: 'MANIFEST_MISSING' });
      expect(segmentNames(root)).toEqual(segmentNames(intact));
    }
  });

  test('cut short is refused', async () => {
    const size = statSync(manifestPath(intact)).size;
    for (const length of [1, 100, 4_096, size - 4_096, size - 1]) {
      const root = damagedCopy((copy) => truncateSync(manifestPath(copy), length));
      // SQLite takes less than a header for an empty database.
      const code = length < 100 ? 'MANIFEST_MISSING' : 'MANIFEST_CORRUPT';
      await expect(openEngine(root)).rejects.toMatchObject({ code });
    }
  });

  test('of another cluster, or of another format, is refused', async () => {
    await expect(
      openEngine(
        damagedCopy(() => undefined),
        { label: 'other/g0/n1' },
      ),
    ).rejects.toMatchObject({
      code: 'WRONG_LABEL',
    });
    const { openConnection } = await import('./driver.ts');
    const root = damagedCopy((copy) => {
      const connection = openConnection(manifestPath(copy));
      connection.pragma('user_version = 3');
      connection.close();
    });
    await expect(openEngine(root)).rejects.toMatchObject({ code: 'UNKNOWN_FORMAT' });
  });
});
