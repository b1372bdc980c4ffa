/**
 * The engine of a storage as others can copy it and as it can be replaced: by nothing, when what it
 * holds is damaged or wrong, or by a snapshot of another storage.
 *
 * Invariants
 *   1. what is on disk is the old state or the new one, whole: one commit to the manifest makes every
 *      segment of a snapshot live, and the files of the old state go only after it
 *   2. a snapshot is what is durable: files that never change, and none is removed while it is held
 *   3. while it is being replaced nothing reads or writes: the owner waits for `setAside`, `install`
 */
import { assert, type LogPosition, type Timers } from '@kvstore/std';
import type { LsmConfig } from './lsm-config.ts';
import { type KeyBounds, type KeyValue, LsmEngine, type LsmStatistics } from './lsm-engine.ts';
import { SegmentError } from './segment/segment-error.ts';
import type { EngineFiles, OpenFiles } from './snapshot/engine-files.ts';
import { HeldSnapshot } from './snapshot/held-snapshot.ts';
import { ReceivedSnapshot } from './snapshot/received-snapshot.ts';
import { decodeSnapshotManifest, type SnapshotSegment } from './snapshot/snapshot-manifest.ts';
import type { FilterPrefixLength } from './stored.ts';
import { ManifestError } from './version/manifest-error.ts';

export interface LsmStoreOptions {
  readonly files: EngineFiles;
  readonly config: LsmConfig;
  readonly timers: Timers;
  /** Names the cluster, group and node, in every segment that is written here. */
  readonly label: string;
  readonly filterPrefixLength: FilterPrefixLength;
  /** Whether what is found damaged at open is set aside; else open rejects. */
  readonly setsAside: boolean;
  /** A failure after which the process must stop, unless `isDamage` and it can be rebuilt. */
  readonly onFatal: (error: Error) => void;
}

export class LsmStore {
  readonly #options: LsmStoreOptions;
  readonly #snapshots = new Set<HeldSnapshot>();
  #open: OpenFiles;
  #engine: LsmEngine;
  #damage: Error | undefined;
  #replacing: Promise<void> | undefined;
  /** The last of the steps that fence it or end that. */
  #marking: Promise<void> = Promise.resolve();

  private constructor(options: LsmStoreOptions, open: OpenFiles, engine: LsmEngine) {
    this.#options = options;
    this.#open = open;
    this.#engine = engine;
  }

  /** Rejects with `SegmentError`, `ManifestError` or `DiskError` when the data cannot be trusted. */
  static async open(options: LsmStoreOptions): Promise<LsmStore> {
    const fatal = { current: options.onFatal };
    const onFatal = (error: Error): void => fatal.current(error);
    const { open, engine, damage } = await openSound(options, onFatal).catch(
      async (error: unknown) => {
        await options.files.close();
        throw error;
      },
    );
    const store = new LsmStore(options, open, engine);
    const { fenced } = options.files;
    store.#damage = damage ?? (fenced === undefined ? undefined : new Error(fenced));
    fatal.current = (error) => store.#failed(engine, error);
    return store;
  }

  /**
   * Why it must not be served: what was found when it was opened, what `fence` was told, or what an earlier
   * process was that has not seen it sound again.
   */
  get damage(): Error | undefined {
    return this.#damage;
  }

  /** Whether a failure says that what is stored is not what was written: only a rebuild helps. */
  isDamage(error: unknown): boolean {
    return isDamage(error);
  }

  get applied(): LogPosition {
    return this.#engine.applied;
  }

  get durable(): LogPosition {
    return this.#engine.durable;
  }

  get statistics(): LsmStatistics & { readonly snapshots: number } {
    return { ...this.#engine.statistics, snapshots: this.#snapshots.size };
  }

  get stalled(): boolean {
    return this.#replacing !== undefined || this.#engine.stalled;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#engine.get(key);
  }

  first(from: Uint8Array, prefixLength: number): KeyValue | undefined {
    return this.#engine.first(from, prefixLength);
  }

  newest(from: Uint8Array, prefixLength: number): Uint8Array | undefined {
    return this.#engine.newest(from, prefixLength);
  }

  scan(bounds: KeyBounds): Iterable<KeyValue> {
    return this.#engine.scan(bounds);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#engine.put(key, value);
  }

  delete(key: Uint8Array): void {
    this.#engine.delete(key);
  }

  endEntry(position: LogPosition, logBytes: number): void {
    assert(this.#replacing === undefined, 'an entry ends while the store is replaced');
    this.#engine.endEntry(position, logBytes);
  }

  async whenWritable(): Promise<void> {
    for (;;) {
      await this.#replacing?.catch(() => undefined);
      const engine = this.#engine;
      try {
        await engine.whenWritable();
        if (engine === this.#engine && this.#replacing === undefined) return;
      } catch (error) {
        if (engine === this.#engine && this.#replacing === undefined) throw error;
      }
    }
  }

  /** Resolves as well when the store has been replaced meanwhile: what is there then is durable. */
  async flush(): Promise<void> {
    const engine = this.#engine;
    try {
      await engine.flush();
    } catch (error) {
      if (engine === this.#engine && this.#replacing === undefined) throw error;
      await this.#replacing?.catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await this.#replacing?.catch(() => undefined);
    await this.#marking;
    try {
      if (this.#damage === undefined) {
        await this.#engine.close();
      } else {
        // Why: closing flushes, and what must not be served need not become durable.
        await this.#engine.discard();
        await closeFiles(this.#open);
      }
    } finally {
      await this.#options.files.close();
    }
  }

  /** What is durable now, to be read by another storage until it is released. */
  snapshot(): HeldSnapshot {
    assert(this.#replacing === undefined, 'a snapshot of a store that is replaced');
    const { segments } = this.#open;
    const snapshot = new HeldSnapshot(this.#engine.live, segments, () => {
      this.#snapshots.delete(snapshot);
    });
    this.#snapshots.add(snapshot);
    return snapshot;
  }

  /** Prepares to receive what `manifest` describes. Throws `DecodeError` for what is none. */
  async receive(manifest: Uint8Array): Promise<ReceivedSnapshot> {
    const state = decodeSnapshotManifest(manifest);
    const { incoming } = this.#options.files;
    const received = await incoming.prepare(state.segments);
    const install = (): Promise<void> => this.#install(state.segments, state.position);
    return new ReceivedSnapshot(state, incoming, received, install);
  }

  /** Removes what is left of a snapshot that is not wanted any more. */
  dropIncoming(): Promise<void> {
    return this.#options.files.incoming.clear();
  }

  /** Resolves when no crash can make what it holds be taken for sound. */
  fence(why: Error): Promise<void> {
    this.#damage = why;
    return this.#mark((files) => files.fence(why.message));
  }

  /** What it holds is sound. */
  unfence(): Promise<void> {
    this.#damage = undefined;
    return this.#mark((files) => files.unfence());
  }

  #mark(step: (files: EngineFiles) => Promise<void>): Promise<void> {
    const marked = this.#marking.then(() => step(this.#options.files));
    this.#marking = marked.catch(() => undefined);
    return marked;
  }

  /** Becomes empty; what it held is kept for people to look at. */
  async setAside(why: Error): Promise<void> {
    await this.fence(why);
    return this.#replace(async () => {
      const { files } = this.#options;
      await closeFiles(this.#open);
      await files.incoming.clear();
      await files.setAside();
    });
  }

  #install(segments: readonly SnapshotSegment[], position: LogPosition): Promise<void> {
    return this.#replace(async () => {
      const { manifest } = this.#open;
      try {
        if (this.#damage !== undefined) await this.#options.files.keepAside();
        const adopted = await this.#options.files.incoming.adopt(segments);
        await manifest.replace({ segments: adopted, position });
      } finally {
        await closeFiles(this.#open);
      }
    });
  }

  /** Opens whatever is there after `step`, also when that failed: the old state or the new one. */
  #replace(step: () => Promise<void>): Promise<void> {
    assert(this.#replacing === undefined, 'replaced twice at once');
    const replacing = (async () => {
      for (const snapshot of this.#snapshots) snapshot.release();
      await this.#engine.discard();
      let failure: unknown;
      await step().catch((error: unknown) => {
        failure = error;
      });
      await this.#reopen();
      if (failure !== undefined) throw failure;
    })();
    this.#replacing = replacing.finally(() => {
      this.#replacing = undefined;
    });
    return this.#replacing;
  }

  async #reopen(): Promise<void> {
    let early: Error | undefined;
    const fatal = { current: (error: Error): void => void (early ??= error) };
    const opened = await openSound(this.#options, (error) => fatal.current(error));
    const { open, engine, damage } = opened;
    fatal.current = (error) => this.#failed(engine, error);
    this.#open = open;
    this.#engine = engine;
    if (damage !== undefined) this.#damage = damage;
    const failure = damage ?? early;
    if (failure !== undefined) throw failure;
  }

  #failed(engine: LsmEngine, error: Error): void {
    const isGone = engine !== this.#engine || this.#replacing !== undefined;
    // Why: what was given up may be as damaged as it likes; a disk that cannot sync may not.
    if (isGone && isDamage(error)) return;
    this.#options.onFatal(error);
  }
}

interface Opened {
  readonly open: OpenFiles;
  readonly engine: LsmEngine;
  readonly damage: Error | undefined;
}

async function openSound(
  options: LsmStoreOptions,
  onFatal: (error: Error) => void,
): Promise<Opened> {
  try {
    return { ...(await openEngine(options, onFatal)), damage: undefined };
  } catch (error) {
    if (!options.setsAside || !isDamage(error)) throw error;
    await options.files.fence(error.message);
    await options.files.setAside();
    return { ...(await openEngine(options, onFatal)), damage: error };
  }
}

async function openEngine(
  { files, config, timers, label, filterPrefixLength }: LsmStoreOptions,
  onFatal: (error: Error) => void,
): Promise<Pick<Opened, 'open' | 'engine'>> {
  const open = await files.open(onFatal);
  try {
    const engine = await LsmEngine.open({
      ...open,
      config,
      timers,
      label,
      filterPrefixLength,
      onFatal,
    });
    return { open, engine };
  } catch (error) {
    await closeFiles(open);
    throw error;
  }
}

async function closeFiles({ manifest, segments }: OpenFiles): Promise<void> {
  await manifest.close();
  await segments.close();
}

const DAMAGE: ReadonlySet<string> = new Set([
  'SEGMENT_CORRUPT',
  'SEGMENT_MISSING',
  'MANIFEST_CORRUPT',
  'MANIFEST_MISSING',
]);

function isDamage(error: unknown): error is SegmentError | ManifestError {
  const isOurs = error instanceof SegmentError || error instanceof ManifestError;
  return isOurs && DAMAGE.has(error.code);
}
