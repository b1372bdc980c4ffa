import * as fc from 'fast-check';
import { ExpiryIndex } from './expiry-index.ts';
import { MemoryStore } from './memory-store.test-support.ts';
import { ExpiryKind } from './ordered-keys.ts';

const id = (n: number): Uint8Array => Uint8Array.of(n);

test('entries come out earliest first, up to the limit, when they are due', () => {
  const index = new ExpiryIndex(new MemoryStore());
  index.insert(30, ExpiryKind.key, id(1));
  index.insert(10, ExpiryKind.session, id(2));
  index.insert(20, ExpiryKind.idempotency, id(3));
  expect(index.due(9, 10)).toEqual([]);
  expect(index.due(20, 10)).toEqual([
    { dueAt: 10, kind: ExpiryKind.session, id: id(2) },
    { dueAt: 20, kind: ExpiryKind.idempotency, id: id(3) },
  ]);
  expect(index.due(99, 1)).toHaveLength(1);
});

test('entries that end together come out by kind and id', () => {
  const index = new ExpiryIndex(new MemoryStore());
  for (const n of [3, 1, 2]) index.insert(10, ExpiryKind.key, id(n));
  expect(index.due(10, 10).map((item) => item.id[0])).toEqual([1, 2, 3]);
});

test('nothing is looked up while nothing can be due', () => {
  const store = new MemoryStore();
  const index = new ExpiryIndex(store);
  index.insert(50, ExpiryKind.key, id(1));
  expect(index.earliest).toBe(50);
  store.scan = () => {
    throw new Error('a scan although nothing is due');
  };
  expect(index.due(49, 10)).toEqual([]);
  expect(index.earliest).toBe(50);
});

test('an empty index has no earliest entry, also after the last one is removed', () => {
  const index = new ExpiryIndex(new MemoryStore());
  expect(index.earliest).toBeUndefined();
  index.insert(5, ExpiryKind.key, id(1));
  index.remove(5, ExpiryKind.key, id(1));
  expect(index.earliest).toBeUndefined();
  index.insert(3, ExpiryKind.key, id(1));
  expect(index.earliest).toBe(3);
});

test('the cached earliest time is always that of a new index over the same store', () => {
  const step = fc.record({
    insert: fc.boolean(),
    dueAt: fc.integer({ min: 1, max: 12 }),
    ask: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const store = new MemoryStore();
      const index = new ExpiryIndex(store);
      const present = new Set<number>();
      for (const { insert, dueAt, ask } of steps) {
        if (insert) index.insert(dueAt, ExpiryKind.key, id(1));
        else if (present.has(dueAt)) index.remove(dueAt, ExpiryKind.key, id(1));
        if (insert) present.add(dueAt);
        else present.delete(dueAt);
        if (ask) {
          expect(index.earliest).toBe(new ExpiryIndex(store).earliest);
          expect(index.due(6, 99)).toEqual(new ExpiryIndex(store).due(6, 99));
        }
      }
      const first = present.size === 0 ? undefined : Math.min(...present);
      expect(index.earliest).toBe(first);
    }),
  );
});
