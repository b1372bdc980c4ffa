/**
 * Whether the server still answers, judged every 500 ms by what arrives.
 *
 * A ping is sent when nothing arrived since the last look, and every 2 s in any case: where messages
 * arrive all the time, pings would only keep an idle process awake. A connection is dead when nothing
 * at all arrived during two looks, so 1.0 to 1.5 s after the last byte (a new connection: from 0.75 s); or
 * when pings wait and none is
 * answered for 4 s although other bytes arrive, which is a path that is open one way only. Why not by
 * pongs alone: under load a pong waits behind megabytes that are on their way to us, and ending such
 * a connection would make overload worse.
 */
import type { Socket } from 'node:net';
import type { NatsConnection } from 'nats';

const TICK_MS = 500;
const SILENT_TICKS_MAX = 2;
const PING_TICKS = 4;
const UNANSWERED_TICKS_MAX = 8;

export class Liveness {
  readonly #connection: NatsConnection;
  readonly #onDead: () => void;
  #socket: Socket | undefined;
  #bytesSeen = 0;
  #silentTicks = 0;
  #ticksSincePing = 0;
  /** Pings under way, and for how many ticks there has been one and no answer. */
  #unanswered = 0;
  #unansweredTicks = 0;
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
    this.#ticksSincePing = 0;
    this.#unanswered = 0;
    this.#unansweredTicks = 0;
    this.#tick(socket);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#socket = undefined;
  }

  #tick(socket: Socket): void {
    this.#silentTicks = socket.bytesRead === this.#bytesSeen ? this.#silentTicks + 1 : 0;
    this.#bytesSeen = socket.bytesRead;
    this.#unansweredTicks = this.#unanswered === 0 ? 0 : this.#unansweredTicks + 1;
    if (this.#silentTicks >= SILENT_TICKS_MAX || this.#unansweredTicks >= UNANSWERED_TICKS_MAX) {
      this.#onDead();
      return;
    }
    this.#ticksSincePing += 1;
    if (this.#silentTicks > 0 || this.#ticksSincePing >= PING_TICKS) this.#ping(socket);
    this.#timer = setTimeout(() => this.#tick(socket), untilNextLook(performance.now()));
  }

  #ping(socket: Socket): void {
    this.#ticksSincePing = 0;
    this.#unanswered += 1;
    this.#connection.flush().then(
      () => {
        if (socket !== this.#socket) return;
        this.#unanswered -= 1;
        this.#unansweredTicks = 0;
      },
      () => undefined,
    );
  }
}

/**
 * To the next multiple of `TICK_MS` that is half of it away or more: so the looks at all connections of a
 * process fall together, and wake it once.
 */
function untilNextLook(nowMs: number): number {
  return (Math.round(nowMs / TICK_MS) + 1) * TICK_MS - nowMs;
}
