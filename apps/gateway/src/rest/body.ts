/**
 * Reads the body of a PUT: the value, byte for byte. A body that is too large is refused as soon as
 * that is known, and the rest of it is read and dropped (within the server's time limit for a request),
 * so that the client can read the answer. Codings are refused and not undone or stored unseen: the bytes of
 * a GET are the bytes of the PUT.
 */
import type { IncomingMessage } from 'node:http';
import { failure, Limits, type Failure } from '@kvstore/contract';
import { valueTooLarge } from '../kv/kv-input.ts';

const EMPTY = new Uint8Array(0);

export function readValue(
  request: IncomingMessage,
): Promise<Uint8Array | Failure> | Uint8Array | Failure {
  const announced = request.headers['content-length'];
  const transfer = request.headers['transfer-encoding'];
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked') {
    return failure('INVALID_ARGUMENT', 'The only supported Transfer-Encoding is chunked.');
  }
  if (announced === undefined && transfer === undefined) return EMPTY;
  if (announced === '0') return EMPTY;
  if (Number(announced) > Limits.valueBytesMax) return valueTooLarge(Number(announced));
  return new Promise((resolve) => new BodyReader(request, resolve));
}

class BodyReader {
  readonly #request: IncomingMessage;
  readonly #resolve: (body: Uint8Array | Failure) => void;
  readonly #chunks: Buffer[] = [];
  #length = 0;

  constructor(request: IncomingMessage, resolve: (body: Uint8Array | Failure) => void) {
    this.#request = request;
    this.#resolve = resolve;
    request.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#length += chunk.length;
    if (this.#length > Limits.valueBytesMax) this.#stop(valueTooLarge(undefined));
    else this.#chunks.push(chunk);
  };

  readonly #onEnd = (): void => {
    const [first, ...more] = this.#chunks;
    if (first === undefined) this.#resolve(EMPTY);
    else if (more.length === 0) this.#resolve(first);
    else this.#resolve(Buffer.concat(this.#chunks, this.#length));
  };

  /** The client is gone: nobody reads the answer, but the handler must end. */
  readonly #onError = (): void => {
    this.#stop(failure('INVALID_ARGUMENT', 'The connection ended before the body did.'));
  };

  #stop(refusal: Failure): void {
    this.#request.off('data', this.#onData).off('end', this.#onEnd);
    this.#request.resume();
    this.#resolve(refusal);
  }
}
