import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Compression, type SegmentMetadata } from '@kvstore/lsm';
import { LOG_START } from '@kvstore/std';
import { positionAt } from '@kvstore/testing';
import { openConnection } from './driver.ts';
import { removeTemporaryRoots, temporaryRoot } from './engine.test-support.ts';
import { SqliteManifest } from './sqlite-manifest.ts';

afterAll(removeTemporaryRoots);

function segment(id: number): SegmentMetadata {
  return {
    id,
    file: `${id}.segment`,
    label: 'label',
    level: 0,
    formatVersion: 1,
    compression: Compression.none,
    position: positionAt(id * 10, 3),
    entries: 7,
    tombstones: 2,
    blocks: 3,
    firstKey: Uint8Array.of(0, 255, id),
    lastKey: Uint8Array.of(255, id),
    bytes: 2 ** 40,
    sha256: 'ab'.repeat(32),
  };
}

const open = (path: string): Promise<SqliteManifest> =>
  SqliteManifest.open({ path, label: 'label', hasSegments: false });

describe('the manifest', () => {
  test('gives back every field it was given, after a reopen', async () => {
    const path = join(temporaryRoot(), 'manifest.db');
    const manifest = await open(path);
    expect(manifest.state).toEqual({ segments: [], position: LOG_START });
    await manifest.commit(positionAt(10, 3), segment(1));
    await manifest.commit(positionAt(20, 3), segment(2));
    const large = positionAt(2 ** 53 - 1_000_001 - 1_000_000, 2 ** 50);
    await manifest.commit(large, undefined);
    await manifest.close();
    const reopened = await open(path);
    expect(reopened.state).toEqual({ segments: [segment(1), segment(2)], position: large });
    await reopened.close();
  });

  test('commits that overlap take turns', async () => {
    const path = join(temporaryRoot(), 'manifest.db');
    const manifest = await open(path);
    const ids = Array.from({ length: 20 }, (_, i) => i + 1);
    await Promise.all(ids.map((id) => manifest.commit(positionAt(id * 10, 3), segment(id))));
    await manifest.close();
    const reopened = await open(path);
    expect(reopened.state.segments.map(({ id }) => id)).toEqual(ids);
    expect(reopened.state.position).toEqual(positionAt(200, 3));
    await reopened.close();
  });

  test('a commit that meets a busy database leaves nothing, and can be repeated', async () => {
    const path = join(temporaryRoot(), 'manifest.db');
    const manifest = await open(path);
    const other = openConnection(path);
    other.exec('BEGIN IMMEDIATE');
    await expect(manifest.commit(positionAt(10, 3), segment(1))).rejects.toMatchObject({
      code: 'IO',
    });
    expect(manifest.state.position).toEqual(LOG_START);
    other.exec('ROLLBACK');
    other.close();
    await manifest.commit(positionAt(10, 3), segment(1));
    await manifest.commit(positionAt(10, 3), segment(1));
    expect(manifest.state.segments).toHaveLength(1);
    await manifest.close();
  });

  test('a commit that fails for good says that the process must stop, and can be opened again', async () => {
    const path = join(temporaryRoot(), 'manifest.db');
    const manifest = await open(path);
    await manifest.commit(positionAt(10, 3), segment(1));
    await expect(manifest.commit(positionAt(20, 3), segment(1))).rejects.toMatchObject({
      code: 'COMMIT_FAILED',
    });
    await manifest.close();
    const reopened = await open(path);
    expect(reopened.state.position).toEqual(positionAt(10, 3));
    await reopened.close();
  });

  test('leaves no journal that a power cut could roll back, and nothing that others may read', async () => {
    const path = join(temporaryRoot(), 'manifest.db');
    const manifest = await open(path);
    await manifest.commit(positionAt(10, 3), segment(1));
    expect(statSync(`${path}-journal`).size).toBe(0);
    for (const file of [path, `${path}-journal`]) expect(statSync(file).mode & 0o777).toBe(0o600);
    await manifest.close();
  });
});
