/**
 * Writes PUB lines to the socket of a connection itself, so that a payload is not copied once more:
 * the library joins what is published in a buffer of its own, and at tens of megabytes a second
 * that memory outside the heap is collected by whole-heap collections, again and again.
 *
 * What is published in one turn of the event loop leaves in one write (`cork`). Order: what the library
 * holds back goes first (`flushPending`), so commands and messages leave as they were given.
 */
import type { Socket } from 'node:net';
import type { NatsConnection } from 'nats';
import { flushPending } from './nats-connect.ts';

const CRLF = Buffer.from('\r\n');
/** Payloads up to this size are copied behind their line: cheaper than three pieces. */
const JOINED_BYTES_MAX = 1_024;

export class NatsPublisher {
  readonly #connection: NatsConnection;
  #corked: Socket | undefined;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** `socket`: that of the connection now. The payload must not change any more. */
  publish(socket: Socket, subject: string, reply: string, payload: Uint8Array): void {
    if (this.#corked !== socket) this.#cork(socket);
    flushPending(this.#connection);
    const line =
      reply === ''
        ? `PUB ${subject} ${payload.length}\r\n`
        : `PUB ${subject} ${reply} ${payload.length}\r\n`;
    if (payload.length <= JOINED_BYTES_MAX) {
      socket.write(joined(line, payload));
      return;
    }
    socket.write(line, 'utf8');
    socket.write(payload);
    socket.write(CRLF);
  }

  #cork(socket: Socket): void {
    this.#corked = socket;
    socket.cork();
    process.nextTick(() => {
      if (this.#corked === socket) this.#corked = undefined;
      socket.uncork();
    });
  }
}

function joined(line: string, payload: Uint8Array): Buffer {
  const lineBytes = Buffer.byteLength(line);
  const bytes = Buffer.allocUnsafe(lineBytes + payload.length + CRLF.length);
  bytes.write(line, 0);
  bytes.set(payload, lineBytes);
  bytes.set(CRLF, lineBytes + payload.length);
  return bytes;
}
