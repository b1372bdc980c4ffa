/**
 * Whether the server still answers: a ping every 500 ms, judged by what arrives.
 *
 * A connection is dead when nothing at all arrived during two ticks after a ping, so 1.0 to 1.5 s
 * after the last byte; or when no ping of the last 5 s was answered although other bytes arrive,
 * which is a path that is open one way only. Why not by pongs alone: under load a pong waits behind
 * megabytes that are on their way to us, and ending such a connection would make overload worse.
 */
import type { Socket } from 'node:net';
import type { NatsConnection } from 'nats';

const TICK_MS = 500;
const SILENT_TICKS_MAX = 2;
const UNANSWERED_PINGS_MAX = 10;

export class Liveness {
  readonly #connection: NatsConnection;
  readonly #onDead: () => void;
  #socket: Socket | undefined;
  #bytesSeen = 0;
  #silentTicks = 0;
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: NatsConnection, onDead: () => void) {
    this.#connection = connection;
    this.#onDead = onDead;
  }

  /** Judges this socket from now on, and no other. */
  watch(socket: Socket): void {
    this.stop();
    this.#socket = socket;
    this.#bytesSeen = -1;
    this.#silentTicks = 0;
    this.#unanswered = 0;
    this.#tick(socket);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#socket = undefined;
  }

  #tick(socket: Socket): void {
    this.#silentTicks = socket.bytesRead === this.#bytesSeen ? this.#silentTicks + 1 : 0;
    this.#bytesSeen = socket.bytesRead;
    if (this.#silentTicks >= SILENT_TICKS_MAX || this.#unanswered >= UNANSWERED_PINGS_MAX) {
      this.#onDead();
      return;
    }
    this.#ping(socket);
    this.#timer = setTimeout(() => this.#tick(socket), TICK_MS);
  }

  #ping(socket: Socket): void {
    this.#unanswered += 1;
    this.#connection.flush().then(
      () => {
        if (socket === this.#socket) this.#unanswered -= 1;
      },
      () => undefined,
    );
  }
}
