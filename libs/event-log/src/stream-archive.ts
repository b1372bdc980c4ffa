/**
 * Reads committed entries from the stream of an epoch: the last resort of a storage that no
 * consensus replica serves.
 *
 * An entry is found by its index, never by a stream's sequence. Only the end of the last read is
 * remembered, so that reading on costs one request per message; anything else is found by a binary
 * search over the messages. What is not an authentic frame, or does not go on from where it should,
 * ends the read. Chains are the reader's to verify: it alone knows its own.
 */
import type { NatsConnection } from 'nats';
import type { FrameCodec, LogEntry } from '@kvstore/contract';
import type { EntryArchive } from '@kvstore/replica';
import { logIndex, type LogIndex } from '@kvstore/std';
import { openMessage } from './archive-message.ts';
import { LogStreams, type Unavailable } from './log-streams.ts';
import type { StreamErrorKind } from './stream-error.ts';

export interface StreamArchiveOptions {
  /** Stays the caller's. */
  readonly connection: NatsConnection;
  readonly cluster: string;
  readonly group: string;
  /** Of this storage; counts by reason what it refuses. */
  readonly frames: FrameCodec;
  readonly callTimeoutMs?: number;
}

export interface StreamArchiveCounters {
  reads: number;
  /** Requests for a message. */
  fetches: number;
  searches: number;
  /** Messages that were no frames of this cluster. */
  refused: number;
  readonly errors: Map<StreamErrorKind, number>;
}

const CALL_TIMEOUT_MS = 1_000;
/** No request begins later than this after the read. */
const READ_MS_MAX = 2_000;

interface Message {
  readonly epoch: number;
  readonly sequence: number;
  readonly first: LogIndex;
  readonly last: LogIndex;
  readonly entries: readonly LogEntry[];
}

export class StreamArchive implements EntryArchive {
  readonly counters: StreamArchiveCounters = {
    reads: 0,
    fetches: 0,
    searches: 0,
    refused: 0,
    errors: new Map(),
  };
  readonly #options: StreamArchiveOptions;
  readonly #streams: LogStreams;
  /** The last message of the last read. */
  #latest: Message | undefined;

  constructor(options: StreamArchiveOptions) {
    this.#options = options;
    const { connection, cluster, group, callTimeoutMs = CALL_TIMEOUT_MS } = options;
    this.#streams = new LogStreams({ connection, cluster, group, callTimeoutMs });
  }

  async read(epoch: number, from: LogIndex, maxBytes: number): Promise<readonly LogEntry[]> {
    this.counters.reads += 1;
    if (epoch === 0) return [];
    const deadlineMs = performance.now() + READ_MS_MAX;
    const found: LogEntry[] = [];
    let bytes = 0;
    let message = await this.#locate(epoch, from, deadlineMs);
    while (message !== undefined) {
      this.#latest = message;
      for (const entry of message.entries.slice(from + found.length - message.first)) {
        bytes += entry.body.length;
        if (found.length > 0 && bytes > maxBytes) return found;
        found.push(entry);
      }
      message = await this.#following(message, deadlineMs);
    }
    return found;
  }

  /** The message that holds `from`. */
  async #locate(epoch: number, from: LogIndex, deadlineMs: number): Promise<Message | undefined> {
    const latest = this.#latest?.epoch === epoch ? this.#latest : undefined;
    if (latest === undefined || from < latest.first || from > latest.last + 1) {
      return this.#search(epoch, from, deadlineMs, undefined);
    }
    if (from <= latest.last) return latest;
    const following = await this.#following(latest, deadlineMs);
    return following ?? this.#search(epoch, from, deadlineMs, latest.sequence);
  }

  /** The message after `message`, if it is there and goes on where that one ended. */
  async #following(message: Message, deadlineMs: number): Promise<Message | undefined> {
    const following = await this.#fetch(message.epoch, message.sequence + 1, deadlineMs);
    return following?.first === message.last + 1 ? following : undefined;
  }

  /** `knownEnd`: the stream does not hold `from` if this is the sequence of its last message. */
  async #search(
    epoch: number,
    from: LogIndex,
    deadlineMs: number,
    knownEnd: number | undefined,
  ): Promise<Message | undefined> {
    if (performance.now() > deadlineMs) return undefined;
    const facts = await this.#streams.look(epoch);
    if (facts.kind === 'unavailable') this.#count(facts);
    if (facts.kind !== 'stream' || facts.lastSequence === knownEnd) return undefined;
    this.counters.searches += 1;
    let low = Math.max(1, facts.firstSequence);
    let high = facts.lastSequence;
    while (low <= high) {
      const middle = low + Math.floor((high - low) / 2);
      const message = await this.#fetch(epoch, middle, deadlineMs);
      if (message === undefined) return undefined;
      if (from < message.first) high = middle - 1;
      else if (from > message.last) low = middle + 1;
      else return message;
    }
    return undefined;
  }

  async #fetch(epoch: number, sequence: number, deadlineMs: number): Promise<Message | undefined> {
    if (performance.now() > deadlineMs) return undefined;
    this.counters.fetches += 1;
    const fetched = await this.#streams.message(epoch, sequence);
    if (fetched.kind === 'unavailable') this.#count(fetched);
    if (fetched.kind !== 'message') return undefined;
    const entries = openMessage(this.#options.frames, fetched.data);
    const first = entries?.[0]?.index;
    if (entries === undefined || first === undefined) {
      this.counters.refused += 1;
      return undefined;
    }
    return { epoch, sequence, first, last: logIndex(first + entries.length - 1), entries };
  }

  #count({ error }: Unavailable): void {
    const { errors } = this.counters;
    errors.set(error, (errors.get(error) ?? 0) + 1);
  }
}
