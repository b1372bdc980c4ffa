/**
 * A bus with which a test forces a fault at an exact place: decides per message whether it leaves or
 * arrives, and can die, after which nothing passes in either direction, as of a process that was
 * killed at that very line. A publish that is dropped counts as handed over, as on a network; a
 * request that is dropped is told that nobody listens.
 */
import type { Bus, BusMessage, BusStatus, BusSubscription } from '@kvstore/contract';

/** False: the message is lost. */
export type Passes = (subject: string, payload: Uint8Array) => boolean;

export class FaultyBus implements Bus {
  /** Asked of what this process publishes and requests. */
  leaves: Passes = always;
  /** Asked of what arrives here. */
  arrives: Passes = always;
  readonly #inner: Bus;
  #dead = false;

  constructor(inner: Bus) {
    this.#inner = inner;
  }

  get status(): BusStatus {
    return this.#inner.status;
  }

  die(): void {
    this.#dead = true;
  }

  publish(subject: string, payload: Uint8Array): boolean {
    return this.#leaves(subject, payload) ? this.#inner.publish(subject, payload) : true;
  }

  request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const target = this.#leaves(subject, payload) ? subject : NOWHERE;
    return this.#inner.request(target, payload, timeoutMs);
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    return this.#inner.subscribe(subject, (message) => {
      if (this.#dead || !this.arrives(message.subject, message.payload)) return;
      handler({
        subject: message.subject,
        payload: message.payload,
        respond: (payload) => {
          if (!this.#dead) message.respond(payload);
        },
      });
    });
  }

  reconnect(): void {
    this.#inner.reconnect();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #leaves(subject: string, payload: Uint8Array): boolean {
    // Why in this order: the test may let the process die at this very message.
    return !this.#dead && this.leaves(subject, payload) && !this.#dead;
  }
}

/** Nobody listens there. */
const NOWHERE = 'nowhere';

function always(): boolean {
  return true;
}
