/**
 * Sends snapshots of this storage to others: they open a transfer and read pieces of its files.
 *
 * Bounded: two transfers, one per receiver; each holds its files for at most an hour, and ends when
 * nothing was read for half a minute; four reads at a time.
 */
import {
  type BusMessage,
  decodeSnapshotRequest,
  encodeSnapshotReply,
  type FrameCodec,
  FrameKind,
  SnapshotRefusal,
  type SnapshotReply,
  type SnapshotRequest,
} from '@kvstore/contract';
import { type Clock, type LogIndex, term, type Timer, type Timers } from '@kvstore/std';
import type { ReplicaStore, StoreSnapshot } from './replica-store.ts';

export interface SnapshotSenderOptions {
  readonly store: ReplicaStore;
  readonly frames: FrameCodec;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Whether this storage has the data of that cluster, and serves it. */
  readonly serves: (clusterTag: number) => boolean;
  readonly onFailure: (error: unknown) => void;
}

export interface SentCounters {
  /** Bytes of pieces. */
  bytes: number;
  opened: number;
  refused: number;
  /** Ended by the receiver. */
  closed: number;
  /** Ended because nothing was read any more, because it took too long or with the store. */
  expired: number;
}

interface Transfer {
  readonly receiver: string;
  readonly snapshot: StoreSnapshot;
  readonly openedAtMs: number;
  usedAtMs: number;
}

const TRANSFERS_MAX = 2;
const HELD_MS_MAX = 3_600_000;
const IDLE_MS_MAX = 30_000;
const READS_MAX = 4;
const SWEEP_MS = 5_000;
/** Below the receiver's time-out: it is told to come again. */
const FLUSH_WAIT_MS = 5_000;
const TRANSFERS_PER_INCARNATION = 2 ** 20;

export class SnapshotSender {
  readonly counters: SentCounters = { bytes: 0, opened: 0, refused: 0, closed: 0, expired: 0 };
  readonly #options: SnapshotSenderOptions;
  readonly #transfers = new Map<number, Transfer>();
  #opened = 0;
  #reads = 0;
  #sweeper: Timer | undefined;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
  }

  onRequest(message: BusMessage): void {
    const { frames, onFailure } = this.#options;
    const received = frames.receive(
      message.payload,
      FrameKind.snapshotRequest,
      decodeSnapshotRequest,
    );
    if (received === undefined) return;
    this.#answer(received.frame.sender.name, received.body)
      .then((reply) => {
        if (reply === undefined) return;
        if (reply.kind === 'refused') this.counters.refused += 1;
        const body = encodeSnapshotReply(reply);
        message.respond(frames.seal(FrameKind.snapshotReply, term(0), body));
      })
      .catch(onFailure);
  }

  /** Ends every transfer. */
  close(): void {
    for (const id of this.#transfers.keys()) this.#end(id, 'expired');
  }

  async #answer(receiver: string, request: SnapshotRequest): Promise<SnapshotReply | undefined> {
    switch (request.kind) {
      case 'open':
        return this.#open(receiver, request.clusterTag, request.minIndex);
      case 'read':
        return this.#read(receiver, request);
      case 'close':
        if (this.#transfers.get(request.transfer)?.receiver === receiver) {
          this.#end(request.transfer, 'closed');
        }
        return undefined;
    }
  }

  async #open(receiver: string, clusterTag: number, minIndex: LogIndex): Promise<SnapshotReply> {
    const { store, serves, incarnation, clock } = this.#options;
    for (const [id, each] of this.#transfers) {
      // Why: whoever asks again has given the last one up, or is another process by now.
      if (each.receiver === receiver) this.#end(id, 'expired');
    }
    if (!serves(clusterTag)) return refused(SnapshotRefusal.unavailable);
    if (this.#transfers.size >= TRANSFERS_MAX) return refused(SnapshotRefusal.busy);
    if (store.durable.index < minIndex && !(await this.#flushed(minIndex))) {
      return refused(SnapshotRefusal.behind);
    }
    // Why again: both may have changed while it was flushed.
    if (!serves(clusterTag)) return refused(SnapshotRefusal.unavailable);
    if (this.#transfers.size >= TRANSFERS_MAX) return refused(SnapshotRefusal.busy);
    const snapshot = store.snapshot();
    const { position, manifest } = snapshot;
    this.#opened += 1;
    const transfer = incarnation * TRANSFERS_PER_INCARNATION + this.#opened;
    const now = clock.monotonicMs();
    this.#transfers.set(transfer, { receiver, snapshot, openedAtMs: now, usedAtMs: now });
    this.#sweeper ??= this.#options.timers.every(SWEEP_MS, () => this.#sweep());
    this.counters.opened += 1;
    return { kind: 'opened', transfer, position, manifestBytes: manifest.length };
  }

  /** What is needed may be in a memtable only. */
  async #flushed(minIndex: LogIndex): Promise<boolean> {
    const { store, timers } = this.#options;
    if (store.applied.index < minIndex) return false;
    let timer: Timer | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = timers.after(FLUSH_WAIT_MS, resolve);
    });
    // A flush that fails is retried by the store, and told by its beacons and metrics.
    await Promise.race([store.flush().catch(() => undefined), timeout]);
    timer?.cancel();
    return store.durable.index >= minIndex;
  }

  async #read(
    receiver: string,
    request: Extract<SnapshotRequest, { kind: 'read' }>,
  ): Promise<SnapshotReply> {
    const transfer = this.#transfers.get(request.transfer);
    if (transfer === undefined || transfer.receiver !== receiver) {
      return refused(SnapshotRefusal.unknown);
    }
    const { snapshot } = transfer;
    if (snapshot.isReleased || request.file > snapshot.files.length) {
      return refused(SnapshotRefusal.unknown);
    }
    if (this.#reads >= READS_MAX) return refused(SnapshotRefusal.busy);
    transfer.usedAtMs = this.#options.clock.monotonicMs();
    const { file, offset, length } = request;
    if (file === 0) return this.#piece(snapshot.manifest.slice(offset, offset + length));
    this.#reads += 1;
    try {
      return this.#piece(await snapshot.read(file - 1, offset, length));
    } catch (error) {
      // Why not a failure of this storage: the store was replaced under it.
      if (snapshot.isReleased) return refused(SnapshotRefusal.unknown);
      throw error;
    } finally {
      this.#reads -= 1;
    }
  }

  #piece(bytes: Uint8Array): SnapshotReply {
    this.counters.bytes += bytes.length;
    return { kind: 'piece', bytes };
  }

  #sweep(): void {
    const now = this.#options.clock.monotonicMs();
    for (const [id, { openedAtMs, usedAtMs, snapshot }] of this.#transfers) {
      const isOver = now - usedAtMs > IDLE_MS_MAX || now - openedAtMs > HELD_MS_MAX;
      if (isOver || snapshot.isReleased) this.#end(id, 'expired');
    }
  }

  #end(id: number, how: 'closed' | 'expired'): void {
    this.#transfers.get(id)?.snapshot.release();
    this.#transfers.delete(id);
    this.counters[how] += 1;
    if (this.#transfers.size > 0) return;
    this.#sweeper?.cancel();
    this.#sweeper = undefined;
  }
}

function refused(reason: SnapshotRefusal): SnapshotReply {
  return { kind: 'refused', reason };
}
