/**
 * Cuts the body of a request into messages (gRPC, Length-Prefixed-Message).
 *
 * A message within one chunk is a view of it, unless it has to wait for the end of its request. One that
 * has to, or comes in parts, is collected in a buffer that grows with what has come, never with what the
 * prefix promises, and is paid from a budget that all calls of the server share until `release`.
 */
import { PREFIX_BYTES } from './response.ts';
import { StatusCode, type Status } from './status.ts';

export interface MessageSink {
  /** Whether a message that is delivered now waits for more from the peer before it is used. */
  readonly holds: boolean;
  message(bytes: Buffer): void;
  /** Nothing more is delivered. */
  refused(status: Status): void;
}

/** Bytes of messages that wait for the rest of their request, over all calls. */
export class BufferBudget {
  readonly #bytesMax: number;
  #used = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  take(bytes: number): boolean {
    if (this.#used + bytes > this.#bytesMax) return false;
    this.#used += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#used -= bytes;
  }
}

const COMPRESSED: Status = {
  code: StatusCode.unimplemented,
  message: 'Messages must not be compressed.',
  metadata: { 'grpc-accept-encoding': 'identity' },
};
const BAD_FLAG: Status = {
  code: StatusCode.invalidArgument,
  message: 'A message prefix has an unknown flag.',
};
const NO_ROOM: Status = {
  code: StatusCode.resourceExhausted,
  message: 'The server is receiving too many large messages.',
};
const BUFFER_BYTES_MIN = 16 * 1024;

export class MessageReader {
  readonly #sink: MessageSink;
  readonly #bytesMax: number;
  readonly #budget: BufferBudget;
  readonly #prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  #prefixLength = 0;
  /** Of the message that is being collected. */
  #length = 0;
  #collected: Buffer | undefined;
  #have = 0;
  /** Taken from the budget. */
  #paid = 0;
  #stopped = false;

  constructor(sink: MessageSink, bytesMax: number, budget: BufferBudget) {
    this.#sink = sink;
    this.#bytesMax = bytesMax;
    this.#budget = budget;
  }

  /** Whether a message has begun and not ended. */
  get partial(): boolean {
    return this.#prefixLength > 0 || this.#collected !== undefined;
  }

  push(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.#stopped) {
      at = this.#collected === undefined ? this.#begin(bytes, at, end) : this.#add(bytes, at, end);
    }
  }

  /** Gives back what is held; nothing more is delivered. */
  stop(): void {
    this.#stopped = true;
    this.#collected = undefined;
    this.release();
  }

  /** The messages that were delivered are in use, or no longer needed. Not while one is collected. */
  release(): void {
    this.#budget.giveBack(this.#paid);
    this.#paid = 0;
  }

  /** Reads the prefix and, when it is there, the whole message. */
  #begin(bytes: Buffer, start: number, end: number): number {
    const count = Math.min(PREFIX_BYTES - this.#prefixLength, end - start);
    bytes.copy(this.#prefix, this.#prefixLength, start, start + count);
    this.#prefixLength += count;
    const at = start + count;
    if (this.#prefixLength < PREFIX_BYTES) return at;
    this.#prefixLength = 0;
    const refusal = prefixRefusal(this.#prefix, this.#bytesMax);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return end;
    }
    this.#length = this.#prefix.readUInt32BE(1);
    if (this.#length === 0 || (end - at >= this.#length && !this.#sink.holds)) {
      this.#sink.message(bytes.subarray(at, at + this.#length));
      return at + this.#length;
    }
    this.#have = 0;
    this.#collected = EMPTY;
    return at;
  }

  #add(bytes: Buffer, at: number, end: number): number {
    const count = Math.min(this.#length - this.#have, end - at);
    if (!this.#makeRoom(this.#have + count)) {
      this.#refuse(NO_ROOM);
      return end;
    }
    const collected = this.#collected as Buffer;
    bytes.copy(collected, this.#have, at, at + count);
    this.#have += count;
    if (this.#have === this.#length) {
      const message = collected.subarray(0, this.#length);
      this.#collected = undefined;
      this.#sink.message(message);
    }
    return at + count;
  }

  #makeRoom(needed: number): boolean {
    const old = this.#collected as Buffer;
    if (needed <= old.length) return true;
    const size = Math.min(this.#length, Math.max(needed, old.length * 2, BUFFER_BYTES_MIN));
    const more = size - old.length;
    if (!this.#budget.take(more)) return false;
    this.#paid += more;
    const grown = Buffer.allocUnsafe(size);
    old.copy(grown, 0, 0, this.#have);
    this.#collected = grown;
    return true;
  }

  #refuse(status: Status): void {
    this.stop();
    this.#sink.refused(status);
  }
}

const EMPTY = Buffer.alloc(0);

function prefixRefusal(prefix: Buffer, bytesMax: number): Status | undefined {
  if (prefix[0] === 1) return COMPRESSED;
  if (prefix[0] !== 0) return BAD_FLAG;
  const length = prefix.readUInt32BE(1);
  return length > bytesMax ? tooLarge('message', length, bytesMax) : undefined;
}

export function tooLarge(what: string, length: number, bytesMax: number): Status {
  return {
    code: StatusCode.resourceExhausted,
    message: `The ${what} has ${length} bytes, the limit is ${bytesMax}.`,
  };
}
