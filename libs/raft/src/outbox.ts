/** Effects that pile up until the driver takes them with the next `Ready`. */
import type { Message } from './message.ts';
import type { LoadRequest, ReadGrant } from './ready.ts';

export interface Effects {
  readonly messages: readonly Message[];
  readonly reads: readonly ReadGrant[];
  readonly abandonedReads: readonly number[];
  readonly loads: readonly LoadRequest[];
}

export class Outbox {
  #messages: Message[] = [];
  #reads: ReadGrant[] = [];
  #abandonedReads: number[] = [];
  #loads: LoadRequest[] = [];

  send(message: Message): void {
    this.#messages.push(message);
  }

  grant(reads: readonly ReadGrant[]): void {
    for (const read of reads) this.#reads.push(read);
  }

  abandon(contexts: readonly number[]): void {
    for (const context of contexts) this.#abandonedReads.push(context);
  }

  load(request: LoadRequest): void {
    this.#loads.push(request);
  }

  get isEmpty(): boolean {
    return (
      this.#messages.length === 0 &&
      this.#reads.length === 0 &&
      this.#abandonedReads.length === 0 &&
      this.#loads.length === 0
    );
  }

  take(): Effects {
    const effects: Effects = {
      messages: this.#messages,
      reads: this.#reads,
      abandonedReads: this.#abandonedReads,
      loads: this.#loads,
    };
    this.#messages = [];
    this.#reads = [];
    this.#abandonedReads = [];
    this.#loads = [];
    return effects;
  }
}
