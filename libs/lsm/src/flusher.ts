/**
 * Turns sealed memtables into live segments: one at a time, strictly in the order they were sealed,
 * so that the manifest's position never passes an entry whose writes are not in a live segment.
 *
 * A failure keeps the memtable and is tried again after 0.5 to 5 s, for as long as it takes: the
 * data is in the log and in memory. Failures that leave the disk's contents unknown end it: they
 * are handed to `onFatal`, once.
 */
import { InvariantError, type LogPosition, type Timer, type Timers } from '@kvstore/std';
import type { Memtable } from './memtable/memtable.ts';
import { SegmentError } from './segment/segment-error.ts';
import { SegmentReader, type SegmentCaches } from './segment/segment-reader.ts';
import type { SegmentStore } from './segment/segment-store.ts';
import { ManifestError } from './version/manifest-error.ts';
import type { Manifest } from './version/manifest.ts';

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 5_000;

export interface SealedMemtable {
  readonly memtable: Memtable;
  /** The last entry whose writes are in it. */
  readonly position: LogPosition;
}

export interface FlusherOptions {
  readonly segments: SegmentStore;
  readonly manifest: Manifest;
  readonly caches: SegmentCaches;
  readonly timers: Timers;
  readonly label: string;
  readonly blockBytes: number;
  /** Above the ids of all live segments. */
  readonly nextSegmentId: number;
  /** Called when `sealed` is durable; its segment is undefined when it was empty. */
  onLive(sealed: SealedMemtable, segment: SegmentReader | undefined): void;
  /** Called once, when flushing has ended for good. */
  onEnd(error: Error): void;
  onFatal(error: Error): void;
}

export class Flusher {
  readonly #options: FlusherOptions;
  readonly #queue: SealedMemtable[] = [];
  #nextSegmentId: number;
  #running: Promise<void> | undefined;
  #error: Error | undefined;
  /** Somebody waits for what is queued. */
  #hurried = false;
  #stopping = false;
  #ended = false;
  #retry: { readonly timer: Timer; readonly wake: () => void } | undefined;
  #retryMs = RETRY_MS_MIN;
  /** Written and opened, not yet in the manifest: what a commit that is tried again needs. */
  #written: SegmentReader | undefined;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#nextSegmentId = options.nextSegmentId;
  }

  /** The failure that is being retried, or that ended flushing. */
  get error(): Error | undefined {
    return this.#error;
  }

  enqueue(sealed: SealedMemtable): void {
    if (this.#ended) return;
    this.#queue.push(sealed);
    if (this.#queue.length > 1) this.hurry();
    this.#running ??= this.#run();
  }

  /** What is queued is waited for. A queue that grows is: at its bound, writes wait for it. */
  hurry(): void {
    if (this.#queue.length === 0) return;
    this.#hurried = true;
    this.#options.segments.hurry();
  }

  /**
   * Ends flushing: what is queued gets one more attempt, without waiting. Resolves when nothing
   * runs any more.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.hurry();
    this.#retry?.timer.cancel();
    this.#retry?.wake();
    await this.#running;
    this.#written?.close();
    this.#written = undefined;
  }

  /** Ends flushing without another attempt; resolves when nothing runs any more. */
  async abandon(): Promise<void> {
    this.#ended = true;
    await this.stop();
  }

  async #run(): Promise<void> {
    for (;;) {
      const sealed = this.#queue[0];
      if (sealed === undefined || this.#ended) break;
      try {
        await this.#flush(sealed);
      } catch (error) {
        await this.#failed(error instanceof Error ? error : new InvariantError(String(error)));
      }
    }
    this.#running = undefined;
    this.#hurried = false;
  }

  async #flush(sealed: SealedMemtable): Promise<void> {
    if (sealed.memtable.entries > 0) this.#written ??= await this.#write(sealed);
    const segment = this.#written;
    await this.#options.manifest.commit(sealed.position, segment?.metadata);
    this.#written = undefined;
    this.#queue.shift();
    this.#error = undefined;
    this.#retryMs = RETRY_MS_MIN;
    this.#options.onLive(sealed, segment);
  }

  async #write({ memtable, position }: SealedMemtable): Promise<SegmentReader> {
    const { segments, caches, label, blockBytes } = this.#options;
    const id = this.#nextSegmentId;
    const options = { id, label, level: 0, position, blockBytes };
    if (this.#hurried) segments.hurry();
    const metadata = await segments.write(memtable.share(), options);
    const source = await segments.open(metadata);
    this.#nextSegmentId += 1;
    return new SegmentReader(metadata, source, caches);
  }

  async #failed(error: Error): Promise<void> {
    const attemptWasLast = this.#stopping;
    this.#error = error;
    if (mustStop(error)) {
      this.#end(error);
      this.#options.onFatal(error);
    } else if (attemptWasLast) {
      this.#end(error);
    } else {
      await this.#pause();
    }
  }

  #end(error: Error): void {
    this.#ended = true;
    this.#options.onEnd(error);
  }

  async #pause(): Promise<void> {
    await new Promise<void>((wake) => {
      this.#retry = { timer: this.#options.timers.after(this.#retryMs, wake), wake };
    });
    this.#retry = undefined;
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs);
  }
}

function mustStop(error: Error): boolean {
  return (
    error instanceof SegmentError ||
    error instanceof ManifestError ||
    error instanceof InvariantError
  );
}
