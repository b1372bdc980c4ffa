import { compareBytes, DecodeError, equalBytes } from '@kvstore/std';
import * as fc from 'fast-check';
import type { Cursor } from '../cursor.ts';
import { TOMBSTONE, type Stored } from '../stored.ts';
import { BlockWriter } from './block-writer.ts';
import { Block } from './block.ts';

interface Entry {
  readonly key: Uint8Array;
  readonly value: Stored;
}

const key = fc.oneof(
  fc.array(fc.constantFrom(0, 1, 0xff), { maxLength: 5 }).map((bytes) => Uint8Array.from(bytes)),
  fc.uint8Array({ maxLength: 30 }),
);
const value: fc.Arbitrary<Stored> = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.constant<Stored>(TOMBSTONE),
);
const sortedEntries: fc.Arbitrary<Entry[]> = fc
  .uniqueArray(fc.record({ key, value }), {
    minLength: 1,
    maxLength: 80,
    comparator: (a, b) => equalBytes(a.key, b.key),
  })
  .map((entries) => entries.sort((a, b) => compareBytes(a.key, b.key)));

function build(entries: readonly Entry[]): Uint8Array {
  const writer = new BlockWriter();
  for (const entry of entries) writer.add(entry.key, entry.value);
  const size = writer.byteLength;
  const bytes = writer.finish();
  expect(bytes.length).toBe(size);
  return bytes;
}

function read(cursor: Cursor): Entry[] {
  const entries: Entry[] = [];
  for (; !cursor.done; cursor.next()) {
    const { key: at, value: stored } = cursor;
    entries.push({ key: at, value: stored === TOMBSTONE ? stored : stored.slice() });
  }
  return entries;
}

describe('Block', () => {
  test('finds and walks what was written, from anywhere, both ways', () => {
    fc.assert(
      fc.property(sortedEntries, fc.array(key, { maxLength: 12 }), (entries, probes) => {
        const block = new Block(build(entries));
        expect(read(block.descend(undefined))).toEqual(entries.toReversed());
        for (const probe of [...probes, ...entries.map((entry) => entry.key)]) {
          const at = entries.find((entry) => equalBytes(entry.key, probe));
          expect(block.find(probe)).toEqual(at?.value);
          const after = entries.filter((entry) => compareBytes(entry.key, probe) >= 0);
          const below = entries.filter((entry) => compareBytes(entry.key, probe) < 0);
          expect(read(block.ascend(probe))).toEqual(after);
          expect(read(block.descend(probe))).toEqual(below.toReversed());
        }
      }),
      { numRuns: 150 },
    );
  });

  test('keys that share a prefix are stored once per 16', () => {
    const prefix = new Uint8Array(100).fill(7);
    const entries = Array.from({ length: 64 }, (_, i) => ({
      key: Uint8Array.of(...prefix, i),
      value: Uint8Array.of(i),
    }));
    expect(build(entries).length).toBeLessThan(64 * 6 + 4 * 120);
  });

  test('keys that do not ascend are refused', () => {
    const writer = new BlockWriter();
    writer.add(Uint8Array.of(2), TOMBSTONE);
    expect(() => writer.add(Uint8Array.of(2), TOMBSTONE)).toThrow('ascend');
    expect(() => writer.add(Uint8Array.of(1), TOMBSTONE)).toThrow('ascend');
  });

  test('damaged bytes end in a DecodeError or an answer, never in a hang or another error', () => {
    fc.assert(
      fc.property(
        sortedEntries,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(40),
        key,
        (entries, damage, cut, probe) => {
          const bytes = build(entries);
          for (const [at, byte] of damage) bytes[at % bytes.length] = byte;
          const damaged = bytes.slice(0, Math.max(0, bytes.length - (cut > 20 ? cut : 0)));
          try {
            const block = new Block(damaged);
            block.find(probe);
            for (const cursor of [block.ascend(probe), block.descend(probe)]) {
              for (let i = 0; i < 10_000 && !cursor.done; i++) cursor.next();
            }
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
