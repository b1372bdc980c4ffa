import { compareBytes } from '@kvstore/std';
import * as fc from 'fast-check';
import { Memtable } from './memtable/memtable.ts';
import { MergeCursor } from './merge-cursor.ts';
import { TOMBSTONE, type Stored } from './stored.ts';

const key = fc
  .array(fc.constantFrom(0, 1, 2), { maxLength: 4 })
  .map((bytes) => Uint8Array.from(bytes));
const value: fc.Arbitrary<Stored> = fc.oneof(
  fc.uint8Array({ maxLength: 2 }),
  fc.constant<Stored>(TOMBSTONE),
);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('MergeCursor', () => {
  test('gives every key once, in order, from the newest layer that has it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.tuple(key, value), { maxLength: 20 }), { maxLength: 7 }),
        fc.boolean(),
        (layers, reverse) => {
          const model = new Map<string, Stored>();
          for (const layer of layers.toReversed()) {
            for (const [at, stored] of layer) model.set(hex(at), stored);
          }
          const memtables = layers.map((layer) => {
            const memtable = new Memtable(() => 0);
            for (const [at, stored] of layer) memtable.put(at, stored);
            return memtable;
          });
          const cursors = memtables.map((memtable) =>
            reverse ? memtable.descend(undefined) : memtable.ascend(new Uint8Array(0)),
          );
          const found: [string, Stored][] = [];
          for (const merged = new MergeCursor(cursors, reverse); !merged.done; merged.next()) {
            const stored = merged.value;
            found.push([hex(merged.key), stored === TOMBSTONE ? stored : Uint8Array.from(stored)]);
          }
          const expected = [...model].sort(([a], [b]) =>
            compareBytes(Buffer.from(a, 'hex'), Buffer.from(b, 'hex')),
          );
          expect(found).toEqual(reverse ? expected.reverse() : expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('of nothing is done', () => {
    expect(new MergeCursor([], false).done).toBe(true);
  });
});
