import { encodeUtf8 } from '@kvstore/std';
import { MemoryManifest, MemorySegmentStore, ManualTimers, positionAt } from '@kvstore/testing';
import { lsmConfig } from '../lsm-config.ts';
import { LsmEngine } from '../lsm-engine.ts';
import { segmentChecksum } from './segment-metadata.ts';

const bytes = encodeUtf8;

/** Three segments: keys a…, m… and z…, 50 each, in small blocks; the filter ignores the last byte. */
async function openThree(caches: number): Promise<{
  readonly engine: LsmEngine;
  readonly segments: MemorySegmentStore;
  readonly manifest: MemoryManifest;
  readonly open: () => Promise<LsmEngine>;
}> {
  const segments = new MemorySegmentStore();
  const manifest = new MemoryManifest();
  const config = { blockBytes: 128, blockCacheBytes: caches, indexCacheBytes: caches };
  const open = (): Promise<LsmEngine> =>
    LsmEngine.open({
      config: lsmConfig(config),
      segments,
      manifest,
      recovered: manifest.state,
      timers: new ManualTimers(),
      label: 'test',
      filterPrefixLength: (key) => Math.max(0, key.length - 1),
      onFatal: (error) => {
        throw error;
      },
    });
  const engine = await open();
  for (const letter of ['a', 'm', 'z']) {
    for (let i = 0; i < 50; i++) {
      engine.put(bytes(`${letter}/${10 + i}/v`), bytes(`value ${letter} ${i}`));
    }
    engine.endEntry(positionAt(engine.applied.index + 1), 1);
    await engine.flush();
  }
  return { engine, segments, manifest, open };
}

/** Blocks that a step reads from files. */
function blocksRead(segments: MemorySegmentStore, step: () => void): number {
  const before = segments.blocksRead;
  step();
  return segments.blocksRead - before;
}

describe('SegmentReader', () => {
  test('a point read touches one block of the one segment that can have the key', async () => {
    const { engine, segments } = await openThree(0);
    for (let i = 0; i < 50; i++) {
      const key = bytes(`m/${10 + i}/v`);
      expect(blocksRead(segments, () => expect(engine.get(key)).toBeDefined())).toBe(1);
      expect(blocksRead(segments, () => engine.first(key, key.length - 1))).toBe(1);
    }
  });

  test('keys outside the bounds, and nearly all that are absent within, touch no block', async () => {
    const { engine, segments } = await openThree(0);
    for (const key of ['A', 'zz', 'b', 'n']) {
      expect(blocksRead(segments, () => expect(engine.get(bytes(key))).toBeUndefined())).toBe(0);
    }
    let touched = 0;
    for (let i = 0; i < 500; i++) {
      touched += blocksRead(segments, () => engine.get(bytes(`m/3${i}x/v`)));
    }
    expect(touched).toBeLessThan(25);
  });

  test('the filter ignores what follows the filter prefix', async () => {
    const { engine } = await openThree(0);
    const found = engine.first(bytes('m/20/a'), 5);
    expect(Buffer.from(found?.key ?? []).toString()).toBe('m/20/v');
    expect(engine.first(bytes('m/20/w'), 5)).toBeUndefined();
  });

  test('a cached block is not read again', async () => {
    const { engine, segments } = await openThree(1_000_000);
    const scan = (): void => void Array.from(engine.scan({ from: new Uint8Array(0) }));
    expect(blocksRead(segments, scan)).toBeGreaterThan(10);
    expect(blocksRead(segments, scan)).toBe(0);
  });

  test('a flipped bit anywhere in a block or part is SEGMENT_CORRUPT, never an answer', async () => {
    const { engine, segments, open } = await openThree(0);
    await engine.close();
    const rows = segments.rows('2.segment');
    for (const [number, row] of [...rows]) {
      for (let bit = 0; bit < row.bytes.length * 8; bit += 37) {
        const damaged = row.bytes.slice();
        damaged[bit >>> 3] = (damaged[bit >>> 3] as number) ^ (1 << (bit & 7));
        rows.set(number, { ...row, bytes: damaged });
        await expect(
          open().then((reopened) => Array.from(reopened.scan({ from: new Uint8Array(0) }))),
        ).rejects.toMatchObject({ code: 'SEGMENT_CORRUPT', file: '2.segment' });
      }
      rows.set(number, row);
    }
  });

  test('a block whose checksum is right and whose entries are not is SEGMENT_CORRUPT, both ways', async () => {
    const { engine, segments } = await openThree(0);
    const rows = segments.rows('2.segment');
    const row = rows.get(0);
    if (row === undefined) throw new Error('no block');
    const store = (place: number, byte: number): void => {
      const damaged = row.bytes.slice();
      damaged[place] = byte;
      rows.set(0, { bytes: damaged, checksum: segmentChecksum(2, 0, damaged) });
    };
    const corrupt = expect.objectContaining({ code: 'SEGMENT_CORRUPT', file: '2.segment' });
    const from = bytes('m');
    const to = bytes('n');
    store(0, 9);
    expect(() => engine.get(bytes('m/10/v'))).toThrow(corrupt);
    expect(() => engine.first(bytes('m/10/v'), 5)).toThrow(corrupt);
    const secondEntry = 3 + 'm/10/v'.length + 'value m 0'.length;
    store(secondEntry, 0x7f);
    expect(() => Array.from(engine.scan({ from, to }))).toThrow(corrupt);
    expect(() => Array.from(engine.scan({ from, to, reverse: true }))).toThrow(corrupt);
  });

  test('blocks that changed places, also between segments, are SEGMENT_CORRUPT', async () => {
    const { engine, segments } = await openThree(0);
    const rows = segments.rows('2.segment');
    const [zero, one] = [rows.get(0), rows.get(1)];
    if (zero === undefined || one === undefined) throw new Error('too few blocks');
    rows.set(0, one);
    expect(() => engine.get(bytes('m/10/v'))).toThrow('2.segment: block 0 has a wrong checksum');
    const foreign = segments.rows('1.segment').get(0);
    if (foreign !== undefined) rows.set(0, foreign);
    expect(() => engine.get(bytes('m/10/v'))).toThrow('wrong checksum');
    rows.delete(0);
    expect(() => engine.get(bytes('m/10/v'))).toThrow('2.segment: block 0 is missing');
    rows.set(0, zero);
    expect(engine.get(bytes('m/10/v'))).toBeDefined();
  });

  test('a whole segment in the place of another is noticed at open', async () => {
    const { engine, segments, open } = await openThree(0);
    await engine.close();
    const rows = segments.rows('2.segment');
    for (const [number, row] of segments.rows('1.segment')) rows.set(number, row);
    await expect(open()).rejects.toMatchObject({ code: 'SEGMENT_CORRUPT', file: '2.segment' });
  });

  test('an unknown format version is refused', async () => {
    const { engine, manifest, open } = await openThree(0);
    await engine.close();
    const [first, ...rest] = manifest.state.segments;
    if (first === undefined) throw new Error('no segment');
    manifest.state = { ...manifest.state, segments: [{ ...first, formatVersion: 2 }, ...rest] };
    await expect(open()).rejects.toMatchObject({ code: 'UNKNOWN_FORMAT', file: '1.segment' });
  });
});

test('a key that falls between two blocks reads neither, also without a filter', async () => {
  const segments = new MemorySegmentStore();
  const manifest = new MemoryManifest();
  const engine = await LsmEngine.open({
    config: lsmConfig({ blockBytes: 1, blockCacheBytes: 0 }),
    segments,
    manifest,
    recovered: manifest.state,
    timers: new ManualTimers(),
    label: 'test',
    filterPrefixLength: () => 0,
    onFatal: (error) => {
      throw error;
    },
  });
  for (const key of ['b', 'd', 'f']) engine.put(bytes(key), bytes(key));
  engine.endEntry(positionAt(1), 1);
  await engine.flush();
  expect(blocksRead(segments, () => expect(engine.get(bytes('c'))).toBeUndefined())).toBe(0);
  expect(blocksRead(segments, () => expect(engine.get(bytes('d'))).toBeDefined())).toBe(1);
  await engine.close();
});
