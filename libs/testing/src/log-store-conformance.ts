/** What every `LogStore` and `HardStateStore` must do, as jest suites that each of them runs. */
import { LOG_START, logIndex, nextChain, nodeId, term } from '@kvstore/std';
import type { LogIndex, LogPosition } from '@kvstore/std';
import { EntryKind } from '@kvstore/raft';
import type { Entry, HardState } from '@kvstore/raft';
import type { HardStateStore, LogStore } from '@kvstore/sequencer';
import { makeBase, makeBody, makeEntries } from './log-entries.ts';

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
      expect(log.recovered.base).toBeUndefined();
      expect(await readAll()).toEqual([]);
      expect(await log.position(logIndex(1))).toBeUndefined();
      expect(await log.position(none)).toEqual({ term: LOG_START.term, chain: LOG_START.chain });
      expect(log.cutPlace(logIndex(1), 0)).toBeUndefined();
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

    /** A log of 100 entries of two terms, of which a cut gives space back; term 2 begins at 31. */
    async function long(): Promise<readonly Entry[]> {
      const old = makeEntries(undefined, 1, bodies(30, 4_000));
      const entries = [...old, ...makeEntries(old.at(-1), 2, bodies(70, 4_000, 50))];
      for (let at = 0; at < 100; at += 5) await log.append(entries.slice(at, at + 5), none);
      return entries;
    }

    async function cutAt(entries: readonly Entry[], limit: number): Promise<number> {
      const place = log.cutPlace(logIndex(limit), 0) ?? 0;
      expect(place).toBeGreaterThan(0);
      expect(place).toBeLessThanOrEqual(limit);
      await log.cut(makeBase(entries[place - 1] as Entry));
      return place;
    }

    async function expectBegins(entries: readonly Entry[], base: number): Promise<void> {
      const before = entries[base - 1] as Entry;
      expect(await readAll(base + 1)).toEqual(entries.slice(base));
      expect(await readAll(base)).toEqual([]);
      expect(await log.position(logIndex(base))).toEqual({
        term: before.term,
        chain: before.chain,
      });
      expect(await log.position(logIndex(base - 1))).toBeUndefined();
    }

    test('what is cut off the beginning is gone, the rest stays, also after a reopen', async () => {
      const entries = await long();
      const { sizeBytes } = log;
      const base = await cutAt(entries, 95);
      expect(log.sizeBytes).toBeLessThan(sizeBytes);
      await expectBegins(entries, base);
      await reopen();
      await expectBegins(entries, base);
      expect(log.recovered.base).toEqual(makeBase(entries[base - 1] as Entry));
      expect(log.recovered.spans).toEqual([{ term: 2, firstIndex: base + 1 }]);
      expect(log.recovered.last.index).toBe(100);
      const more = makeEntries(entries.at(-1), 2, bodies(1));
      await log.append(more, none);
      expect(await readAll(base + 1)).toEqual([...entries.slice(base), ...more]);
    });

    test('a log is cut again and again while it is written and read', async () => {
      const entries = await long();
      const first = await cutAt(entries, 60);
      const more = makeEntries(entries.at(-1), 2, bodies(40, 4_000, 70));
      const appends = more.map((entry) => log.append([entry], none));
      const reading = readAll(first + 1);
      const second = await cutAt(entries, 95);
      expect(second).toBeGreaterThan(first);
      const read = await reading;
      // It was read before the cut, or after it.
      expect([0, entries.length + more.length - first]).toContain(read.length);
      await Promise.all(appends);
      await reopen();
      await expectBegins([...entries, ...more], second);
    });

    test('a cut goes no further than it may and keeps what it shall', async () => {
      const entries = await long();
      expect(log.cutPlace(logIndex(100), Number.MAX_SAFE_INTEGER)).toBeUndefined();
      const free = log.cutPlace(logIndex(100), 0) ?? 0;
      const kept = log.cutPlace(logIndex(100), log.sizeBytes / 2) ?? free;
      expect(kept).toBeLessThan(free);
      const base = await cutAt(entries, 60);
      expect(log.cutPlace(logIndex(base), 0)).toBeUndefined();
      await log.cut(makeBase(entries[base - 2] as Entry));
      await expectBegins(entries, base);
    });

    test('configurations above the base stay, those at or below it go with their entries', async () => {
      const plain = makeEntries(undefined, 1, bodies(100, 4_000));
      const entries = plain.map((entry) =>
        entry.index % 10 === 0 ? { ...entry, kind: EntryKind.configuration } : entry,
      );
      let previous: LogPosition = LOG_START;
      const chained = entries.map((entry) => {
        const { index, term: inTerm, kind, body } = entry;
        const next = { ...entry, chain: nextChain(previous.chain, index, inTerm, kind, body) };
        previous = next;
        return next;
      });
      await log.append(chained, none);
      const base = await cutAt(chained, 75);
      await reopen();
      const kept = log.recovered.configurations.map(({ index }) => index);
      expect(kept).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100].filter((at) => at > base));
    });

    test('a cut above entries that took the place of others', async () => {
      const old = makeEntries(undefined, 1, bodies(50, 4_000));
      await log.append(old, none);
      const entries = [...old.slice(0, 20), ...makeEntries(old[19], 2, bodies(80, 4_000, 60))];
      await log.append(entries.slice(20), none);
      const base = await cutAt(entries, 90);
      await expectBegins(entries, base);
      await reopen();
      await expectBegins(entries, base);
      expect(log.recovered.last.index).toBe(100);
    });

    test('entries that were cut off the end never return with a base above them (etcd#22442)', async () => {
      const old = await long();
      const shorter = makeEntries(old[84], 3, bodies(3, 4_000, 90));
      await log.append(shorter, none);
      const entries = [...old.slice(0, 85), ...shorter];
      const base = await cutAt(entries, 70);
      await reopen();
      expect(log.recovered.last).toMatchObject({ index: 88, term: 3, chain: shorter[2]?.chain });
      await expectBegins(entries, base);
      await log.install(makeBase(makeEntries(undefined, 4, bodies(90, 10)).at(-1) as Entry));
      await reopen();
      expect(log.recovered.last).toMatchObject({ index: 90, term: 4 });
      expect(await log.read(logIndex(91), ALL)).toEqual([]);
    });

    test.each([0, 10])('a base is put in place of a log of %d entries', async (count) => {
      if (count > 0) await log.append(makeEntries(undefined, 1, bodies(count)), none);
      const leader = makeEntries(undefined, 3, bodies(40, 30, 9));
      const base = makeBase(leader[29] as Entry);
      await log.install(base);
      expect(await readAll(31)).toEqual([]);
      expect(await readAll(5)).toEqual([]);
      await reopen();
      expect(log.recovered).toMatchObject({ base, spans: [], configurations: [] });
      expect(log.recovered.last).toEqual(base.position);
      await log.append(leader.slice(30), none);
      await expectBegins(leader, 30);
      await reopen();
      await expectBegins(leader, 30);
      expect(log.recovered).toMatchObject({ base, last: { index: 40, term: 3 } });
    });

    test('entries go on right after a base was put in place', async () => {
      await log.append(makeEntries(undefined, 1, bodies(10)), none);
      const leader = makeEntries(undefined, 3, bodies(40, 30, 9));
      await log.install(makeBase(leader[29] as Entry));
      await log.append(leader.slice(30, 35), none);
      const twice = makeEntries(undefined, 4, bodies(60, 30, 11));
      await log.install(makeBase(twice[49] as Entry));
      await log.append(twice.slice(50), none);
      await expectBegins(twice, 50);
      await reopen();
      await expectBegins(twice, 50);
    });

    test('a cut below a base that was put in place meanwhile does nothing', async () => {
      const entries = await long();
      const place = log.cutPlace(logIndex(90), 0) as LogIndex;
      const leader = makeEntries(undefined, 3, bodies(120, 30, 9));
      const installed = log.install(makeBase(leader[110] as Entry));
      const cut = log.cut(makeBase(entries[place - 1] as Entry));
      await Promise.all([installed, cut]);
      expect(await log.position(logIndex(111))).toEqual({ term: 3, chain: leader[110]?.chain });
      await reopen();
      expect(log.recovered.base?.position.index).toBe(111);
    });

    test('an append at or below the base is a bug of the caller', async () => {
      const leader = makeEntries(undefined, 3, bodies(20, 30, 9));
      await log.install(makeBase(leader[9] as Entry));
      expect(() => log.append(leader.slice(9, 11), none)).toThrow('base');
      expect(() => log.append(leader.slice(11), none)).toThrow('gap');
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

    test('a repair enters the next term without a vote, and its term stays for ever', async () => {
      const reopen = async (): Promise<void> => {
        await store.close();
        store = await harness.open();
      };
      expect(store.repairTerm).toBe(0);
      await store.save(state(4, 'a'));
      await reopen();
      await store.beginRepair();
      expect(store.recovered).toEqual(state(5));
      expect(store.repairTerm).toBe(5);
      await store.save(state(7, 'b'));
      await reopen();
      expect(store.recovered).toEqual(state(7, 'b'));
      expect(store.repairTerm).toBe(5);
      await store.beginRepair();
      await reopen();
      expect(store.recovered).toEqual(state(8));
      expect(store.repairTerm).toBe(8);
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
