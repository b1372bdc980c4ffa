/** What every `ReplicaStore` must do to be copied, replaced and set aside: a suite that each runs. */
import { DecodeError, encodeUtf8, LOG_START } from '@kvstore/std';
import type { IncomingSnapshot, ReplicaStore, StoreSnapshot } from '@kvstore/replica';
import { plain, positionAt } from './log-positions.ts';
import type { StoreHarness } from './log-store-conformance.ts';

const bytes = encodeUtf8;
const PIECE_BYTES = 700;

function writeEntry(store: ReplicaStore, ...texts: readonly string[]): void {
  for (const text of texts) {
    if (text.startsWith('-')) store.delete(bytes(text.slice(1)));
    else store.put(bytes(text), bytes(`value of ${text}`));
  }
  store.endEntry(positionAt(store.applied.index + 1), 10);
}

function contents(store: ReplicaStore): string[] {
  return plain(store.scan({ from: new Uint8Array(0) })).map(({ key }) =>
    Buffer.from(key, 'hex').toString(),
  );
}

async function receivePiece(
  from: StoreSnapshot,
  to: IncomingSnapshot,
  file: number,
  offset: number,
): Promise<number> {
  const piece = await from.read(file, offset, PIECE_BYTES);
  await to.write(file, offset, piece);
  return piece.length;
}

/** All that is missing, in pieces; returns how many were copied. */
async function receiveAll(from: StoreSnapshot, to: IncomingSnapshot): Promise<number> {
  let pieces = 0;
  for (const [file, { bytes: size, received }] of to.files.entries()) {
    for (let at = received; at < size; pieces++) at += await receivePiece(from, to, file, at);
    expect(await to.finish(file)).toBe(true);
  }
  return pieces;
}

async function copy(source: ReplicaStore, target: ReplicaStore): Promise<void> {
  const held = source.snapshot();
  const incoming = await target.receive(held.manifest);
  await receiveAll(held, incoming);
  await incoming.install();
  held.release();
}

export function storeSnapshotConformance(
  name: string,
  make: () => Promise<StoreHarness<ReplicaStore>>,
): void {
  describe(`${name} as a ReplicaStore that is copied and replaced`, () => {
    let harnesses: StoreHarness<ReplicaStore>[];
    let source: ReplicaStore;
    let target: ReplicaStore;

    beforeEach(async () => {
      harnesses = [await make(), await make()];
      source = await harnesses[0]!.open();
      target = await harnesses[1]!.open();
      writeEntry(source, 'a', 'b');
      await source.flush();
      writeEntry(source, 'c', '-a');
      await source.flush();
    });
    afterEach(async () => {
      await source.close();
      await target.close();
      for (const harness of harnesses) await harness.dispose?.();
    });
    const reopenTarget = async (): Promise<void> => {
      await target.close();
      target = await harnesses[1]!.open();
    };

    test('a copy has what was durable, and goes on from there, also after a reopen', async () => {
      writeEntry(source, 'not durable');
      await copy(source, target);
      expect(target.applied).toEqual(positionAt(2));
      expect(target.durable).toEqual(positionAt(2));
      expect(contents(target)).toEqual(['b', 'c']);
      writeEntry(target, 'd', '-b');
      await reopenTarget();
      expect(target.applied).toEqual(positionAt(3));
      expect(contents(target)).toEqual(['c', 'd']);
    });

    test('a copy takes the place of everything that was there', async () => {
      writeEntry(target, 'old', 'b');
      await target.flush();
      await copy(source, target);
      expect(contents(target)).toEqual(['b', 'c']);
      await reopenTarget();
      expect(contents(target)).toEqual(['b', 'c']);
      writeEntry(target, 'd');
      await target.flush();
      await copy(source, target);
      expect(contents(target)).toEqual(['b', 'c']);
    });

    test('a copy can be copied', async () => {
      await copy(source, target);
      writeEntry(target, 'd');
      await target.flush();
      await copy(target, source);
      expect(source.applied).toEqual(positionAt(3));
      expect(contents(source)).toEqual(['b', 'c', 'd']);
    });

    test('an empty store is copied, too', async () => {
      const empty = target.snapshot();
      expect(empty.position).toEqual(LOG_START);
      await copy(target, source);
      expect(source.applied).toEqual(LOG_START);
      expect(contents(source)).toEqual([]);
      writeEntry(source, 'x');
      expect(contents(source)).toEqual(['x']);
    });

    test('a snapshot does not change while it is held', async () => {
      const held = source.snapshot();
      expect(source.statistics.snapshots).toBe(1);
      writeEntry(source, '-b', 'z');
      await source.flush();
      const incoming = await target.receive(held.manifest);
      await receiveAll(held, incoming);
      await incoming.install();
      expect(contents(target)).toEqual(['b', 'c']);
      held.release();
      held.release();
      expect(source.statistics.snapshots).toBe(0);
    });

    test('what has arrived is not sent again', async () => {
      const held = source.snapshot();
      const first = await target.receive(held.manifest);
      await receivePiece(held, first, 0, 0);
      await reopenTarget();
      const second = await target.receive(held.manifest);
      expect(second.files[0]!.received).toBeGreaterThan(0);
      await receiveAll(held, second);
      const third = await target.receive(held.manifest);
      for (const { bytes: size, received } of third.files) expect(received).toBe(size);
      expect(await receiveAll(held, third)).toBe(0);
      await third.install();
      expect(contents(target)).toEqual(['b', 'c']);
      await target.dropIncoming();
      const fourth = await target.receive(held.manifest);
      for (const { received } of fourth.files) expect(received).toBe(0);
    });

    test('a file that is not what the manifest says is noticed, and can come again', async () => {
      const held = source.snapshot();
      const incoming = await target.receive(held.manifest);
      const size = incoming.files[0]!.bytes;
      const damaged = await held.read(0, 0, size);
      damaged[size >>> 1]! ^= 1;
      await incoming.write(0, 0, damaged);
      expect(await incoming.finish(0)).toBe(false);
      await expect(incoming.install()).rejects.toThrow('not verified');
      expect(contents(target)).toEqual([]);
      const again = await target.receive(held.manifest);
      expect(again.files[0]!.received).toBe(0);
      await receiveAll(held, again);
      await again.install();
      expect(contents(target)).toEqual(['b', 'c']);
    });

    test('a manifest that is cut short is refused', async () => {
      const { manifest } = source.snapshot();
      for (let length = 0; length < manifest.length; length++) {
        await expect(async () => target.receive(manifest.subarray(0, length))).rejects.toThrow(
          DecodeError,
        );
      }
    });

    test('a store that is set aside is empty, and its snapshots are gone', async () => {
      const held = source.snapshot();
      writeEntry(source, 'not durable');
      await source.setAside(new Error('a reason'));
      expect(held.isReleased).toBe(true);
      expect(source.applied).toEqual(LOG_START);
      expect(source.durable).toEqual(LOG_START);
      expect(contents(source)).toEqual([]);
      writeEntry(source, 'x');
      await source.flush();
      await source.setAside(new Error('a reason'));
      writeEntry(source, 'y');
      expect(contents(source)).toEqual(['y']);
      await source.unfence();
      await source.close();
      source = await harnesses[0]!.open();
      expect(source.damage).toBeUndefined();
      expect(contents(source)).toEqual(['y']);
    });

    test('a fence outlasts the process, and what is held stays, as far as it was durable', async () => {
      await source.flush();
      const before = contents(source);
      const { durable } = source;
      writeEntry(source, 'not durable');
      await source.fence(new Error('a reason'));
      await source.close();
      source = await harnesses[0]!.open();
      expect(source.damage?.message).toBe('a reason');
      expect(source.applied).toEqual(durable);
      await source.fence(new Error('another reason'));
      await source.unfence();
      expect(source.damage).toBeUndefined();
      await source.close();
      source = await harnesses[0]!.open();
      expect(source.damage).toBeUndefined();
      expect(contents(source)).toEqual(before);
    });

    test('whoever waits to write may, once the store is replaced', async () => {
      const replaced = source.setAside(new Error('a reason'));
      await source.whenWritable();
      await replaced;
      expect(source.stalled).toBe(false);
    });
  });
}
