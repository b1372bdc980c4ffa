/** What every `LogStore` and `HardStateStore` must do, as jest suites that each of them runs. */
import { LOG_START, logIndex, nodeId, term } from '@kvstore/std';
import type { Entry, HardState } from '@kvstore/raft';
import type { HardStateStore, LogStore } from '@kvstore/sequencer';
import { makeBody, makeEntries } from './log-entries.ts';

export interface StoreHarness<Store> {
  /** Opens the store; again after a close: what was durable must be there. */
  open(): Promise<Store>;
  dispose?(): Promise<void>;
}

const ALL = Number.MAX_SAFE_INTEGER;

export function logStoreConformance(
  name: string,
  make: () => Promise<StoreHarness<LogStore>>,
): void {
  describe(`${name} as a LogStore`, () => {
    let harness: StoreHarness<LogStore>;
    let log: LogStore;

    beforeEach(async () => {
      harness = await make();
      log = await harness.open();
    });
    afterEach(async () => {
      await log.close();
      await harness.dispose?.();
    });

    async function reopen(): Promise<void> {
      await log.close();
      log = await harness.open();
    }
    const bodies = (count: number, length = 40, seed = 1): Uint8Array[] =>
      Array.from({ length: count }, (_, i) => makeBody(length, seed + i));
    const readAll = (from = 1): Promise<readonly Entry[]> => log.read(logIndex(from), ALL);
    const none = logIndex(0);

    test('an empty log starts before index 1', async () => {
      expect(log.recovered.last).toEqual(LOG_START);
      expect(log.recovered.spans).toEqual([]);
      expect(log.recovered.firstIndex).toBe(1);
      expect(await readAll()).toEqual([]);
      expect(await log.position(logIndex(1))).toBeUndefined();
      expect(await log.position(none)).toBeUndefined();
    });

    test('appended entries are read back in order, also after a reopen', async () => {
      const entries = makeEntries(undefined, 1, bodies(20));
      await log.append(entries.slice(0, 7), none);
      await log.append(entries.slice(7), logIndex(7));
      expect(await readAll()).toEqual(entries);
      await reopen();
      expect(await readAll()).toEqual(entries);
      expect(log.recovered.last).toMatchObject({ index: 20, term: 1, chain: entries[19]?.chain });
      expect(log.recovered.cut).toBeUndefined();
    });

    test('empty bodies and bodies of the largest size survive', async () => {
      const entries = makeEntries(undefined, 3, [new Uint8Array(0), makeBody(20_000, 5)]);
      await log.append(entries, none);
      await reopen();
      expect(await readAll()).toEqual(entries);
    });

    test('a read sees every append that was called before it', async () => {
      const entries = makeEntries(undefined, 1, bodies(6));
      const appends = entries.map((entry) => log.append([entry], none));
      expect(await readAll(3)).toEqual(entries.slice(2));
      expect(await log.position(logIndex(6))).toEqual({ term: 1, chain: entries[5]?.chain });
      await Promise.all(appends);
    });

    test('a read is cut by bytes but gives at least one entry', async () => {
      const entries = makeEntries(undefined, 1, bodies(10, 100));
      await log.append(entries, none);
      const indexes = async (from: number, maxBytes: number): Promise<number[]> =>
        (await log.read(logIndex(from), maxBytes)).map((entry) => entry.index);
      expect(await indexes(4, 0)).toEqual([4]);
      expect(await indexes(4, 99)).toEqual([4]);
      expect(await indexes(4, 250)).toEqual([4, 5, 6]);
      expect(await indexes(9, 10_000)).toEqual([9, 10]);
      expect(await indexes(11, 10_000)).toEqual([]);
    });

    test('appends resolve in the order of their calls', async () => {
      const entries = makeEntries(undefined, 1, bodies(30));
      const order: number[] = [];
      await Promise.all(
        entries.map((entry) => log.append([entry], none).then(() => order.push(entry.index))),
      );
      expect(order).toEqual(entries.map((entry) => entry.index));
    });

    test('an append at or below the last index cuts the log there first', async () => {
      const old = makeEntries(undefined, 1, bodies(10));
      await log.append(old, none);
      const replacement = makeEntries(old[3], 2, bodies(2, 40, 100));
      await log.append(replacement, none);
      const expected = [...old.slice(0, 4), ...replacement];
      expect(await readAll()).toEqual(expected);
      expect(await log.position(logIndex(7))).toBeUndefined();
      await reopen();
      expect(await readAll()).toEqual(expected);
      expect(log.recovered.last).toMatchObject({ index: 6, term: 2 });
      expect(log.recovered.spans).toEqual([
        { term: 1, firstIndex: 1 },
        { term: 2, firstIndex: 5 },
      ]);
    });

    test('a cut is seen by reads before it is durable, and the first entry can be replaced', async () => {
      const old = makeEntries(undefined, 1, bodies(5));
      const replacement = makeEntries(undefined, 4, bodies(2, 40, 100));
      const appends = [log.append(old, none), log.append(replacement, none)];
      expect(await readAll()).toEqual(replacement);
      await Promise.all(appends);
      await reopen();
      expect(await readAll()).toEqual(replacement);
      expect(log.recovered.spans).toEqual([{ term: 4, firstIndex: 1 }]);
    });

    test('the log goes on after a reopen', async () => {
      const entries = makeEntries(undefined, 1, bodies(9));
      for (let i = 0; i < 9; i += 3) {
        await log.append(entries.slice(i, i + 3), none);
        await reopen();
      }
      expect(await readAll()).toEqual(entries);
    });

    test('entries handed out are not changed by later ones', async () => {
      const entries = makeEntries(undefined, 1, bodies(2));
      await log.append(entries, none);
      const [first] = await readAll();
      first?.body.fill(0);
      expect(await readAll()).toEqual(makeEntries(undefined, 1, bodies(2)));
    });

    test('an append behind a gap is a bug of the caller', () => {
      const entries = makeEntries(undefined, 1, bodies(3));
      expect(() => log.append(entries.slice(1), none)).toThrow('gap');
    });

    test('there is room, and the log has a size', async () => {
      expect(log.roomBytes).toBeGreaterThan(0);
      await log.append(makeEntries(undefined, 1, bodies(1)), none);
      expect(log.sizeBytes).toBeGreaterThan(40);
      expect(log.spaceError).toBeUndefined();
    });

    test('a closed log refuses appends', async () => {
      await log.close();
      const append = log.append(makeEntries(undefined, 1, bodies(1)), none);
      await expect(append).rejects.toMatchObject({ code: 'LOG_CLOSED' });
    });

    test('close waits for what was appended', async () => {
      const entries = makeEntries(undefined, 1, bodies(5));
      const appended = log.append(entries, none);
      await reopen();
      await appended;
      expect(await readAll()).toEqual(entries);
    });
  });
}

export function hardStateConformance(
  name: string,
  make: () => Promise<StoreHarness<HardStateStore>>,
): void {
  describe(`${name} as a HardStateStore`, () => {
    let harness: StoreHarness<HardStateStore>;
    let store: HardStateStore;

    beforeEach(async () => {
      harness = await make();
      store = await harness.open();
    });
    afterEach(async () => {
      await store.close();
      await harness.dispose?.();
    });

    const state = (inTerm: number, vote?: string): HardState => ({
      term: term(inTerm),
      vote: vote === undefined ? undefined : nodeId(vote),
    });

    test('a new store has term 0 and no vote', () => {
      expect(store.recovered).toEqual({ term: 0, vote: undefined });
    });

    test('the last saved state is found after a reopen', async () => {
      for (const saved of [state(1), state(1, 'a'), state(4, 'node-b'), state(9)]) {
        await store.save(saved);
        await store.close();
        store = await harness.open();
        expect(store.recovered).toEqual(saved);
      }
    });

    test('saves are carried out in the order of their calls', async () => {
      const order: number[] = [];
      const saves = [1, 2, 3, 4].map((inTerm) =>
        store.save(state(inTerm, 'a')).then(() => order.push(inTerm)),
      );
      await Promise.all(saves);
      expect(order).toEqual([1, 2, 3, 4]);
      await store.close();
      store = await harness.open();
      expect(store.recovered).toEqual(state(4, 'a'));
    });

    test('close waits for a save, and refuses later ones', async () => {
      const saved = store.save(state(7, 'c'));
      await store.close();
      await saved;
      await expect(store.save(state(8))).rejects.toMatchObject({ code: 'LOG_CLOSED' });
      store = await harness.open();
      expect(store.recovered).toEqual(state(7, 'c'));
    });
  });
}
