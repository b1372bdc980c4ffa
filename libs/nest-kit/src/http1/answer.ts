/** The text of answers, with the parts that repeat made once. Latin-1: one byte a character. */
import { STATUS_CODES } from 'node:http';

export type AnswerBody = string | Uint8Array;

const statusLines = new Map(
  Object.entries(STATUS_CODES).map(([status, reason]) => [
    Number(status),
    `HTTP/1.1 ${status} ${reason ?? ''}\r\n`,
  ]),
);

/** Everything but what the connection adds: `AnswerEnds`. */
export function answerText(status: number, fields: string, body: AnswerBody | undefined): string {
  const line = statusLines.get(status) ?? `HTTP/1.1 ${status} \r\n`;
  if (body === undefined) return line + fields;
  return `${line}${fields}content-length: ${body.length}\r\n`;
}

/** The last lines of every head: the date, and whether the connection stays. */
export class AnswerEnds {
  readonly #keepAlive: string;
  #second = 0;
  #open = '';
  #last = '';

  /** `idleMsMax`: what the peer is told; node:http says it in whole seconds, rounded down. */
  constructor(idleMsMax: number) {
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(idleMsMax / 1_000)}\r\n\r\n`;
  }

  /** `last`: no answer follows on the connection. */
  at(nowMs: number, last: boolean): string {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      const date = `Date: ${new Date(second * 1_000).toUTCString()}\r\n`;
      this.#open = date + this.#keepAlive;
      this.#last = `${date}Connection: close\r\n\r\n`;
    }
    return last ? this.#last : this.#open;
  }
}
