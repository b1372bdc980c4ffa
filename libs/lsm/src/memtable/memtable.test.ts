import { compareBytes, SeededRandom } from '@kvstore/std';
import * as fc from 'fast-check';
import type { Cursor } from '../cursor.ts';
import { TOMBSTONE, type Stored } from '../stored.ts';
import { Memtable } from './memtable.ts';

const NO_FILTER = (): number => 0;
const NOTHING = new Uint8Array(0);

function hex(stored: Stored | undefined): string {
  if (stored === undefined) return 'absent';
  return stored === TOMBSTONE ? 'tombstone' : Buffer.from(stored).toString('hex');
}

function entries(cursor: Cursor): string[] {
  const found: string[] = [];
  for (; !cursor.done; cursor.next()) found.push(`${hex(cursor.key)}=${hex(cursor.value)}`);
  return found;
}

const smallKey = fc
  .array(fc.constantFrom(0, 1, 0x2f, 0x80, 0xff), { maxLength: 6 })
  .map((bytes) => Uint8Array.from(bytes));
const longKey = fc.uint8Array({ minLength: 0, maxLength: 40 });
const key = fc.oneof({ weight: 4, arbitrary: smallKey }, { weight: 1, arbitrary: longKey });
const stored: fc.Arbitrary<Stored> = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constant<Stored>(TOMBSTONE) },
);

describe('Memtable', () => {
  test('agrees with a sorted map on every read, both ways, and from shared memory', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(key, stored), { maxLength: 120 }),
        fc.array(key, { minLength: 1, maxLength: 10 }),
        (writes, probes) => {
          const memtable = new Memtable(NO_FILTER);
          const model = new Map<string, Stored>();
          for (const [at, value] of writes) {
            memtable.put(at, value);
            model.set(hex(at), value);
          }
          const sorted = Array.from(model, ([at, value]): { at: Uint8Array; value: Stored } => ({
            at: Uint8Array.from(Buffer.from(at, 'hex')),
            value,
          })).sort((a, b) => compareBytes(a.at, b.at));
          const shown = (rows: typeof sorted): string[] =>
            rows.map(({ at, value }) => `${hex(at)}=${hex(value)}`);
          for (const read of [memtable, new Memtable(memtable.share())]) {
            expect(read.entries).toBe(model.size);
            expect(entries(read.ascend(NOTHING))).toEqual(shown(sorted));
            expect(entries(read.descend(undefined))).toEqual(shown(sorted).reverse());
            for (const probe of probes) {
              expect(hex(read.find(probe))).toBe(hex(model.get(hex(probe))));
              const from = sorted.filter(({ at }) => compareBytes(at, probe) >= 0);
              const below = sorted.filter(({ at }) => compareBytes(at, probe) < 0);
              expect(entries(read.ascend(probe))).toEqual(shown(from));
              expect(entries(read.descend(probe))).toEqual(shown(below).reverse());
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('first agrees with a sorted map, and searches between writes keep the order', () => {
    const step = fc.tuple(key, fc.nat(6), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const memtable = new Memtable(NO_FILTER);
        const model = new Map<string, Uint8Array>();
        for (const [at, length, writes] of steps) {
          if (writes) {
            memtable.put(at, at);
            model.set(hex(at), at);
            continue;
          }
          const prefixLength = Math.min(length, at.length);
          const next = [...model.values()]
            .sort(compareBytes)
            .find((other) => compareBytes(other, at) >= 0);
          const prefix = hex(at.subarray(0, prefixLength));
          const shares = next !== undefined && hex(next).startsWith(prefix);
          expect(hex(memtable.first(at, prefixLength, 0))).toBe(hex(shares ? next : undefined));
        }
        const expected = [...model.keys()].sort().map((at) => `${at}=${at}`);
        expect(entries(memtable.ascend(NOTHING))).toEqual(expected);
        for (const at of model.values()) expect(hex(memtable.find(at))).toBe(hex(at));
      }),
      { numRuns: 500 },
    );
  });

  /** Keys of a prefix of 3 bytes with versions of 2, later ones first; other keys have no prefix. */
  const versionKey = fc
    .tuple(fc.constantFrom(7, 8), fc.nat(2), fc.nat(2), fc.nat(40))
    .map(([space, a, b, at]) => Uint8Array.of(space, a, b, 0, 255 - at));
  const versionPrefix = (at: Uint8Array): number => (at[0] === 7 ? 3 : 0);

  test('with filter prefixes it agrees with a sorted map after every step', () => {
    const step = fc.tuple(versionKey, fc.constantFrom('put', 'delete', 'find', 'first'));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const memtable = new Memtable(versionPrefix);
        const model = new Map<string, Stored>();
        for (const [at, what] of steps) {
          if (what === 'put' || what === 'delete') {
            const value = what === 'put' ? at : TOMBSTONE;
            memtable.put(at, value);
            model.set(hex(at), value);
          } else if (what === 'find') {
            expect(hex(memtable.find(at))).toBe(hex(model.get(hex(at))));
          } else {
            const prefix = hex(at.subarray(0, 3));
            const next = [...model.keys()].sort().find((other) => other >= hex(at));
            const expected = next?.startsWith(prefix) === true ? model.get(next) : undefined;
            expect(hex(memtable.first(at, 3, versionPrefix(at)))).toBe(hex(expected));
          }
        }
        const sorted = [...model.keys()].sort().map((at) => `${at}=${hex(model.get(at))}`);
        expect(entries(memtable.ascend(NOTHING))).toEqual(sorted);
        expect(entries(memtable.descend(undefined))).toEqual(sorted.reverse());
      }),
      { numRuns: 500 },
    );
  });

  test('more prefixes than the index first has room for, each with later versions, are found', () => {
    const memtable = new Memtable((at) => at.length - 1);
    const at = (number: number, version: number): Uint8Array =>
      Uint8Array.of(number >>> 16, (number >>> 8) & 0xff, number & 0xff, 255 - version);
    const prefixes = 20_000;
    for (let version = 0; version < 3; version++) {
      for (let i = 0; i < prefixes; i++) memtable.put(at(i, version), Uint8Array.of(version));
    }
    for (let i = 0; i < prefixes; i++) {
      expect(hex(memtable.first(at(i, 255), 3, 3))).toBe('02');
      expect(hex(memtable.first(at(i, 1), 3, 3))).toBe('01');
    }
    expect(memtable.first(at(prefixes, 255), 3, 3)).toBeUndefined();
    const keys = entries(memtable.ascend(NOTHING));
    expect(keys).toHaveLength(3 * prefixes);
    expect(keys).toEqual([...keys].sort());
  });

  test('interleaved ascending, descending and random runs keep one order', () => {
    const memtable = new Memtable(NO_FILTER);
    const random = new SeededRandom(7);
    const model = new Set<string>();
    const insert = (space: number, number: number): void => {
      const at = new Uint8Array(6);
      at[0] = space;
      new DataView(at.buffer).setUint32(2, number);
      memtable.put(at, at);
      model.add(hex(at));
    };
    for (let i = 0; i < 3_000; i++) {
      insert(1, i);
      insert(17, i * 2); // shares the finger of space 1
      insert(2, 100_000 - i);
      insert(3, random.below(1_000));
      insert(1, random.below(i + 1));
    }
    const expected = [...model].sort().map((at) => `${at}=${at}`);
    expect(entries(memtable.ascend(NOTHING))).toEqual(expected);
    expect(entries(memtable.descend(undefined))).toEqual(expected.reverse());
    for (const at of model) {
      expect(hex(memtable.find(Uint8Array.from(Buffer.from(at, 'hex'))))).toBe(at);
    }
  });

  test('two ascending runs side by side keep one order on every level', () => {
    const memtable = new Memtable(NO_FILTER);
    const count = 4_000;
    const at = (space: number, number: number): Uint8Array =>
      Uint8Array.of(space, number >>> 8, number & 0xff);
    for (let i = 0; i < count; i++) {
      memtable.put(at(2, i), NOTHING);
      memtable.put(at(1, i), NOTHING);
    }
    for (let i = 0; i < count; i++) {
      expect(hex(memtable.find(at(1, i)))).toBe('');
      expect(hex(memtable.find(at(2, i)))).toBe('');
    }
    expect(entries(memtable.ascend(NOTHING))).toHaveLength(2 * count);
    expect(hex(memtable.descend(undefined).key)).toBe(hex(at(2, count - 1)));
  });

  test('values that fill chunks exactly, and larger than a chunk, come back whole', () => {
    const memtable = new Memtable(NO_FILTER);
    const sizes = [1 << 20, (1 << 20) - 1, (1 << 20) + 1, 0, 3 << 20, 1 << 20, 5];
    const value = (i: number): Uint8Array =>
      new Uint8Array(sizes[i] as number).fill(i + 1, 0, sizes[i]);
    for (let i = 0; i < sizes.length; i++) memtable.put(Uint8Array.of(i), value(i));
    for (let i = 0; i < sizes.length; i++) {
      const found = memtable.find(Uint8Array.of(i)) as Uint8Array;
      expect(Buffer.from(found).equals(value(i))).toBe(true);
    }
    expect(memtable.bytes).toBeGreaterThan(6 << 20);
  });

  test('keys across many chunks, the empty and the longest one included, are found', () => {
    const memtable = new Memtable(NO_FILTER);
    const keys = Array.from({ length: 40 }, (_, i) => new Uint8Array(65_535 - (i % 3)).fill(i));
    keys.push(NOTHING);
    for (const at of keys) memtable.put(at, Uint8Array.of(at.length & 0xff));
    for (const at of keys)
      expect(hex(memtable.find(at))).toBe(hex(Uint8Array.of(at.length & 0xff)));
    expect(() => memtable.put(new Uint8Array(65_536), NOTHING)).toThrow('key too long');
  });

  test('an overwritten value that was handed out stays as it was', () => {
    const memtable = new Memtable(NO_FILTER);
    memtable.put(NOTHING, Uint8Array.of(1));
    const before = memtable.find(NOTHING);
    memtable.put(NOTHING, Uint8Array.of(2));
    expect(hex(before)).toBe('01');
    expect(hex(memtable.find(NOTHING))).toBe('02');
  });

  test('a write after share is refused', () => {
    const memtable = new Memtable(NO_FILTER);
    memtable.share();
    expect(() => memtable.put(NOTHING, NOTHING)).toThrow('sealed');
  });

  test('an empty memtable takes little memory', () => {
    const shared = new Memtable(NO_FILTER).share();
    const bytes = [...shared.nodes, ...shared.values].reduce(
      (sum, part) => sum + part.byteLength,
      0,
    );
    expect(bytes).toBeLessThanOrEqual(1 << 20);
  });

  test('the filter prefix of a key is kept, and one outside its key is refused', () => {
    const memtable = new Memtable((at) => at[0] as number);
    memtable.put(Uint8Array.of(2, 9, 9), NOTHING);
    expect(memtable.filterPrefixLengthOf(memtable.firstNode())).toBe(2);
    expect(() => memtable.put(Uint8Array.of(3, 9), NOTHING)).toThrow('filter prefix');
  });
});
