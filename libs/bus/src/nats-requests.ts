/**
 * The requests of one bus that wait for an answer. All answers arrive at one subscription,
 * `<inbox>.*`, whose last token says which request is answered; an answer to a request that is no
 * longer waited for is ignored.
 */
import { BusError, type BusErrorCode } from '@kvstore/contract';
import type { Msg } from 'nats';

interface Waiting {
  readonly subject: string;
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: BusError) => void;
  readonly timer: NodeJS.Timeout;
}

/** What the server answers in place of a service when nobody listens. */
const NO_RESPONDERS_STATUS = 503;

export class NatsRequests {
  readonly #inbox: string;
  readonly #waiting = new Map<string, Waiting>();
  #last = 0;

  constructor(inbox: string) {
    this.#inbox = `${inbox}.`;
  }

  /** What to subscribe to; `answered` takes what arrives there. */
  get subject(): string {
    return `${this.#inbox}*`;
  }

  /** Waits for the answer to a request that `send` hands over with the reply subject it is given. */
  open(subject: string, timeoutMs: number, send: (reply: string) => boolean): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const token = (++this.#last).toString(36);
      if (!send(this.#inbox + token)) {
        reject(new BusError('NOT_SENT', `${subject}: the bus took no message`));
        return;
      }
      const timer = setTimeout(
        () => this.#fail(token, 'TIMEOUT', `no answer in ${timeoutMs} ms`),
        timeoutMs,
      );
      this.#waiting.set(token, { subject, resolve, reject, timer });
    });
  }

  answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length);
    if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS_STATUS) {
      this.#fail(token, 'NO_RESPONDERS', 'nobody listens');
      return;
    }
    this.#take(token)?.resolve(message.data);
  }

  /** They may have been handled, and no answer can arrive any more. */
  giveUp(why: string): void {
    for (const token of [...this.#waiting.keys()]) this.#fail(token, 'TIMEOUT', why);
  }

  #fail(token: string, code: BusErrorCode, why: string): void {
    const waiting = this.#take(token);
    waiting?.reject(new BusError(code, `${waiting.subject}: ${why}`));
  }

  #take(token: string): Waiting | undefined {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return undefined;
    clearTimeout(waiting.timer);
    this.#waiting.delete(token);
    return waiting;
  }
}
