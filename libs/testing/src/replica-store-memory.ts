/**
 * A replica store over the memory store, whose disk is a variable: `reopen` gives what survives a crash.
 * A test makes it stall, and says what counts as damage.
 */
import { createHash } from 'node:crypto';
import {
  assert,
  ByteReader,
  ByteWriter,
  chain,
  decodeUtf8,
  encodeUtf8,
  LOG_START,
  logIndex,
  type LogPosition,
  term,
} from '@kvstore/std';
import type {
  IncomingSnapshot,
  ReplicaStore,
  ReplicaStoreStatistics,
  StoreSnapshot,
} from '@kvstore/replica';
import type { KeyBounds, KeyValue } from '@kvstore/state-machine';
import { MemoryOrderedStore } from './ordered-store-memory.ts';

export class MemoryReplicaStore implements ReplicaStore {
  damage: Error | undefined;
  #live: MemoryOrderedStore;
  #survives: MemoryOrderedStore;
  #applied: LogPosition;
  #durable: LogPosition;
  #stalled = false;
  #waiting: (() => void)[] = [];
  readonly #snapshots = new Set<MemorySnapshot>();
  /** What has arrived of a snapshot, by its SHA-256. */
  #incoming: { readonly sha256: string; bytes: Uint8Array } | undefined;
  /** The failure that a test calls damage. */
  damagedBy: unknown;

  constructor(survives = new MemoryOrderedStore(), position: LogPosition = LOG_START) {
    this.#live = survives.copy();
    this.#survives = survives;
    this.#applied = position;
    this.#durable = position;
  }

  get applied(): LogPosition {
    return this.#applied;
  }

  get durable(): LogPosition {
    return this.#durable;
  }

  get statistics(): ReplicaStoreStatistics {
    const snapshots = this.#snapshots.size;
    return { segments: 0, segmentBytes: 0, memtableBytes: 0, flushError: undefined, snapshots };
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  /** Makes the store stall, or go on, as a test says. */
  setStalled(stalled: boolean): void {
    this.#stalled = stalled;
    if (stalled) return;
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** The store after a crash: what was flushed, and nothing else. */
  reopen(): MemoryReplicaStore {
    const store = new MemoryReplicaStore(this.#survives, this.#durable);
    store.damage = this.damage;
    store.#incoming = this.#incoming;
    return store;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#live.get(key);
  }

  newest(from: Uint8Array, prefixLength: number): Uint8Array | undefined {
    return this.#live.newest(from, prefixLength);
  }

  first(from: Uint8Array, prefixLength: number): KeyValue | undefined {
    return this.#live.first(from, prefixLength);
  }

  scan(bounds: KeyBounds): Iterable<KeyValue> {
    return this.#live.scan(bounds);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#live.put(key, value);
  }

  delete(key: Uint8Array): void {
    this.#live.delete(key);
  }

  endEntry(position: LogPosition, _logBytes: number): void {
    assert(position.index === this.#applied.index + 1, 'entries end in the order of the log');
    this.#applied = position;
  }

  whenWritable(): Promise<void> {
    if (!this.#stalled) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  flush(): Promise<void> {
    this.#survives = this.#live.copy();
    this.#durable = this.#applied;
    return Promise.resolve();
  }

  isDamage(error: unknown): boolean {
    return error === this.damagedBy && error !== undefined;
  }

  snapshot(): StoreSnapshot {
    const snapshot = new MemorySnapshot(this.#survives.pairs, this.#durable, () => {
      this.#snapshots.delete(snapshot);
    });
    this.#snapshots.add(snapshot);
    return snapshot;
  }

  receive(manifest: Uint8Array): Promise<IncomingSnapshot> {
    const { position, bytes, sha256 } = decodeManifest(manifest);
    const known = this.#incoming?.sha256 === sha256 ? this.#incoming.bytes : new Uint8Array(0);
    const incoming = { sha256, bytes: known };
    this.#incoming = incoming;
    return Promise.resolve({
      position,
      files: [{ bytes, received: known.length }],
      write: (_file, offset, piece) => {
        assert(offset === incoming.bytes.length, 'pieces come in their order');
        incoming.bytes = new Uint8Array(Buffer.concat([incoming.bytes, piece]));
        return Promise.resolve();
      },
      finish: () => {
        const isSound = hashOf(incoming.bytes) === sha256;
        if (!isSound) incoming.bytes = new Uint8Array(0);
        return Promise.resolve(isSound);
      },
      install: async () => {
        assert(hashOf(incoming.bytes) === sha256, 'a file of the snapshot is not verified');
        await this.#replace(MemoryOrderedStore.of(decodePairs(incoming.bytes)), position);
      },
    });
  }

  dropIncoming(): Promise<void> {
    this.#incoming = undefined;
    return Promise.resolve();
  }

  fence(why: Error): Promise<void> {
    this.damage = why;
    return Promise.resolve();
  }

  unfence(): Promise<void> {
    this.damage = undefined;
    return Promise.resolve();
  }

  setAside(why: Error): Promise<void> {
    this.damage = why;
    return this.#replace(new MemoryOrderedStore(), LOG_START);
  }

  #replace(by: MemoryOrderedStore, position: LogPosition): Promise<void> {
    for (const snapshot of this.#snapshots) snapshot.release();
    this.#incoming = undefined;
    this.#survives = by;
    this.#live = by.copy();
    this.#applied = position;
    this.#durable = position;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return this.damage === undefined ? this.flush() : Promise.resolve();
  }
}

/** One file with all pairs; the manifest says where it stands and what its SHA-256 is. */
class MemorySnapshot implements StoreSnapshot {
  readonly position: LogPosition;
  readonly manifest: Uint8Array;
  readonly files: readonly number[];
  readonly #bytes: Uint8Array;
  readonly #released: () => void;
  #isReleased = false;

  constructor(pairs: readonly KeyValue[], position: LogPosition, released: () => void) {
    const writer = new ByteWriter();
    for (const { key, value } of pairs) writer.bytes32(key).bytes32(value);
    this.#bytes = writer.finish();
    this.#released = released;
    this.position = position;
    this.files = [this.#bytes.length];
    this.manifest = new ByteWriter()
      .u64(position.index)
      .u64(position.term)
      .u64(position.chain)
      .u32(this.#bytes.length)
      .bytes8(encodeUtf8(hashOf(this.#bytes)))
      .finish();
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  read(_file: number, offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.#bytes.slice(offset, offset + length));
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#released();
  }
}

function decodeManifest(manifest: Uint8Array) {
  const reader = new ByteReader(manifest);
  const index = logIndex(reader.u64());
  const position = { index, term: term(reader.u64()), chain: chain(reader.u64()) };
  const decoded = { position, bytes: reader.u32(), sha256: decodeUtf8(reader.bytes8()) };
  reader.end();
  return decoded;
}

function decodePairs(bytes: Uint8Array): KeyValue[] {
  const reader = new ByteReader(bytes);
  const pairs: KeyValue[] = [];
  while (reader.offset < bytes.length) {
    pairs.push({ key: reader.bytes32(), value: reader.bytes32() });
  }
  return pairs;
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
