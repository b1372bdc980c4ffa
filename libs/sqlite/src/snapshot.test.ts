/** Snapshots and setting aside on real files: crashes at every operation, names, damage, old formats. */
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LsmStore } from '@kvstore/lsm';
import { SeededRandom } from '@kvstore/std';
import { openConnection } from './driver.ts';
import {
  contents,
  DIRECTORY,
  expectedAfter,
  LABEL,
  openEngine,
  PowerCutDisk,
  removeTemporaryRoots,
  temporaryRoot,
  writeEntry,
} from './engine.test-support.ts';
import { checksum } from './manifest-rows.ts';

const PARALLEL = 4;
const SOURCE_AT = 6;
const TARGET_AT = 2;

let source: LsmStore;

beforeAll(async () => {
  source = await openEngine(temporaryRoot(), { label: 'cluster/g0/n2' });
  await writeTo(source, 3);
  await writeTo(source, SOURCE_AT);
});
afterAll(async () => {
  await source.close();
  removeTemporaryRoots();
});

async function writeTo(store: LsmStore, index: number): Promise<void> {
  while (store.applied.index < index) writeEntry(store);
  await store.flush();
}

async function installInto(target: LsmStore): Promise<void> {
  const held = source.snapshot();
  const incoming = await target.receive(held.manifest);
  for (const [file, { bytes, received }] of incoming.files.entries()) {
    for (let at = received; at < bytes; at += 4_096) {
      await incoming.write(file, at, await held.read(file, at, 4_096));
    }
    if (!(await incoming.finish(file))) throw new Error('not sound');
  }
  await incoming.install();
  held.release();
}

const asides = (root: string): string[] =>
  readdirSync(join(root, 'g0')).filter((name) => name.startsWith('storage.aside-'));
const segmentFiles = (root: string): string[] => readdirSync(join(root, DIRECTORY, 'segments'));

/** In a field of SQLite's header that nobody reads: only the SHA-256 of the file tells. */
function flipBit(root: string): void {
  const path = join(root, DIRECTORY, 'segments', segmentFiles(root)[0] as string);
  const bytes = readFileSync(path);
  bytes[80]! ^= 1;
  writeFileSync(path, bytes);
}

describe('a crash while a snapshot is received and installed', () => {
  /** Resolves with whether it was installed. */
  async function work(root: string, power: PowerCutDisk): Promise<boolean> {
    const target = await openEngine(root, { disk: power.disk });
    const installed = await installInto(target).then(
      () => true,
      () => false,
    );
    await target.close().catch(() => undefined);
    return installed;
  }

  let made: string;

  beforeAll(async () => {
    made = temporaryRoot();
    const target = await openEngine(made);
    await writeTo(target, TARGET_AT);
    await target.close();
  });

  function targetRoot(): string {
    const root = temporaryRoot();
    cpSync(made, root, { recursive: true });
    return root;
  }

  async function cutAt(operations: number): Promise<boolean> {
    const root = targetRoot();
    const power = new PowerCutDisk(root);
    power.cutAfter(operations);
    const installed = await work(root, power).catch(() => false);
    await power.cut(new SeededRandom(operations));

    const recovered = await openEngine(root);
    const { index } = recovered.applied;
    expect(installed ? [SOURCE_AT] : [SOURCE_AT, TARGET_AT]).toContain(index);
    expect(contents(recovered)).toEqual(expectedAfter(index));
    expect(segmentFiles(root)).toHaveLength(recovered.statistics.segments);
    if (operations % PARALLEL === 0) {
      await installInto(recovered);
      expect(contents(recovered)).toEqual(expectedAfter(SOURCE_AT));
    }
    writeEntry(recovered);
    await recovered.close();
    return index === SOURCE_AT;
  }

  test('at any disk operation leaves the old state or the new one, and it can be done again', async () => {
    const root = targetRoot();
    const opening = new PowerCutDisk(root);
    await (await openEngine(root, { disk: opening.disk })).close();
    const whole = new PowerCutDisk(root);
    expect(await work(root, whole)).toBe(true);
    const { operations } = whole.disk;
    expect(operations).toBeGreaterThan(opening.disk.operations + 20);
    const seen: boolean[] = [];
    for (let first = opening.disk.operations; first < operations; first += PARALLEL) {
      const cuts = Array.from({ length: PARALLEL }, (_, i) => cutAt(first + i));
      seen.push(...(await Promise.all(cuts)));
    }
    expect(new Set(seen)).toEqual(new Set([true, false]));
  }, 120_000);
});

describe('a directory that is set aside', () => {
  test('is found under a name with the time, the last one only, and incoming files are gone', async () => {
    const root = temporaryRoot();
    const store = await openEngine(root);
    await writeTo(store, 2);
    await store.setAside(new Error('a reason'));
    expect(asides(root)).toEqual(['storage.aside-20260102T030405Z']);
    const files = readdirSync(join(root, 'g0', asides(root)[0] as string, 'segments'));
    expect(files).toEqual(['000000000001.segment']);
    expect(segmentFiles(root)).toEqual([]);
    await writeTo(store, 1);
    await store.setAside(new Error('a reason'));
    // Why the first: what has come since is not all of it.
    expect(asides(root)).toEqual(['storage.aside-20260102T030405Z']);
    await store.unfence();
    await writeTo(store, 1);
    await store.setAside(new Error('a reason'));
    expect(asides(root)).toHaveLength(2);
    await store.unfence();
    expect(asides(root)).toEqual(['storage.aside-20260102T030405Z-1']);
    await store.close();
  });

  test('is kept whole beside a snapshot that takes its place', async () => {
    const root = temporaryRoot();
    const store = await openEngine(root);
    await writeTo(store, 2);
    const before = contents(store);
    await store.fence(new Error('a reason'));
    await installInto(store);
    expect(contents(store)).toEqual(expectedAfter(SOURCE_AT));
    await store.unfence();
    await store.close();
    expect(asides(root)).toEqual(['storage.aside-20260102T030405Z']);
    const aside = asides(root)[0] as string;
    rmSync(join(root, DIRECTORY), { recursive: true });
    renameSync(join(root, 'g0', aside), join(root, DIRECTORY));
    const again = await openEngine(root);
    expect(contents(again)).toEqual(before);
    await again.close();
  });

  test('is so at open when it is damaged, if others have the data', async () => {
    const root = temporaryRoot();
    const whole = await openEngine(root);
    await writeTo(whole, 2);
    await whole.close();
    writeFileSync(
      join(root, DIRECTORY, 'manifest.db'),
      'no database, but long enough to be one'.repeat(9),
    );
    await expect(openEngine(root)).rejects.toMatchObject({ code: 'MANIFEST_CORRUPT' });
    expect(asides(root)).toEqual([]);

    const store = await openEngine(root, { setsAside: true });
    expect(store.damage).toMatchObject({ code: 'MANIFEST_CORRUPT' });
    expect(store.applied.index).toBe(0);
    expect(asides(root)).toHaveLength(1);
    await installInto(store);
    expect(contents(store)).toEqual(expectedAfter(SOURCE_AT));
    await store.close();
  });

  test('never is for the data of another member, or of a later release', async () => {
    const root = temporaryRoot();
    await (await openEngine(root, { label: 'other/g0/n1' })).close();
    await expect(openEngine(root, { setsAside: true })).rejects.toMatchObject({
      code: 'WRONG_LABEL',
    });
    const connection = openConnection(join(root, DIRECTORY, 'manifest.db'));
    connection.pragma('user_version = 77');
    connection.close();
    await expect(openEngine(root, { setsAside: true, label: 'other/g0/n1' })).rejects.toMatchObject(
      { code: 'UNKNOWN_FORMAT' },
    );
    expect(asides(root)).toEqual([]);
  });
});

test('a flipped bit that is found in the background is told as damage', async () => {
  const root = temporaryRoot();
  const whole = await openEngine(root);
  await writeTo(whole, 2);
  await whole.close();
  flipBit(root);
  let told: (error: Error) => void = () => undefined;
  const damage = new Promise<Error>((resolve) => (told = resolve));
  const store = await openEngine(root, { onFatal: (error) => told(error) });
  expect(store.isDamage(await damage)).toBe(true);
  expect(store.isDamage(new Error('another'))).toBe(false);
  await store.setAside(new Error('a reason'));
  expect(contents(store)).toEqual([]);
  await store.close();
});

test('segments of another storage keep its label, and are checked by it', async () => {
  const root = temporaryRoot();
  const target = await openEngine(root);
  await installInto(target);
  writeEntry(target);
  await target.close();
  const connection = openConnection(join(root, DIRECTORY, 'manifest.db'));
  const labels = connection.prepare('SELECT label FROM segment ORDER BY id').pluck().all();
  expect(labels).toEqual(['cluster/g0/n2', 'cluster/g0/n2', '']);
  connection.exec("UPDATE segment SET label = 'cluster/g0/n3' WHERE id = 1");
  connection.close();
  await expect(openEngine(root)).rejects.toMatchObject({ code: 'MANIFEST_CORRUPT' });
});

test('a manifest of format 1 opens, and is one of format 2 with the next commit', async () => {
  const root = temporaryRoot();
  const before = await openEngine(root);
  await writeTo(before, 2);
  await before.close();
  const path = join(root, DIRECTORY, 'manifest.db');
  const connection = openConnection(path);
  const segments = connection
    .prepare(
      `SELECT id, file, level, format_version formatVersion, compression, position_index positionIndex,
        position_term positionTerm, position_chain positionChain, entries, tombstones, blocks,
        first_key firstKey, last_key lastKey, bytes, sha256 FROM segment`,
    )
    .all()
    .map((row) => ({ ...(row as object), label: '' }));
  const state = connection
    .prepare(
      `SELECT id, label, applied_index appliedIndex, applied_term appliedTerm,
        applied_chain appliedChain FROM state`,
    )
    .get() as object;
  const old = checksum({ ...state, formatVersion: 1 } as never, segments as never);
  connection.exec(`ALTER TABLE segment DROP COLUMN label;
    UPDATE state SET format_version = 1, checksum = '${old}';
    DELETE FROM migrations WHERE name LIKE 'AddSegmentLabels%'`);
  connection.pragma('user_version = 1');
  connection.close();

  const store = await openEngine(root);
  expect(contents(store)).toEqual(expectedAfter(2));
  await writeTo(store, 3);
  await store.close();
  const after = openConnection(path);
  expect(after.pragma('user_version', { simple: true })).toBe(2);
  expect(after.prepare('SELECT format_version, label FROM state').raw().get()).toEqual([2, LABEL]);
  after.close();
});
