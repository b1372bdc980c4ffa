/**
 * Puts a header block together when it is spread over CONTINUATION frames (RFC 9113, section 6.10): size
 * and count of frames are bounded, and no other frame may come between.
 */
import type { Http2Limits } from './limits.ts';
import { ConnectionError, ErrorCode } from './protocol.ts';

export class HeaderBlock {
  readonly #limits: Pick<Http2Limits, 'headerBlockBytesMax' | 'continuationsMax'>;
  #streamId = 0;
  #endStream = false;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(limits: Pick<Http2Limits, 'headerBlockBytesMax' | 'continuationsMax'>) {
    this.#limits = limits;
  }

  /** The stream whose block goes on, else 0. */
  get streamId(): number {
    return this.#streamId;
  }

  get endStream(): boolean {
    return this.#endStream;
  }

  begin(streamId: number, endStream: boolean, part: Buffer): void {
    this.#streamId = streamId;
    this.#endStream = endStream;
    this.#add(part);
  }

  add(streamId: number, part: Buffer): void {
    if (streamId !== this.#streamId) {
      throw new ConnectionError(ErrorCode.protocolError, 'CONTINUATION of no open header block');
    }
    if (this.#parts.length > this.#limits.continuationsMax) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, 'too many CONTINUATION frames');
    }
    this.#add(part);
  }

  /** The whole block; none is open afterwards. */
  finish(): Buffer {
    const block = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    this.#streamId = 0;
    return block;
  }

  #add(part: Buffer): void {
    this.#length += part.length;
    if (this.#length > this.#limits.headerBlockBytesMax) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, 'a header block that is too large');
    }
    this.#parts.push(part);
  }
}
