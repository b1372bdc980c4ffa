/**
 * Fetches a snapshot from one other storage and installs it.
 *
 * Invariants
 *   1. nothing is installed whose chain the consensus has not confirmed at the snapshot's position, or
 *      that stands no further than this storage does
 *   2. one piece is in memory at a time; every file is verified before any becomes live
 *   3. what has arrived stays for the next attempt, with whichever source
 */
import {
  type Bus,
  BusError,
  decodeSnapshotReply,
  encodeSnapshotRequest,
  type FrameCodec,
  FrameKind,
  Limits,
  SnapshotRefusal,
  type SnapshotReply,
  type SnapshotRequest,
  StorageOperation,
  type Subjects,
} from '@kvstore/contract';
import {
  type Chain,
  DecodeError,
  DiskError,
  logIndex,
  type LogIndex,
  type LogPosition,
  nextChain,
  type NodeId,
  term,
} from '@kvstore/std';
import type { ConsensusPulls } from './consensus-pulls.ts';
import type { IncomingSnapshot, ReplicaStore } from './replica-store.ts';

/** How an attempt ended. */
export const ReceiveOutcome = {
  installed: 'installed',
  /** The source has as many transfers as may be. */
  busy: 'busy',
  /** It has not made durable what is needed. */
  behind: 'behind',
  /** It does not serve, does not answer, or ended the transfer. */
  lost: 'lost',
  /** The consensus did not confirm its chain, for now. */
  unconfirmed: 'unconfirmed',
  /** Its chain is not the leader's. */
  diverged: 'diverged',
  /** What it sent is not what its manifest says. */
  damaged: 'damaged',
  /** No room for it here. */
  noSpace: 'no-space',
  /** This storage got as far without it, or began anew. */
  givenUp: 'given-up',
} as const;
export type ReceiveOutcome = (typeof ReceiveOutcome)[keyof typeof ReceiveOutcome];

export interface SnapshotReceiverOptions {
  readonly store: ReplicaStore;
  /** What a snapshot must stand further than: nothing, where what is held is to be replaced. */
  readonly applied: () => LogIndex;
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly pulls: ConsensusPulls;
  /** The newest mark: what is committed, and the chain at it. */
  readonly marked: () => { readonly commitIndex: LogIndex; readonly chain: Chain } | undefined;
  /** From which entry on the log will be needed; undefined: not any more. */
  readonly needs: (from: LogIndex | undefined) => void;
  /** Carries out what replaces the store, while nothing else touches it. */
  readonly replace: (step: () => Promise<void>) => Promise<void>;
}

const OPEN_TIMEOUT_MS = 8_000;
const PIECE_TIMEOUT_MS = 2_000;
const PIECE_TRIES = 3;
/** Of a manifest: bounds what is in memory. */
const MANIFEST_BYTES_MAX = 64 * 1024 * 1024;

/** Ends an attempt, from wherever it is. */
class Ended extends Error {
  override readonly name = 'Ended';
  readonly outcome: ReceiveOutcome;

  constructor(outcome: ReceiveOutcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

/** Reads a piece of a file of the transfer: at least one byte. */
type Fetch = (file: number, offset: number, length: number) => Promise<Uint8Array>;

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  /** Counts what was given up, so that what still runs notices. */
  #generation = 0;
  /** Bytes of files received. */
  bytes = 0;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  /** Whatever is being received is given up at its next step. */
  giveUp(): void {
    this.#generation += 1;
  }

  /** `minIndex`: below it the log cannot be pulled any more. Rejects when the process must stop. */
  async receive(source: NodeId, clusterTag: number, minIndex: LogIndex): Promise<ReceiveOutcome> {
    const generation = this.#generation;
    let transfer: number | undefined;
    try {
      const request = { kind: 'open', clusterTag, minIndex } as const;
      const opened = await this.#ask(source, request, OPEN_TIMEOUT_MS);
      if (opened.kind !== 'opened') throw new Ended(ReceiveOutcome.lost);
      transfer = opened.transfer;
      if (opened.position.index < minIndex) throw new Ended(ReceiveOutcome.behind);
      await this.#receive(source, opened, generation);
      return ReceiveOutcome.installed;
    } catch (error) {
      this.#options.needs(undefined);
      return outcomeOf(error);
    } finally {
      if (transfer !== undefined) this.#close(source, transfer);
    }
  }

  async #receive(
    source: NodeId,
    { position, transfer, manifestBytes }: Extract<SnapshotReply, { kind: 'opened' }>,
    generation: number,
  ): Promise<void> {
    const { store, applied, needs, replace } = this.#options;
    const check = (): void => {
      const isUseless = position.index <= applied();
      if (isUseless || generation !== this.#generation) throw new Ended(ReceiveOutcome.givenUp);
    };
    const fetch: Fetch = async (file, offset, length) => {
      const piece = await this.#piece(source, transfer, file, offset, length);
      check();
      return piece;
    };
    check();
    needs(logIndex(position.index + 1));
    await this.#confirm(position);
    if (manifestBytes > MANIFEST_BYTES_MAX) throw new Ended(ReceiveOutcome.damaged);
    const incoming = await store.receive(await manifestOf(manifestBytes, fetch));
    if (!isSame(incoming.position, position)) throw new Ended(ReceiveOutcome.damaged);
    for (const file of incoming.files.keys()) await this.#receiveFile(incoming, file, fetch);
    check();
    await replace(() => incoming.install());
  }

  async #receiveFile(incoming: IncomingSnapshot, file: number, fetch: Fetch): Promise<void> {
    const { bytes, received } = incoming.files[file] as IncomingSnapshot['files'][number];
    // Why a second time: after a power cut what is here from before may be anything.
    for (const from of received > 0 ? [received, 0] : [0]) {
      for (let at = from; at < bytes;) {
        const piece = await fetch(file + 1, at, bytes - at);
        await incoming.write(file, at, piece);
        at += piece.length;
        this.bytes += piece.length;
      }
      if (await incoming.finish(file)) return;
    }
    throw new Ended(ReceiveOutcome.damaged);
  }

  /** By the newest mark, or by what the log of any consensus holds there or right behind it. */
  async #confirm(position: LogPosition): Promise<void> {
    const { pulls, marked } = this.#options;
    const mark = marked();
    if (mark?.commitIndex === position.index) {
      expectSame(mark.chain, position.chain);
      return;
    }
    for (const node of pulls.nodes) {
      const at = (await pulls.pull(node, position.index, 1))?.entries[0];
      if (at?.index === position.index) {
        expectSame(at.chain, position.chain);
        return;
      }
      const next = (await pulls.pull(node, logIndex(position.index + 1), 1))?.entries[0];
      if (next?.index !== position.index + 1) continue;
      const { index, term: of, kind, body, chain } = next;
      expectSame(chain, nextChain(position.chain, index, of, kind, body));
      return;
    }
    throw new Ended(ReceiveOutcome.unconfirmed);
  }

  async #piece(
    source: NodeId,
    transfer: number,
    file: number,
    offset: number,
    missing: number,
  ): Promise<Uint8Array> {
    const length = Math.min(missing, Limits.snapshotPieceBytesMax);
    const request = { kind: 'read', transfer, file, offset, length } as const;
    for (let tries = 1; ; tries++) {
      try {
        const reply = await this.#ask(source, request, PIECE_TIMEOUT_MS);
        const isWhole = reply.kind === 'piece' && reply.bytes.length === length;
        // Its file is shorter than its manifest says, and it did not notice.
        if (!isWhole) throw new Ended(ReceiveOutcome.damaged);
        return reply.bytes;
      } catch (error) {
        const isLost = error instanceof BusError && error.code === 'TIMEOUT';
        if (!isLost || tries === PIECE_TRIES) throw error;
      }
    }
  }

  /** Throws `Ended` for a refusal, `BusError` when nobody answers. */
  async #ask(source: NodeId, request: SnapshotRequest, timeoutMs: number): Promise<SnapshotReply> {
    const { bus, frames, subjects } = this.#options;
    const frame = frames.seal(FrameKind.snapshotRequest, term(0), encodeSnapshotRequest(request));
    const subject = subjects.storage(source, StorageOperation.snapshot);
    const answer = await bus.request(subject, frame, timeoutMs);
    const received = frames.receive(answer, FrameKind.snapshotReply, decodeSnapshotReply);
    if (received?.frame.sender.name !== source) throw new Ended(ReceiveOutcome.lost);
    const reply = received.body;
    if (reply.kind === 'refused') throw new Ended(outcomeOfRefusal(reply.reason));
    return reply;
  }

  #close(source: NodeId, transfer: number): void {
    const { bus, frames, subjects } = this.#options;
    const body = encodeSnapshotRequest({ kind: 'close', transfer });
    const frame = frames.seal(FrameKind.snapshotRequest, term(0), body);
    bus.publish(subjects.storage(source, StorageOperation.snapshot), frame);
  }
}

async function manifestOf(bytes: number, fetch: Fetch): Promise<Uint8Array> {
  const manifest = new Uint8Array(bytes);
  for (let at = 0; at < bytes;) {
    const piece = await fetch(0, at, bytes - at);
    manifest.set(piece, at);
    at += piece.length;
  }
  return manifest;
}

function expectSame(leaders: Chain, ours: Chain): void {
  if (leaders !== ours) throw new Ended(ReceiveOutcome.diverged);
}

function isSame(a: LogPosition, b: LogPosition): boolean {
  return a.index === b.index && a.term === b.term && a.chain === b.chain;
}

function outcomeOfRefusal(reason: SnapshotRefusal): ReceiveOutcome {
  switch (reason) {
    case SnapshotRefusal.busy:
      return ReceiveOutcome.busy;
    case SnapshotRefusal.behind:
      return ReceiveOutcome.behind;
    case SnapshotRefusal.unknown:
    case SnapshotRefusal.unavailable:
      return ReceiveOutcome.lost;
  }
}

/** Throws what no source is to blame for. */
function outcomeOf(error: unknown): ReceiveOutcome {
  if (error instanceof Ended) return error.outcome;
  if (error instanceof BusError) return ReceiveOutcome.lost;
  if (error instanceof DecodeError) return ReceiveOutcome.damaged;
  if (error instanceof DiskError && error.retryable) return ReceiveOutcome.noSpace;
  throw error;
}
