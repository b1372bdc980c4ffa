/**
 * Cuts what a client sends into frames: the preface, then frames of at most 16 KiB.
 *
 * A frame that lies within one chunk is handed out as a view of it; only a frame that two chunks share is
 * put together in a buffer of its own. Views stay valid as long as they are referenced: chunks must not be
 * written again.
 */
import {
  ConnectionError,
  ErrorCode,
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  WINDOW_MAX,
} from './protocol.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** The payload is `bytes[start..end)`. */
export type FrameSink = (
  type: number,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
) => void;

export class FrameParser {
  readonly #sink: FrameSink;
  #prefaceSeen = 0;
  #stopped = false;
  /** The start of a frame whose end has not come; its first `#held` bytes are there. */
  #partial = Buffer.alloc(0);
  #held = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Ignores what comes from now on, also the rest of the chunk that is being parsed. */
  stop(): void {
    this.#stopped = true;
  }

  /** Throws `ConnectionError`. */
  push(chunk: Buffer): void {
    if (this.#stopped) return;
    let at = this.#prefaceSeen === PREFACE.length ? 0 : this.#preface(chunk);
    if (this.#held > 0) at = this.#complete(chunk, at);
    while (!this.#stopped) {
      const rest = chunk.length - at;
      if (rest < FRAME_HEAD_BYTES) break;
      const length = lengthAt(chunk, at);
      if (rest < FRAME_HEAD_BYTES + length) break;
      this.#deliver(chunk, at, length);
      at += FRAME_HEAD_BYTES + length;
    }
    if (at < chunk.length && !this.#stopped) this.#hold(chunk, at);
  }

  #preface(chunk: Buffer): number {
    const count = Math.min(PREFACE.length - this.#prefaceSeen, chunk.length);
    const seen = this.#prefaceSeen;
    if (PREFACE.compare(chunk, 0, count, seen, seen + count) !== 0) {
      throw new ConnectionError(ErrorCode.protocolError, 'no preface of HTTP/2');
    }
    this.#prefaceSeen += count;
    return count;
  }

  #deliver(bytes: Buffer, at: number, length: number): void {
    const id =
      (((bytes[at + 5] as number) << 24) |
        ((bytes[at + 6] as number) << 16) |
        ((bytes[at + 7] as number) << 8) |
        (bytes[at + 8] as number)) &
      WINDOW_MAX;
    const start = at + FRAME_HEAD_BYTES;
    const [type, flags] = [bytes[at + 3] as number, bytes[at + 4] as number];
    this.#sink(type, flags, id, bytes, start, start + length);
  }

  /** Keeps the start of a frame; called with less than one frame. */
  #hold(chunk: Buffer, at: number): void {
    const rest = chunk.length - at;
    const known = rest >= FRAME_HEAD_BYTES;
    const size = FRAME_HEAD_BYTES + (known ? lengthAt(chunk, at) : 0);
    this.#partial = Buffer.allocUnsafe(size);
    chunk.copy(this.#partial, 0, at);
    this.#held = rest;
  }

  /** Adds to the frame that is held; returns how far the chunk is used. */
  #complete(chunk: Buffer, from: number): number {
    let at = this.#fill(chunk, from, FRAME_HEAD_BYTES);
    if (this.#held < FRAME_HEAD_BYTES) return at;
    const length = lengthAt(this.#partial, 0);
    const size = FRAME_HEAD_BYTES + length;
    if (this.#partial.length < size) {
      const grown = Buffer.allocUnsafe(size);
      this.#partial.copy(grown, 0, 0, FRAME_HEAD_BYTES);
      this.#partial = grown;
    }
    at = this.#fill(chunk, at, size);
    if (this.#held < size) return at;
    const frame = this.#partial;
    this.#held = 0;
    this.#deliver(frame, 0, length);
    return at;
  }

  #fill(chunk: Buffer, at: number, upTo: number): number {
    const count = Math.max(0, Math.min(upTo - this.#held, chunk.length - at));
    chunk.copy(this.#partial, this.#held, at, at + count);
    this.#held += count;
    return at + count;
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length =
    ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
  if (length > FRAME_BYTES_MAX) {
    throw new ConnectionError(ErrorCode.frameSizeError, `a frame of ${length} bytes`);
  }
  return length;
}
