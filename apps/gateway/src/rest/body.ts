/**
 * Reads the body of a PUT: the value, byte for byte. A body that is too large is refused as soon as
 * that is known, and the rest of it is read and dropped (within the server's time limit for a request),
 * so that the client can read the answer. Codings are refused and not undone or stored unseen: the bytes of
 * a GET are the bytes of the PUT.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { failure, Limits, type Failure } from '@kvstore/contract';
import { valueTooLarge } from '../kv/kv-input.ts';

export type Body = { readonly kind: 'body'; readonly bytes: Uint8Array } | Failure;

const EMPTY: Body = { kind: 'body', bytes: new Uint8Array(0) };

export function readValue(request: IncomingMessage): Promise<Body> | Body {
  const refusal = refusedCoding(request.headers);
  if (refusal !== undefined) return refusal;
  const announced = request.headers['content-length'];
  if (announced === undefined && request.headers['transfer-encoding'] === undefined) return EMPTY;
  if (announced === '0') return EMPTY;
  if (Number(announced) > Limits.valueBytesMax) return valueTooLarge(Number(announced));
  return new Promise((resolve) => new BodyReader(request, resolve));
}

class BodyReader {
  readonly #request: IncomingMessage;
  readonly #resolve: (body: Body) => void;
  readonly #chunks: Buffer[] = [];
  #length = 0;

  constructor(request: IncomingMessage, resolve: (body: Body) => void) {
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
    else if (more.length === 0) this.#resolve({ kind: 'body', bytes: first });
    else this.#resolve({ kind: 'body', bytes: Buffer.concat(this.#chunks, this.#length) });
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

function refusedCoding(headers: IncomingHttpHeaders): Failure | undefined {
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    return failure(
      'INVALID_ARGUMENT',
      'Content-Encoding is not supported: the value is the body as sent.',
    );
  }
  const transfer = headers['transfer-encoding'];
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked') {
    return failure('INVALID_ARGUMENT', 'The only supported Transfer-Encoding is chunked.');
  }
  if (headers['content-range'] !== undefined) {
    return failure(
      'INVALID_ARGUMENT',
      'Content-Range is not supported: a PUT replaces the whole value.',
    );
  }
  return undefined;
}
