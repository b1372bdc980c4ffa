/**
 * The streams of one group's log in JetStream, one per epoch: the few calls that are made to them.
 *
 * Every call is one request with a time-out, and every outcome is a value; there are no retries in
 * here. Nothing here deletes or purges, and the streams are created so that the server refuses both.
 * Asks for nothing newer than nats-server 2.9.10.
 */
import {
  DiscardPolicy,
  jetstream,
  type JetStreamClient,
  jetstreamManager,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { headers, type NatsConnection } from 'nats';
import { logStreamName, Subjects } from '@kvstore/contract';
import type { LogIndex } from '@kvstore/std';
import { apiCodeOf, hadNoResponders, StreamErrorKind, streamErrorKind } from './stream-error.ts';

/** The call may or may not have been carried out. */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly error: StreamErrorKind;
  readonly detail: string;
}

/** What the server says of a stream. Sequences begin at 1; 0: none. */
export interface StreamFacts {
  readonly kind: 'stream';
  /** Tells a stream from one that was made again under its name. */
  readonly created: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly messages: number;
  /** What is published on the epoch's subject goes to it. */
  readonly takesSubject: boolean;
}

/** Where the next message goes. */
export interface StreamEnd {
  readonly created: string;
  /** Of the last message; 0: none. */
  readonly sequence: number;
  /** The first entry that the stream does not hold. */
  readonly next: LogIndex;
}

export type Looked = StreamFacts | { readonly kind: 'missing' } | Unavailable;

export type Created =
  | { readonly kind: 'created' }
  /** There is a stream of this name, and it is not as we make them. */
  | { readonly kind: 'occupied' }
  | Unavailable;

export type Appended =
  | { readonly kind: 'appended' }
  /** Not at the end where it belongs, known already, or no such stream: the stream is not as it was. */
  | { readonly kind: 'misplaced' }
  | Unavailable;

export type Fetched =
  | {
      readonly kind: 'message';
      readonly data: Uint8Array;
      /** Creation of the stream that its archiver meant to append to; '' when it does not say. */
      readonly streamCreated: string;
    }
  | { readonly kind: 'missing' }
  | Unavailable;

export interface LogStreamsOptions {
  readonly connection: NatsConnection;
  readonly cluster: string;
  readonly group: string;
  readonly callTimeoutMs: number;
}

/**
 * A sequence that is expected can be that of a stream made again with as many messages. The archiver
 * then finds out at its next inspection; its successor, which does not know the old stream, by this.
 */
const STREAM_CREATED_HEADER = 'Kv-Stream-Created';

/** For retries of a message whose acknowledgement was lost; the expected sequence protects longer. */
const DUPLICATE_WINDOW_NS = 120e9;

/** Codes of nats-server's `errors.json`. */
const ApiCode = {
  noMessageFound: 10_037,
  streamNameInUse: 10_058,
  streamNotFound: 10_059,
  streamNotMatch: 10_060,
  streamWrongLastSequence: 10_071,
} as const;

interface Clients {
  readonly manager: JetStreamManager;
  readonly client: JetStreamClient;
}

export class LogStreams {
  readonly #options: LogStreamsOptions;
  readonly #subjects: Subjects;
  #clients: Promise<Clients> | undefined;

  constructor(options: LogStreamsOptions) {
    this.#options = options;
    this.#subjects = new Subjects(options.cluster, options.group);
  }

  nameOf(epoch: number): string {
    return logStreamName(this.#options.cluster, this.#options.group, epoch);
  }

  /** Whether there is a JetStream at all. */
  async probe(): Promise<{ readonly kind: 'available' } | Unavailable> {
    return this.#call(async ({ manager }) => {
      await manager.getAccountInfo();
      return { kind: 'available' };
    });
  }

  async look(epoch: number): Promise<Looked> {
    return this.#call<Looked>(
      async ({ manager }) =>
        factsOf(await manager.streams.info(this.nameOf(epoch)), this.#subjects.log(epoch)),
      (error) => (apiCodeOf(error) === ApiCode.streamNotFound ? { kind: 'missing' } : undefined),
    );
  }

  /** Also 'created' when the very same stream exists already, whatever it holds. */
  async create(epoch: number): Promise<Created> {
    return this.#call<Created>(
      async ({ manager }) => {
        await manager.streams.add({
          name: this.nameOf(epoch),
          subjects: [this.#subjects.log(epoch)],
          retention: RetentionPolicy.Limits,
          storage: StorageType.File,
          num_replicas: 1,
          max_msgs: -1,
          max_bytes: -1,
          max_age: 0,
          discard: DiscardPolicy.New,
          duplicate_window: DUPLICATE_WINDOW_NS,
          deny_delete: true,
          deny_purge: true,
        });
        return { kind: 'created' };
      },
      (error) => (apiCodeOf(error) === ApiCode.streamNameInUse ? { kind: 'occupied' } : undefined),
    );
  }

  /** Appends `frame`, whose first entry is at `end.next`. */
  async append(epoch: number, frame: Uint8Array, end: StreamEnd): Promise<Appended> {
    return this.#call<Appended>(
      async ({ client }) => {
        const messageHeaders = headers();
        messageHeaders.set(STREAM_CREATED_HEADER, end.created);
        const { seq, duplicate } = await client.publish(this.#subjects.log(epoch), frame, {
          msgID: `${epoch}-${end.next}`,
          headers: messageHeaders,
          timeout: this.#options.callTimeoutMs,
          expect: { streamName: this.nameOf(epoch), lastSequence: end.sequence },
        });
        // Why a duplicate is misplaced: it may have been another leader's, of other length.
        return { kind: !duplicate && seq === end.sequence + 1 ? 'appended' : 'misplaced' };
      },
      (error) => {
        const code = apiCodeOf(error);
        const misplaced =
          hadNoResponders(error) ||
          code === ApiCode.streamWrongLastSequence ||
          code === ApiCode.streamNotMatch;
        return misplaced ? { kind: 'misplaced' } : undefined;
      },
    );
  }

  async message(epoch: number, sequence: number): Promise<Fetched> {
    return this.#call<Fetched>(
      async ({ manager }) => {
        const stored = await manager.streams.getMessage(this.nameOf(epoch), { seq: sequence });
        if (stored === null) return { kind: 'missing' };
        const streamCreated = stored.header.get(STREAM_CREATED_HEADER);
        return { kind: 'message', data: stored.data, streamCreated };
      },
      (error) => {
        const code = apiCodeOf(error);
        const missing = code === ApiCode.streamNotFound || code === ApiCode.noMessageFound;
        return missing ? { kind: 'missing' } : undefined;
      },
    );
  }

  async #call<Result>(
    call: (clients: Clients) => Promise<Result>,
    expected: (error: unknown) => Result | undefined = () => undefined,
  ): Promise<Result | Unavailable> {
    const { connection } = this.#options;
    // Why: what is asked while disconnected waits in the client and is sent long after its time-out.
    if (connection.info === undefined) {
      return { kind: 'unavailable', error: StreamErrorKind.disconnected, detail: 'not connected' };
    }
    try {
      this.#clients ??= this.#connect();
      return await call(await this.#clients);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return expected(error) ?? { kind: 'unavailable', error: streamErrorKind(error), detail };
    }
  }

  async #connect(): Promise<Clients> {
    const { connection, callTimeoutMs } = this.#options;
    const options = { timeout: callTimeoutMs, checkAPI: false };
    const manager = await jetstreamManager(connection, options);
    return { manager, client: jetstream(connection, options) };
  }
}

function factsOf({ created, config, state }: StreamInfo, subject: string): StreamFacts {
  return {
    kind: 'stream',
    created,
    firstSequence: state.first_seq,
    lastSequence: state.last_seq,
    messages: state.messages,
    takesSubject: config.subjects.includes(subject),
  };
}
