/**
 * Errors below HTTP: what Node's parser refuses before there is a request. The answer is written to
 * the socket by hand, as a complete problem document, and the connection is closed.
 *
 * Invariant: it is the answer to what was refused. Whole requests before that have theirs first.
 */
import { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { failure, type Failure } from '@kvstore/contract';
import { errorCode } from '../system-error.ts';
import { problemAnswer } from './problem.ts';
import { newRequestId } from './request-id.ts';

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

/** What Node says of a connection after its first error follows from that. */
const refused = new WeakSet<Duplex>();

/** For Node's `clientError` event. */
export function answerClientError(error: Error, socket: Duplex): void {
  if (errorCode(error) === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  if (refused.has(socket)) return;
  refused.add(socket);
  refuse(error, socket);
}

function refuse(error: Error, socket: Duplex): void {
  const underWay = answerUnderWay(socket);
  if (underWay?.req.complete === true) {
    underWay.once('finish', () => refuse(error, socket));
    return;
  }
  // Bytes of an answer that already left cannot be followed by another status line.
  if (!socket.writable || underWay?.headersSent === true) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = problemAnswer(failureOf(error), newRequestId());
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  lines.push(`content-length: ${body.length}\r\n`);
  const head = `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? 'Error'}\r\nconnection: close\r\n${lines.join('')}\r\n`;
  socket.end(Buffer.concat([Buffer.from(head, 'latin1'), body]));
}

function failureOf(error: Error): Failure {
  switch (errorCode(error)) {
    case 'HPE_HEADER_OVERFLOW':
      return failure('HEADERS_TOO_LARGE', 'URL and headers together exceed 16 KiB.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return failure('INVALID_ARGUMENT', 'The chunk extensions of the body are too large.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return failure(
        'REQUEST_TIMEOUT',
        'The request did not arrive completely within the time limit.',
      );
    default:
      return failure('INVALID_ARGUMENT', 'The request is not well-formed HTTP/1.1.');
  }
}

/** Node gives the socket to the answers one after another. */
function answerUnderWay(socket: Duplex): ServerResponse | undefined {
  const message: unknown = Reflect.get(socket, '_httpMessage');
  return message instanceof ServerResponse ? message : undefined;
}
