/** What every `OrderedStore` and `ReplicaStore` must do, as jest suites that each of them runs. */
import { decodeUtf8, encodeUtf8, LOG_START, SeededRandom } from '@kvstore/std';
import type { ReplicaStore } from '@kvstore/replica';
import type { KeyBounds, OrderedStore } from '@kvstore/state-machine';
import { plain, positionAt } from './log-positions.ts';
import type { StoreHarness } from './log-store-conformance.ts';
import { MemoryOrderedStore } from './ordered-store-memory.ts';
import { storeSnapshotConformance } from './store-snapshot-conformance.ts';

const bytes = encodeUtf8;
const NOTHING = new Uint8Array(0);

export interface StoreLifecycle<Store> {
  /** Moves what was written to where the store keeps it in the long run. */
  settle(store: Store): Promise<void>;
  close(store: Store): Promise<void>;
}

export function orderedStoreConformance<Store extends OrderedStore>(
  name: string,
  make: () => Promise<StoreHarness<Store>>,
  lifecycle?: StoreLifecycle<Store>,
): void {
  describe(`${name} as an OrderedStore`, () => {
    let harness: StoreHarness<Store>;
    let store: Store;

    beforeEach(async () => {
      harness = await make();
      store = await harness.open();
    });
    afterEach(async () => {
      await settle();
      await lifecycle?.close(store);
      await harness.dispose?.();
    });

    const settle = async (): Promise<void> => lifecycle?.settle(store);
    const keys = (bounds: KeyBounds): string[] =>
      Array.from(store.scan(bounds), ({ key }) => decodeUtf8(key));
    const fill = (...texts: string[]): void => {
      for (const text of texts) store.put(bytes(text), bytes(`value of ${text}`));
    };

    test('an empty store has nothing', () => {
      expect(store.get(bytes('a'))).toBeUndefined();
      expect(store.first(bytes('a'), 0)).toBeUndefined();
      expect(keys({ from: NOTHING })).toEqual([]);
      expect(keys({ from: NOTHING, reverse: true })).toEqual([]);
    });

    test('a write is seen by the next read', async () => {
      fill('a');
      expect(store.get(bytes('a'))).toEqual(bytes('value of a'));
      store.put(bytes('a'), bytes('2'));
      expect(store.get(bytes('a'))).toEqual(bytes('2'));
      await settle();
      expect(store.get(bytes('a'))).toEqual(bytes('2'));
      store.delete(bytes('a'));
      expect(store.get(bytes('a'))).toBeUndefined();
      await settle();
      expect(store.get(bytes('a'))).toBeUndefined();
      expect(keys({ from: NOTHING })).toEqual([]);
    });

    test('deleting nothing changes nothing', async () => {
      fill('a');
      store.delete(bytes('b'));
      store.delete(bytes('b'));
      await settle();
      expect(keys({ from: NOTHING })).toEqual(['a']);
    });

    test('an empty value is a value', async () => {
      store.put(bytes('a'), NOTHING);
      expect(store.get(bytes('a'))).toHaveLength(0);
      await settle();
      expect(store.get(bytes('a'))).toHaveLength(0);
      expect(plain(store.scan({ from: NOTHING }))).toEqual([{ key: '61', value: '' }]);
    });

    test('a large value comes back whole', async () => {
      const large = new Uint8Array(3_000_000).map((_, i) => (i * 7) & 0xff);
      store.put(bytes('a'), large);
      await settle();
      expect(Buffer.from(store.get(bytes('a')) ?? NOTHING).equals(large)).toBe(true);
    });

    test('order is by unsigned bytes, and a prefix comes first', async () => {
      const written = [[0xff], [0x7f], [0x80], [0x80, 0x00], [0x00], [0x80, 0xff], []];
      for (const key of written) store.put(Uint8Array.from(key), bytes('x'));
      const order = ['', '00', '7f', '80', '8000', '80ff', 'ff'];
      expect(plain(store.scan({ from: NOTHING })).map(({ key }) => key)).toEqual(order);
      await settle();
      expect(plain(store.scan({ from: NOTHING })).map(({ key }) => key)).toEqual(order);
    });

    test('a scan includes its lower bound and excludes its upper, both ways', async () => {
      fill('a', 'b', 'c', 'd');
      const check = (): void => {
        expect(keys({ from: bytes('b'), to: bytes('d') })).toEqual(['b', 'c']);
        expect(keys({ from: bytes('b'), to: bytes('d'), reverse: true })).toEqual(['c', 'b']);
        expect(keys({ from: bytes('bb'), to: bytes('dd') })).toEqual(['c', 'd']);
        expect(keys({ from: bytes('bb'), to: bytes('dd'), reverse: true })).toEqual(['d', 'c']);
        expect(keys({ from: bytes('c'), reverse: true })).toEqual(['d', 'c']);
        expect(keys({ from: bytes('d'), to: bytes('b') })).toEqual([]);
        expect(keys({ from: bytes('d'), to: bytes('b'), reverse: true })).toEqual([]);
        expect(keys({ from: bytes('c'), to: bytes('c') })).toEqual([]);
      };
      check();
      await settle();
      check();
    });

    test('first finds the next key that shares the prefix, and no other', async () => {
      fill('k/a/1', 'k/a/3', 'k/b/2');
      const first = (from: string, prefix: number): string | undefined => {
        const found = store.first(bytes(from), prefix);
        return found === undefined ? undefined : decodeUtf8(found.key);
      };
      const check = (): void => {
        expect(first('k/a/1', 4)).toBe('k/a/1');
        expect(first('k/a/2', 4)).toBe('k/a/3');
        expect(first('k/a/4', 4)).toBeUndefined();
        expect(first('k/a/4', 2)).toBe('k/b/2');
        expect(first('k/b/3', 0)).toBeUndefined();
        expect(first('a', 0)).toBe('k/a/1');
        expect(first('k', 1)).toBe('k/a/1');
      };
      check();
      await settle();
      check();
      store.delete(bytes('k/a/1'));
      store.delete(bytes('k/b/2'));
      expect(first('k/a/1', 4)).toBe('k/a/3');
      expect(first('k/b/0', 4)).toBeUndefined();
      expect(first('k/a/4', 2)).toBeUndefined();
    });

    test('newest finds the latest write under a prefix, wherever it is stored', async () => {
      const versionOf = (prefix: string, revision: number): string =>
        `${prefix}${String(1_000 - revision).padStart(4, '0')}`;
      const check = (written: number): void => {
        for (const [at, expected] of [
          [1_000, written],
          [written - 1, written - 1],
          [1, 1],
        ] as const) {
          const found = store.newest(bytes(versionOf('v/a/', at)), 4);
          expect(found && decodeUtf8(found)).toBe(`value of ${versionOf('v/a/', expected)}`);
        }
        expect(store.newest(bytes(versionOf('v/b/', 1_000)), 4)).toBeUndefined();
        expect(store.newest(bytes(versionOf('v/a/', 0)), 4)).toBeUndefined();
      };
      for (let written = 2; written <= 8; written += 2) {
        fill(
          versionOf('v/a/', written - 1),
          versionOf('v/c/', written),
          versionOf('v/a/', written),
        );
        check(written);
        await settle();
        check(written);
      }
    });

    test('a scan that goes on after a write is refused', () => {
      fill('a', 'b');
      const scan = store.scan({ from: NOTHING })[Symbol.iterator]();
      scan.next();
      fill('c');
      expect(() => scan.next()).toThrow('across a write');
    });

    test('random writes agree with a sorted array', async () => {
      const random = new SeededRandom(20_26);
      const model = new MemoryOrderedStore();
      const key = (): Uint8Array =>
        Uint8Array.from({ length: random.below(5) }, () => random.below(3) * 127);
      for (let round = 0; round < 6; round++) {
        for (let i = 0; i < 60; i++) {
          const at = key();
          if (random.below(3) === 0) {
            store.delete(at);
            model.delete(at);
          } else {
            store.put(at, bytes(`${round} ${i}`));
            model.put(at, bytes(`${round} ${i}`));
          }
        }
        for (let i = 0; i < 20; i++) {
          const bounds = { from: key(), to: key(), reverse: i % 2 === 0 };
          expect(plain(store.scan(bounds))).toEqual(plain(model.scan(bounds)));
        }
        await settle();
        expect(plain(store.scan({ from: NOTHING }))).toEqual(plain(model.pairs));
      }
    });
  });
}

export function replicaStoreConformance(
  name: string,
  make: () => Promise<StoreHarness<ReplicaStore>>,
): void {
  const endNext = (store: ReplicaStore): void =>
    store.endEntry(positionAt(store.applied.index + 1), 100);
  orderedStoreConformance(name, make, {
    settle: async (store) => {
      endNext(store);
      await store.flush();
    },
    close: (store) => store.close(),
  });

  describe(`${name} as a ReplicaStore`, () => {
    let harness: StoreHarness<ReplicaStore>;
    let store: ReplicaStore;

    beforeEach(async () => {
      harness = await make();
      store = await harness.open();
    });
    afterEach(async () => {
      await store.close();
      await harness.dispose?.();
    });
    async function reopen(): Promise<void> {
      await store.close();
      store = await harness.open();
    }

    test('a new store is at the start of the log', () => {
      expect(store.applied).toEqual(LOG_START);
      expect(store.durable).toEqual(LOG_START);
      expect(store.stalled).toBe(false);
      expect(store.statistics.flushError).toBeUndefined();
    });

    test('applied moves with every entry, durable when it is flushed', async () => {
      store.put(bytes('a'), bytes('1'));
      store.endEntry(positionAt(1), 10);
      expect(store.applied).toEqual(positionAt(1));
      expect(store.durable).toEqual(LOG_START);
      await store.flush();
      expect(store.durable).toEqual(positionAt(1));
    });

    test('entries that write nothing become durable, too', async () => {
      store.endEntry(positionAt(1), 0);
      store.endEntry(positionAt(2), 0);
      await store.flush();
      expect(store.durable).toEqual(positionAt(2));
      await reopen();
      expect(store.applied).toEqual(positionAt(2));
    });

    test('an entry out of order is refused', () => {
      store.endEntry(positionAt(1), 0);
      expect(() => store.endEntry(positionAt(1), 0)).toThrow('in the order of the log');
      expect(() => store.endEntry(positionAt(3), 0)).toThrow('in the order of the log');
    });

    test('what was closed is there after a reopen, deletes included', async () => {
      store.put(bytes('a'), bytes('1'));
      store.put(bytes('b'), bytes('1'));
      endNext(store);
      await store.flush();
      store.delete(bytes('a'));
      store.put(bytes('c'), bytes('2'));
      endNext(store);
      await reopen();
      expect(store.applied).toEqual(positionAt(2));
      expect(store.durable).toEqual(positionAt(2));
      expect(plain(store.scan({ from: NOTHING })).map(({ key }) => key)).toEqual(['62', '63']);
      expect(store.get(bytes('a'))).toBeUndefined();
      endNext(store);
      expect(store.applied.index).toBe(3);
    });

    test('a flush with nothing to do, and two at once, both end', async () => {
      await store.flush();
      store.put(bytes('a'), bytes('1'));
      endNext(store);
      await Promise.all([store.flush(), store.flush()]);
      expect(store.durable).toEqual(store.applied);
      await store.flush();
    });

    test('writes go on while a flush is under way', async () => {
      store.put(bytes('a'), bytes('1'));
      endNext(store);
      const flushed = store.flush();
      store.put(bytes('a'), bytes('2'));
      store.put(bytes('b'), bytes('2'));
      endNext(store);
      await flushed;
      expect(store.durable.index).toBeGreaterThanOrEqual(1);
      expect(store.get(bytes('a'))).toEqual(bytes('2'));
      await reopen();
      expect(store.get(bytes('a'))).toEqual(bytes('2'));
    });

    test('a store that is not stalled is writable at once', async () => {
      await expect(store.whenWritable()).resolves.toBeUndefined();
    });
  });
  storeSnapshotConformance(name, make);
}
