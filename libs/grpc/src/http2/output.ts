/**
 * What a connection sends: frames are appended to one buffer, which leaves in one write at the end of the
 * event-loop turn, however many responses it holds.
 *
 * Buffers come from a pool and go back when the socket took them at once, which only a `net.Socket` (or
 * TLS over one) can tell: after `write`, nothing of it is queued. Any other stream keeps its chunks.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { assert } from '@kvstore/std';
import { FRAME_HEAD_BYTES } from './protocol.ts';

/** One frame of the largest size that is written must fit in. */
const BUFFER_BYTES = 64 * 1024;
const POOL_MAX = 64;
const pool: Buffer[] = [];
const NONE = Buffer.alloc(0);

export class Output {
  /** Where to write what `reserve` made room for. */
  bytes: Buffer = NONE;
  readonly #socket: Duplex;
  readonly #recycles: boolean;
  readonly #schedule: () => void;
  #length = 0;
  #blocked = false;

  /** `schedule` is called when there is something to flush and was not before. */
  constructor(socket: Duplex, schedule: () => void) {
    this.#socket = socket;
    this.#recycles = socket instanceof Socket;
    this.#schedule = schedule;
  }

  /** The socket asked to wait for 'drain'. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Bytes that the peer's kernel has not taken. */
  get waitingBytes(): number {
    return this.#length + this.#socket.writableLength;
  }

  /** Makes room for `count` bytes, which the caller writes; returns where in `bytes`. */
  reserve(count: number): number {
    if (this.#length + count > this.bytes.length) this.#makeRoom(count);
    if (this.#length === 0) this.#schedule();
    const at = this.#length;
    this.#length += count;
    return at;
  }

  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    const at = this.reserve(FRAME_HEAD_BYTES + payload.length);
    writeFrameHead(this.bytes, at, payload.length, type, flags, streamId);
    this.bytes.set(payload, at + FRAME_HEAD_BYTES);
  }

  /** One write of everything. */
  flush(): void {
    const length = this.#length;
    if (length === 0) return;
    const { bytes } = this;
    this.#length = 0;
    this.bytes = NONE;
    const socket = this.#socket;
    if (!socket.writable) return recycle(bytes);
    // Why: behind other bytes a short chunk would keep its whole buffer.
    const copied = !this.#recycles || socket.writableLength > 0;
    const chunk = bytes.subarray(0, length);
    if (!socket.write(copied ? Buffer.from(chunk) : chunk)) this.#blocked = true;
    if (copied || socket.writableLength === 0) recycle(bytes);
  }

  drained(): void {
    this.#blocked = false;
  }

  #makeRoom(count: number): void {
    assert(count <= BUFFER_BYTES, 'a frame is larger than a buffer');
    this.flush();
    this.bytes = pool.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }
}

function recycle(bytes: Buffer): void {
  if (pool.length < POOL_MAX) pool.push(bytes);
}

export function writeFrameHead(
  bytes: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes[at + 5] = streamId >>> 24;
  bytes[at + 6] = streamId >>> 16;
  bytes[at + 7] = streamId >>> 8;
  bytes[at + 8] = streamId;
}
