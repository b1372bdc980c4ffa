/**
 * The same entries under random options, flushes, crashes and reopens must leave the same store as
 * a sorted array (metamorphic testing, as Pebble does it). A crash drops everything behind the
 * manifest's position; the entries after it are replayed from the list, as from a log.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk } from '@kvstore/disk';
import { lsmConfig, LsmStore, type KeyValue, type LsmConfig } from '@kvstore/lsm';
import { openLsmStore } from '@kvstore/sqlite';
import { SeededRandom } from '@kvstore/std';
import { ManualTimers } from './disk-timers.ts';
import { positionAt } from './log-positions.ts';
import { MemoryOrderedStore } from './ordered-store-memory.ts';
import { MemoryEngineFiles } from './engine-files-memory.ts';
import { realClock } from './local-cluster.ts';

const DELIMITER = 0xff;
const NOTHING = new Uint8Array(0);

interface Write {
  readonly key: Uint8Array;
  /** Undefined: delete. */
  readonly value: Uint8Array | undefined;
}
type EntryWrites = readonly Write[];

/** Up to and including the first delimiter: decided by the bytes it covers. */
function filterPrefixLength(key: Uint8Array): number {
  return key.indexOf(DELIMITER) + 1;
}

/** Few keys with long shared prefixes and many versions, some with the delimiter, some long. */
function randomKey(random: SeededRandom): Uint8Array {
  const shape = random.below(10);
  if (shape === 0) return Uint8Array.from({ length: random.below(4) }, () => random.below(256));
  if (shape === 1) return new Uint8Array(1_000 + random.below(30)).fill(random.below(3));
  const name = Array.from({ length: 1 + random.below(3) }, () => random.below(3));
  const version = Array.from({ length: random.below(3) }, () => random.below(4));
  return Uint8Array.of(0x10, 0x20, ...name, DELIMITER, ...version);
}

function randomEntries(random: SeededRandom, count: number): EntryWrites[] {
  return Array.from({ length: count }, () =>
    Array.from({ length: random.below(12) }, (): Write => {
      const key = randomKey(random);
      if (random.below(4) === 0) return { key, value: undefined };
      const length = random.below(40) === 0 ? random.below(20_000) : random.below(60);
      return { key, value: new Uint8Array(length).fill(random.below(256)) };
    }),
  );
}

function randomConfig(random: SeededRandom): LsmConfig {
  const power = (low: number, high: number): number => 2 ** (low + random.below(high - low + 1));
  return lsmConfig({
    memtableBytes: power(10, 20),
    memtableLogBytes: power(12, 25),
    numMemtables: 1 + random.below(5),
    blockBytes: power(6, 16),
    blockCacheBytes: random.below(2) * power(10, 20),
    indexCacheBytes: random.below(2) * power(10, 20),
  });
}

/** One string, so that comparing is cheap and a difference still shows. */
function text(pairs: Iterable<KeyValue>): string {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return Array.from(pairs, ({ key, value }) => `${hex(key)}=${hex(value)}`).join('\n');
}

function compare(engine: LsmStore, model: MemoryOrderedStore, random: SeededRandom): void {
  expect(text(engine.scan({ from: NOTHING }))).toBe(text(model.pairs));
  const reversed = engine.scan({ from: NOTHING, reverse: true });
  expect(text(reversed)).toBe(text(model.pairs.toReversed()));
  for (let i = 0; i < 30; i++) {
    const [key, to] = [randomKey(random), randomKey(random)];
    const asPairs = (value: Uint8Array | undefined): KeyValue[] =>
      value === undefined ? [] : [{ key, value }];
    expect(text(asPairs(engine.get(key)))).toBe(text(asPairs(model.get(key))));
    const prefix = i % 2 === 0 ? filterPrefixLength(key) : random.below(key.length + 1);
    const asList = (pair: KeyValue | undefined): KeyValue[] => (pair === undefined ? [] : [pair]);
    expect(text(asList(engine.first(key, prefix)))).toBe(text(asList(model.first(key, prefix))));
    const bounds = { from: key, to, reverse: i % 3 === 0 };
    expect(text(engine.scan(bounds))).toBe(text(model.scan(bounds)));
  }
}

interface Run {
  readonly seed: number;
  readonly entries: number;
  open(config: LsmConfig): Promise<LsmStore>;
  /** Leaves an engine as a crash would. */
  crash(engine: LsmStore): Promise<void>;
}

async function run({ seed, entries: count, open, crash }: Run): Promise<void> {
  const random = new SeededRandom(seed);
  const entries = randomEntries(random, count);
  let engine = await open(randomConfig(random));
  /** The model after each entry: what a crash may fall back to. */
  const models = [new MemoryOrderedStore()];
  for (let index = 1; index <= entries.length; index = engine.applied.index + 1) {
    const model = (models[index - 1] as MemoryOrderedStore).copy();
    for (const { key, value } of entries[index - 1] as EntryWrites) {
      if (value === undefined) engine.delete(key);
      else engine.put(key, value);
      if (value === undefined) model.delete(key);
      else model.put(key, value);
    }
    engine.endEntry(positionAt(index), 1_000);
    models[index] = model;
    if (engine.stalled) await engine.whenWritable();
    const event = random.below(60);
    if (event === 0) await engine.flush();
    else if (event === 1) void engine.flush().catch(() => undefined);
    else if (event === 2 || event === 3) {
      if (event === 2) await engine.close();
      else await crash(engine);
      const durable = engine.durable.index;
      engine = await open(randomConfig(random));
      expect(engine.applied.index).toBe(event === 2 ? index : durable);
      compare(engine, models[engine.applied.index] as MemoryOrderedStore, random);
    } else if (event === 4) compare(engine, model, random);
  }
  compare(engine, models[entries.length] as MemoryOrderedStore, random);
  await engine.close();
}

describe('the engine agrees with a sorted array', () => {
  const seeds = Array.from({ length: 12 }, (_, i) => 1_000 + i);
  test.each(seeds)('in memory, seed %i', async (seed) => {
    const files = new MemoryEngineFiles();
    const { segments, manifest } = files;
    const open = (config: LsmConfig): Promise<LsmStore> =>
      LsmStore.open({
        config,
        files,
        setsAside: false,
        timers: new ManualTimers(),
        label: 'test',
        filterPrefixLength,
        onFatal: (error) => {
          throw error;
        },
      });
    /** No step of the dead engine's flush may reach the files of the next one. */
    const crash = async (): Promise<void> => {
      const dead = (): Promise<void> => new Promise(() => undefined);
      segments.hook = dead;
      manifest.hook = dead;
      await new Promise((resolve) => setImmediate(resolve));
      segments.hook = () => undefined;
      manifest.hook = () => undefined;
    };
    await run({ seed, entries: 150, open, crash });
  });

  test.each([1, 2])(
    'on files, seed %i',
    async (seed) => {
      const root = await mkdtemp(join(tmpdir(), 'kvstore-metamorphic-'));
      const open = (config: LsmConfig): Promise<LsmStore> =>
        openLsmStore({
          disk: new NodeDisk(root),
          root,
          directory: 'g0/storage',
          label: 'test',
          timers: new ManualTimers(),
          clock: realClock,
          setsAside: false,
          filterPrefixLength,
          config,
          onFatal: (error) => {
            throw error;
          },
        });
      const crash = (engine: LsmStore): Promise<void> => engine.close();
      await run({ seed, entries: 80, open, crash });
      await rm(root, { recursive: true, force: true });
    },
    30_000,
  );
});
