/**
 * The sending side of one connection: windows, and streams that wait for them (RFC 9113, section 5.2).
 *
 * Invariants
 *   1. no DATA beyond the connection's window, the stream's window or the least frame size
 *   2. a stream is in `#waiting` exactly while it has a queue
 *   3. while the socket asks to wait, queued DATA stays in the queues, where windows and the count of
 *      streams bound it
 *   4. `queuedBytes` is the sum over the queues
 * A small response that fits takes a path without queue: three frames written at once.
 */
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  FrameType,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './protocol.ts';
import { type Output, writeFrameHead } from './output.ts';
import type { Http2Stream, StreamSender } from './stream.ts';

/** What the connection does when a stream's side has ended. */
export interface SenderHost {
  readonly nowMs: number;
  /** The last frame of the response is written. */
  localEnded(stream: Http2Stream): void;
  /** Work for the stream has ended, whether or not it is still there. */
  workEnded(stream: Http2Stream): void;
}

const COPY_BY_LOOP_MAX = 48;

export class Sender implements StreamSender {
  readonly #output: Output;
  readonly #host: SenderHost;
  readonly #waiting = new Set<Http2Stream>();
  #window = WINDOW_DEFAULT;
  #queuedBytes = 0;

  constructor(output: Output, host: SenderHost) {
    this.#output = output;
    this.#host = host;
  }

  /** Of all streams: what waits for windows or the socket. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  answer(
    stream: Http2Stream,
    headers: Buffer,
    prefix: Buffer,
    message: Uint8Array,
    trailers: Buffer,
  ): void {
    if (!this.#maySend(stream)) return;
    const length = prefix.length + message.length;
    const fits = Math.min(this.#window, stream.sendWindow, FRAME_BYTES_MAX);
    if (length > fits) {
      this.sendHeaders(stream, headers, false);
      this.#enqueue(stream, Uint8Array.from(prefix));
      this.#enqueue(stream, message);
      this.sendTrailers(stream, trailers);
      return;
    }
    this.#window -= length;
    stream.sendWindow -= length;
    const out = this.#output;
    const { id } = stream;
    let at = out.reserve(3 * FRAME_HEAD_BYTES + headers.length + length + trailers.length);
    const { bytes } = out;
    writeFrameHead(bytes, at, headers.length, FrameType.headers, Flag.endHeaders, id);
    at = copy(headers, bytes, at + FRAME_HEAD_BYTES);
    writeFrameHead(bytes, at, length, FrameType.data, 0, id);
    at = copy(prefix, bytes, at + FRAME_HEAD_BYTES);
    at = copy(message, bytes, at);
    const flags = Flag.endHeaders | Flag.endStream;
    writeFrameHead(bytes, at, trailers.length, FrameType.headers, flags, id);
    copy(trailers, bytes, at + FRAME_HEAD_BYTES);
    this.#ended(stream);
  }

  sendHeaders(stream: Http2Stream, block: Buffer, endStream: boolean): void {
    if (!stream.alive || !stream.localOpen) {
      if (endStream) this.#host.workEnded(stream);
      return;
    }
    this.#writeBlock(stream.id, block, endStream ? Flag.endStream : 0);
    if (endStream) this.#ended(stream);
  }

  sendData(stream: Http2Stream, bytes: Uint8Array): void {
    if (!stream.alive || !stream.localOpen) return;
    this.#enqueue(stream, bytes);
    this.pump();
  }

  sendTrailers(stream: Http2Stream, block: Buffer): void {
    if (!this.#maySend(stream)) return;
    if (stream.queue === undefined) {
      this.#writeBlock(stream.id, block, Flag.endStream);
      this.#ended(stream);
      return;
    }
    stream.trailers = block;
    this.#host.workEnded(stream);
    this.pump();
  }

  /** The peer gives room, to the connection or to a stream; `pump` uses it. */
  widenConnection(increment: number): void {
    this.#window += increment;
    if (this.#window > WINDOW_MAX) {
      throw new ConnectionError(ErrorCode.flowControlError, 'a window above 2^31-1');
    }
  }

  /** False when the window would pass 2^31-1. */
  widenStream(stream: Http2Stream, increment: number): boolean {
    stream.sendWindow += increment;
    return stream.sendWindow <= WINDOW_MAX;
  }

  /** The stream is gone; what it queued is dropped. */
  forget(stream: Http2Stream): void {
    this.#queuedBytes -= stream.queuedBytes;
    stream.queue = undefined;
    stream.trailers = undefined;
    stream.queuedBytes = 0;
    this.#waiting.delete(stream);
  }

  /** Streams whose queue has not moved since `beforeMs`. */
  stalled(beforeMs: number): readonly Http2Stream[] {
    return [...this.#waiting].filter(({ movedMs }) => movedMs < beforeMs);
  }

  /** Sends what windows and socket allow, a frame of each stream in turn. */
  pump(): void {
    let moved = true;
    while (moved && this.#window > 0) {
      moved = false;
      for (const stream of this.#waiting) {
        if (this.#output.blocked) return;
        if (this.#sendFrame(stream)) moved = true;
      }
    }
  }

  /** False when the stream is no longer there; then its work has ended. */
  #maySend(stream: Http2Stream): boolean {
    if (stream.alive && stream.localOpen && stream.trailers === undefined) return true;
    this.#host.workEnded(stream);
    return false;
  }

  #enqueue(stream: Http2Stream, bytes: Uint8Array): void {
    if (stream.queue === undefined) {
      stream.queue = [bytes];
      stream.movedMs = this.#host.nowMs;
      this.#waiting.add(stream);
    } else {
      stream.queue.push(bytes);
    }
    stream.queuedBytes += bytes.length;
    this.#queuedBytes += bytes.length;
  }

  #sendFrame(stream: Http2Stream): boolean {
    const limit = Math.min(this.#window, stream.sendWindow, FRAME_BYTES_MAX);
    const length = Math.min(limit, stream.queuedBytes);
    if (length <= 0 && stream.queuedBytes > 0) return false;
    const at = this.#output.reserve(FRAME_HEAD_BYTES + length);
    writeFrameHead(this.#output.bytes, at, length, FrameType.data, 0, stream.id);
    takeQueued(stream, this.#output.bytes, at + FRAME_HEAD_BYTES, length);
    this.#window -= length;
    this.#queuedBytes -= length;
    stream.sendWindow -= length;
    stream.movedMs = this.#host.nowMs;
    if (stream.queuedBytes === 0) this.#emptied(stream);
    return true;
  }

  #emptied(stream: Http2Stream): void {
    const { trailers } = stream;
    this.forget(stream);
    if (trailers === undefined) return;
    this.#writeBlock(stream.id, trailers, Flag.endStream);
    this.#ended(stream);
  }

  #ended(stream: Http2Stream): void {
    stream.localOpen = false;
    this.#host.workEnded(stream);
    this.#host.localEnded(stream);
  }

  /** HEADERS, and CONTINUATION for what does not fit. */
  #writeBlock(id: number, block: Uint8Array, flags: number): void {
    const max = FRAME_BYTES_MAX;
    const first = block.length <= max ? Flag.endHeaders | flags : flags;
    this.#output.frame(FrameType.headers, first, id, block.subarray(0, max));
    for (let at = max; at < block.length; at += max) {
      const last = at + max >= block.length ? Flag.endHeaders : 0;
      this.#output.frame(FrameType.continuation, last, id, block.subarray(at, at + max));
    }
  }
}

function copy(from: Uint8Array, to: Buffer, at: number): number {
  const { length } = from;
  if (length > COPY_BY_LOOP_MAX) to.set(from, at);
  else for (let i = 0; i < length; i++) to[at + i] = from[i] as number;
  return at + length;
}

function takeQueued(stream: Http2Stream, into: Buffer, at: number, length: number): void {
  const queue = stream.queue as Uint8Array[];
  let written = 0;
  while (written < length) {
    const first = queue[0] as Uint8Array;
    const count = Math.min(length - written, first.length - stream.queueAt);
    into.set(first.subarray(stream.queueAt, stream.queueAt + count), at + written);
    written += count;
    stream.queueAt += count;
    if (stream.queueAt < first.length) break;
    queue.shift();
    stream.queueAt = 0;
  }
  stream.queuedBytes -= length;
}
