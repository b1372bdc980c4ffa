import {
  DiskError,
  encodeUtf8,
  InvariantError,
  LOG_START,
  type DiskErrorCode,
  type LogPosition,
} from '@kvstore/std';
import {
  ManualTimers,
  MemoryManifest,
  MemorySegmentStore,
  plain,
  positionAt,
} from '@kvstore/testing';
import { lsmConfig, type LsmConfig } from './lsm-config.ts';
import { LsmEngine } from './lsm-engine.ts';
import { SegmentError } from './segment/segment-error.ts';
import { ManifestError } from './version/manifest-error.ts';

const bytes = encodeUtf8;
const MINUTE_MS = 60_000;

/** An engine whose files are in memory and whose time and flush steps the test moves. */
class Bench {
  readonly segments = new MemorySegmentStore();
  readonly manifest = new MemoryManifest();
  readonly timers = new ManualTimers();
  readonly fatal: Error[] = [];
  #release: (() => void) | undefined;

  open(config: Partial<LsmConfig> = {}): Promise<LsmEngine> {
    return LsmEngine.open({
      config: lsmConfig(config),
      segments: this.segments,
      manifest: this.manifest,
      recovered: this.manifest.state,
      timers: this.timers,
      label: 'test',
      filterPrefixLength: (key) => key.length,
      onFatal: (error) => void this.fatal.push(error),
    });
  }

  /** Holds back every segment that is written from now on. */
  holdFlushes(): void {
    const held = new Promise<void>((resolve) => (this.#release = resolve));
    this.segments.hook = (step) => (step === 'write' ? held : undefined);
  }

  releaseFlushes(): void {
    this.#release?.();
  }
}

function writeEntry(engine: LsmEngine, key: string, valueBytes = 1, logBytes = 10): LogPosition {
  const position = positionAt(engine.applied.index + 1);
  engine.put(bytes(key), new Uint8Array(valueBytes));
  engine.endEntry(position, logBytes);
  return position;
}

/** Lets everything run that needs no timer. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

const keysOf = (engine: LsmEngine): string[] =>
  plain(engine.scan({ from: new Uint8Array(0) })).map(({ key }) =>
    Buffer.from(key, 'hex').toString(),
  );

describe('sealing', () => {
  test('happens between entries only, however much one entry writes', async () => {
    const bench = new Bench();
    const engine = await bench.open({ memtableBytes: 1_000 });
    for (let i = 0; i < 10; i++) engine.put(bytes(`k${i}`), new Uint8Array(1_000));
    expect(engine.statistics.sealedMemtables).toBe(0);
    engine.endEntry(positionAt(1), 10);
    expect(engine.statistics.sealedMemtables).toBe(1);
    await turns();
    expect(engine.durable).toEqual(positionAt(1));
    expect(bench.manifest.state.segments).toMatchObject([{ id: 1, entries: 10 }]);
    const { firstKey, lastKey } = bench.manifest.state.segments[0] ?? {};
    expect(firstKey).toEqual(bytes('k0'));
    expect(lastKey).toEqual(bytes('k9'));
    // A view would keep the memtable's memory alive.
    expect(firstKey?.buffer.byteLength).toBe(2);
    expect(lastKey?.buffer.byteLength).toBe(2);
    await engine.close();
  });

  test('happens after so many bytes of log, though the memtable is small', async () => {
    const bench = new Bench();
    const engine = await bench.open({ memtableLogBytes: 100 });
    writeEntry(engine, 'a', 1, 60);
    expect(engine.statistics.sealedMemtables).toBe(0);
    writeEntry(engine, 'a', 1, 40);
    expect(engine.statistics.sealedMemtables).toBe(1);
    await turns();
    writeEntry(engine, 'a', 1, 60);
    expect(engine.statistics.sealedMemtables).toBe(0);
    await engine.close();
  });

  test('happens five minutes after the first entry, also when nothing follows it', async () => {
    const bench = new Bench();
    const engine = await bench.open();
    expect(bench.timers.pending).toEqual([]);
    writeEntry(engine, 'a');
    writeEntry(engine, 'b');
    expect(bench.timers.pending).toEqual([5 * MINUTE_MS]);
    bench.timers.fire();
    await turns();
    expect(engine.durable).toEqual(positionAt(2));
    expect(bench.timers.pending).toEqual([]);
    await engine.close();
  });

  test('waits for the end of an entry that is being applied', async () => {
    const bench = new Bench();
    const engine = await bench.open();
    writeEntry(engine, 'a');
    engine.put(bytes('b'), bytes('1'));
    bench.timers.fire();
    const flushed = engine.flush();
    expect(engine.statistics.sealedMemtables).toBe(0);
    engine.endEntry(positionAt(2), 10);
    expect(engine.statistics.sealedMemtables).toBe(1);
    await flushed;
    expect(engine.durable).toEqual(positionAt(2));
    await engine.close();
  });

  test('of entries without writes moves the position and makes no segment', async () => {
    const bench = new Bench();
    const engine = await bench.open();
    engine.endEntry(positionAt(1), 10);
    await engine.flush();
    expect(engine.durable).toEqual(positionAt(1));
    expect(bench.manifest.state.segments).toEqual([]);
    await engine.close();
  });
});

describe('back-pressure', () => {
  test('sets in at so many sealed memtables, and lets go when one is live', async () => {
    const bench = new Bench();
    const engine = await bench.open({ memtableBytes: 1, numMemtables: 2 });
    bench.holdFlushes();
    writeEntry(engine, 'a');
    expect(engine.stalled).toBe(false);
    writeEntry(engine, 'b');
    expect(engine.stalled).toBe(true);
    writeEntry(engine, 'c');
    writeEntry(engine, 'd');
    expect(engine.statistics.sealedMemtables).toBe(2);
    let writable = false;
    const waited = engine.whenWritable().then(() => (writable = true));
    await turns();
    expect(writable).toBe(false);
    expect(keysOf(engine)).toEqual(['a', 'b', 'c', 'd']);
    bench.releaseFlushes();
    await waited;
    await engine.flush();
    expect(engine.durable).toEqual(positionAt(4));
    expect(keysOf(engine)).toEqual(['a', 'b', 'c', 'd']);
    await engine.close();
  });
});

describe('flushing', () => {
  test('goes live in the order of sealing, and durable is the newest live position', async () => {
    const bench = new Bench();
    const engine = await bench.open({ memtableBytes: 1 });
    const seen: number[] = [];
    bench.manifest.hook = (_step, id) => {
      seen.push(id, engine.durable.index);
    };
    for (const key of ['a', 'b', 'c']) writeEntry(engine, key);
    await engine.flush();
    expect(seen).toEqual([1, 0, 2, 1, 3, 2]);
    const { segments } = bench.manifest.state;
    expect(segments.map(({ id, position }) => [id, position.index])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    await engine.close();
  });

  test('takes its time until somebody waits, or the next memtable does', async () => {
    const bench = new Bench();
    const engine = await bench.open({ memtableBytes: 1 });
    bench.holdFlushes();
    writeEntry(engine, 'a');
    await turns();
    expect(bench.segments.hurries).toBe(0);
    const flushed = engine.flush();
    expect(bench.segments.hurries).toBe(1);
    bench.releaseFlushes();
    await flushed;
    await turns();

    bench.segments.hurries = 0;
    bench.holdFlushes();
    writeEntry(engine, 'b');
    await turns();
    expect(bench.segments.hurries).toBe(0);
    writeEntry(engine, 'c');
    expect(bench.segments.hurries).toBe(1);
    bench.releaseFlushes();
    await engine.flush();
    // The second one of the queue was no less waited for when its turn came.
    expect(bench.segments.hurries).toBeGreaterThan(1);
    await engine.close();
  });

  test('reads see every layer: newest wins, tombstones hide older values', async () => {
    const bench = new Bench();
    const engine = await bench.open();
    for (const key of ['a', 'b', 'c', 'd']) engine.put(bytes(key), bytes('segment'));
    engine.endEntry(positionAt(1), 10);
    await engine.flush();
    bench.holdFlushes();
    engine.put(bytes('b'), bytes('sealed'));
    engine.delete(bytes('c'));
    engine.delete(bytes('d'));
    engine.endEntry(positionAt(2), 10);
    const flushed = engine.flush();
    engine.put(bytes('a'), bytes('active'));
    engine.put(bytes('c'), bytes('active'));
    expect(engine.statistics).toMatchObject({ segments: 1, sealedMemtables: 1 });
    const pairs = Array.from(engine.scan({ from: new Uint8Array(0) }), ({ key, value }) =>
      [key, value].map((part) => Buffer.from(part).toString()).join('='),
    );
    expect(pairs).toEqual(['a=active', 'b=sealed', 'c=active']);
    expect(engine.get(bytes('d'))).toBeUndefined();
    expect(engine.first(bytes('d'), 1)).toBeUndefined();
    bench.releaseFlushes();
    engine.endEntry(positionAt(3), 10);
    await flushed;
    await engine.close();
  });

  test.each<[DiskErrorCode]>([['DISK_FULL'], ['IO'], ['NOT_WRITABLE']])(
    'that fails with %s keeps the memtable and tries again, 0.5 to 5 s apart',
    async (code) => {
      const bench = new Bench();
      const engine = await bench.open();
      writeEntry(engine, 'a');
      bench.segments.hook = (step) => {
        if (step === 'write') throw new DiskError(code, 'no space left');
      };
      const flushed = engine.flush();
      const delays: (number | undefined)[] = [];
      for (let attempt = 0; attempt < 6; attempt++) {
        await turns();
        expect(engine.statistics.flushError).toBe('no space left');
        expect(engine.get(bytes('a'))).toBeDefined();
        expect(engine.durable).toEqual(LOG_START);
        delays.push(bench.timers.pending[0]);
        bench.timers.fire();
      }
      expect(delays).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000]);
      bench.segments.hook = () => undefined;
      await turns();
      bench.timers.fire();
      await flushed;
      expect(engine.statistics.flushError).toBeUndefined();
      expect(bench.manifest.state.segments).toHaveLength(1);
      expect(bench.fatal).toEqual([]);

      bench.segments.hook = (step) => {
        if (step === 'write') throw new DiskError(code, 'no space left');
      };
      writeEntry(engine, 'b');
      const again = engine.flush();
      await turns();
      expect(bench.timers.pending).toEqual([500]);
      bench.segments.hook = () => undefined;
      bench.timers.fire();
      await again;
      await engine.close();
    },
  );

  test('whose commit fails is committed again, the same segment, once', async () => {
    const bench = new Bench();
    const engine = await bench.open();
    const steps: string[] = [];
    bench.segments.hook = (step) => void steps.push(step);
    bench.manifest.hook = (step) => {
      steps.push(step);
      if (steps.length === 3) throw new DiskError('DISK_FULL', 'no space for the manifest');
    };
    writeEntry(engine, 'a');
    const flushed = engine.flush();
    await turns();
    bench.timers.fire();
    await flushed;
    expect(steps).toEqual(['write', 'open', 'commit', 'commit']);
    expect(bench.manifest.state.segments).toHaveLength(1);
    await engine.close();
    expect(bench.segments.openSources).toBe(0);
  });

  test.each([
    ['a failed fsync', new SegmentError('SYNC_FAILED', 'f', 'fsync')],
    ['a failed commit', new ManifestError('COMMIT_FAILED', 'm', 'commit')],
    ['a broken invariant', new InvariantError('bug')],
  ])('that ends with %s is reported once and never tried again', async (_name, error) => {
    const bench = new Bench();
    const engine = await bench.open({ memtableBytes: 1 });
    bench.segments.hook = () => {
      throw error;
    };
    writeEntry(engine, 'a');
    await expect(engine.flush()).rejects.toBe(error);
    expect(bench.fatal).toEqual([error]);
    bench.segments.hook = () => undefined;
    writeEntry(engine, 'b');
    bench.timers.fire();
    await turns();
    expect(bench.fatal).toEqual([error]);
    expect(bench.manifest.state.position).toEqual(LOG_START);
    expect(keysOf(engine)).toEqual(['a', 'b']);
    await expect(engine.flush()).rejects.toBe(error);
    await expect(engine.close()).rejects.toBe(error);
  });
});

describe('closing', () => {
  test('flushes what was ended', async () => {
    const bench = new Bench();
    const engine = await bench.open();
    writeEntry(engine, 'a');
    await engine.close();
    expect(bench.manifest.state.position).toEqual(positionAt(1));
    expect(bench.segments.openSources).toBe(0);
    const reopened = await bench.open();
    expect(keysOf(reopened)).toEqual(['a']);
    await reopened.close();
    await reopened.close();
  });

  test('gives up after one attempt on a full disk, closes all the same, and says so', async () => {
    const bench = new Bench();
    const engine = await bench.open();
    writeEntry(engine, 'a');
    await engine.flush();
    writeEntry(engine, 'b');
    bench.segments.hook = () => {
      throw new DiskError('DISK_FULL', 'no space left');
    };
    const flushed = engine.flush();
    await turns();
    const outcome = expect(flushed).rejects.toThrow('no space left');
    await expect(engine.close()).rejects.toThrow('no space left');
    await outcome;
    expect(bench.segments.openSources).toBe(0);
    expect(bench.manifest.state.position).toEqual(positionAt(1));
  });

  test('ends whoever waits for room', async () => {
    const bench = new Bench();
    const engine = await bench.open({ memtableBytes: 1, numMemtables: 1 });
    bench.segments.hook = () => {
      throw new DiskError('DISK_FULL', 'no space left');
    };
    writeEntry(engine, 'a');
    const waiting = expect(engine.whenWritable()).rejects.toThrow('no space left');
    await expect(engine.close()).rejects.toThrow('no space left');
    await waiting;
  });
});

describe('opening', () => {
  test('a segment that is missing is named, and no other stays open', async () => {
    const bench = new Bench();
    const engine = await bench.open({ memtableBytes: 1 });
    writeEntry(engine, 'a');
    writeEntry(engine, 'b');
    await engine.close();
    bench.segments.remove('2.segment');
    await expect(bench.open()).rejects.toMatchObject({
      code: 'SEGMENT_MISSING',
      file: '2.segment',
    });
    expect(bench.segments.openSources).toBe(0);
  });

  test('continues with positions and segment ids where the manifest ends', async () => {
    const bench = new Bench();
    let engine = await bench.open();
    writeEntry(engine, 'a');
    await engine.close();
    engine = await bench.open();
    expect(() => engine.endEntry(positionAt(1), 0)).toThrow('in the order of the log');
    writeEntry(engine, 'b');
    await engine.close();
    expect(bench.manifest.state.segments.map(({ id }) => id)).toEqual([1, 2]);
  });

  test.each([
    ['memtableBytes', 0],
    ['numMemtables', 0],
    ['blockBytes', 1.5],
    ['blockCacheBytes', -1],
  ])('a configuration with %s = %p is refused', (name, value) => {
    expect(() => lsmConfig({ [name]: value })).toThrow(InvariantError);
  });
});
