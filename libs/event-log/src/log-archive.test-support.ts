/**
 * A committed log with the leaders that see it, a real nats-server, and archivers on connections of
 * their own: for tests of what ends up in the streams.
 */
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from 'nats';
import {
  decodeArchived,
  encodeEntryBody,
  FrameCodec,
  FrameKind,
  type LogEntry,
  logStreamName,
  SenderRole,
  Subjects,
} from '@kvstore/contract';
import type { ArchiveSource, ArchiveState } from '@kvstore/sequencer';
import { logIndex, type LogIndex, logTimeMs, SeededRandom, term } from '@kvstore/std';
import {
  eventually,
  makeBody,
  makeEntries,
  NatsServer,
  realClock,
  realTimers,
} from '@kvstore/testing';
import { sealMessage } from './archive-message.ts';
import { Archiver, type ArchiverOptions } from './archiver.ts';
import type { ArchiverConfig } from './archiver-config.ts';
import type { ArchiverEvent } from './archiver-report.ts';
import { StreamArchive } from './stream-archive.ts';

export const CLUSTER = 'test';
export const GROUP = 'g0';
const SECRET = new Uint8Array(32).fill(7);

/** Everything that takes seconds takes milliseconds. */
export const QUICK: Partial<ArchiverConfig> = {
  lingerMs: 5,
  idlePauseMs: 5,
  callTimeoutMs: 1_000,
  retryMsMin: 5,
  retryMsMax: 50,
  confirmLossMs: 40,
  inspectPeriodMs: 100,
  epochPauseMsMin: 10,
  epochPauseMsMax: 20,
};

export function framesOf(role: SenderRole, name: string): FrameCodec {
  const sender = { role, name, incarnation: 1 };
  return new FrameCodec({ cluster: CLUSTER, group: GROUP, secret: SECRET, sender });
}

/** All of it is committed; the entry that begins an epoch is, a moment after it was proposed. */
export class TestLog {
  readonly entries: LogEntry[] = [];
  #epoch = 0;
  #term = 0;
  readonly #seed: number;

  constructor(seed = 1) {
    this.#seed = seed;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get lastIndex(): LogIndex {
    return logIndex(this.entries.length);
  }

  append(count: number, bodyBytes = 100): void {
    for (let i = 0; i < count; i++) this.#append(bodyBytes);
  }

  beginEpoch(): void {
    this.#epoch += 1;
    this.#append(0);
  }

  /** A new leader, in a new term; those before it still believe that they lead. */
  elect(): TestLeader {
    this.#term += 1;
    this.#append(0);
    return new TestLeader(this, this.#term);
  }

  #append(bodyBytes: number): void {
    const stamp = logTimeMs(1_000 * this.#seed + this.entries.length);
    const batches = bodyBytes === 0 ? [] : [makeBody(bodyBytes, this.entries.length)];
    const body = encodeEntryBody({ stamp, epoch: this.#epoch }, batches);
    this.entries.push(...makeEntries(this.entries.at(-1), this.#term, [body]));
  }
}

/** What one node that leads, or believes to, sees of the log. */
export class TestLeader implements ArchiveSource {
  leads = true;
  /** Sees nothing committed above: it was paused, and others lead. Its proposals come to nothing. */
  paused: ArchiveState | undefined;
  /** On the monotonic clock, of every epoch that it has proposed. */
  readonly proposedAtMs: number[] = [];
  readonly #log: TestLog;
  readonly #term: number;
  #proposed = 0;

  constructor(log: TestLog, inTerm: number) {
    this.#log = log;
    this.#term = inTerm;
  }

  get state(): ArchiveState | undefined {
    if (!this.leads) return undefined;
    return this.paused ?? this.now();
  }

  pause(): void {
    this.paused = this.now();
  }

  async read(from: LogIndex, maxBytes: number): Promise<readonly LogEntry[]> {
    const commitIndex = this.state?.commitIndex ?? 0;
    const found: LogEntry[] = [];
    let bytes = 0;
    for (const entry of this.#log.entries.slice(from - 1, commitIndex)) {
      bytes += entry.body.length;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
    }
    return found;
  }

  beginEpoch(): void {
    const { state } = this;
    if (state === undefined || this.#proposed > state.epoch) return;
    this.proposedAtMs.push(performance.now());
    this.#proposed = state.epoch + 1;
    if (this.paused === undefined) setImmediate(() => this.#log.beginEpoch());
  }

  archived(): void {
    // This log is never cut.
  }

  now(): ArchiveState {
    return {
      term: term(this.#term),
      epoch: this.#log.epoch,
      commitIndex: this.#log.lastIndex,
      firstIndex: logIndex(1),
    };
  }
}

/** An archiver with its own connection, as in a process of its own. */
export interface RunningArchiver {
  readonly archiver: Archiver;
  readonly events: readonly ArchiverEvent[];
  readonly connection: NatsConnection;
  /** As if its process were killed: nothing that is under way is waited for. */
  kill(): Promise<void>;
}

export class Harness {
  readonly server: NatsServer;
  /** Somebody with every right. */
  readonly admin: NatsConnection;
  readonly manager: JetStreamManager;
  readonly failures: unknown[] = [];
  readonly #running = new Set<RunningArchiver>();
  readonly #connections: NatsConnection[] = [];
  #seed = 1;

  private constructor(server: NatsServer, admin: NatsConnection, manager: JetStreamManager) {
    this.server = server;
    this.admin = admin;
    this.manager = manager;
  }

  static async start(options: { readonly jetstream?: boolean; readonly config?: string } = {}) {
    const server = await NatsServer.start({ jetstream: true, ...options });
    const admin = await connectTo(server.url, { user: 'admin', pass: 'admin' });
    const manager = await jetstreamManager(admin, { timeout: 2_000, checkAPI: false });
    return new Harness(server, admin, manager);
  }

  async archive(
    source: ArchiveSource,
    options: Partial<ArchiverOptions> & { readonly url?: string; readonly user?: string } = {},
  ): Promise<RunningArchiver> {
    const { url = this.server.url, user = 'admin', config, ...rest } = options;
    const connection = await this.connect(url, user);
    const events: ArchiverEvent[] = [];
    const archiver = new Archiver({
      source,
      connection,
      cluster: CLUSTER,
      group: GROUP,
      frames: framesOf(SenderRole.consensus, 'node-1'),
      clock: realClock,
      timers: realTimers,
      random: new SeededRandom(this.#seed++),
      config: { ...QUICK, ...config },
      onEvent: (event) => events.push(event),
      onFatal: (error) => this.failures.push(error),
      ...rest,
    });
    archiver.start();
    const running: RunningArchiver = {
      archiver,
      events,
      connection,
      kill: async () => {
        this.#running.delete(running);
        const stopped = archiver.stop();
        await connection.close();
        await stopped;
      },
    };
    this.#running.add(running);
    return running;
  }

  async reader(user = 'admin'): Promise<{ archive: StreamArchive; frames: FrameCodec }> {
    const connection = await this.connect(this.server.url, user);
    const frames = framesOf(SenderRole.storage, 'node-1');
    const archive = new StreamArchive({ connection, cluster: CLUSTER, group: GROUP, frames });
    return { archive, frames };
  }

  async connect(url: string, user: string): Promise<NatsConnection> {
    const connection = await connectTo(url, { user, pass: user });
    this.#connections.push(connection);
    return connection;
  }

  streamName(epoch: number): string {
    return logStreamName(CLUSTER, GROUP, epoch);
  }

  subject(epoch: number): string {
    return new Subjects(CLUSTER, GROUP).log(epoch);
  }

  /** As an archiver of this epoch appends. */
  async append(
    epoch: number,
    entries: readonly LogEntry[],
    lastSequence: number,
    msgID = `${epoch}-${entries[0]?.index}`,
  ): Promise<void> {
    const { created } = await this.manager.streams.info(this.streamName(epoch));
    const messageHeaders = headers();
    messageHeaders.set('Kv-Stream-Created', created);
    const frame = sealMessage(framesOf(SenderRole.consensus, 'node-9'), term(1), entries);
    await jetstream(this.admin, { timeout: 500 }).publish(this.subject(epoch), frame, {
      headers: messageHeaders,
      msgID,
      expect: { lastSequence },
    });
  }

  /** The entries of every message of an epoch's stream. */
  async messages(epoch: number): Promise<readonly (readonly LogEntry[])[]> {
    const frames = framesOf(SenderRole.storage, 'reader');
    const { state } = await this.manager.streams.info(this.streamName(epoch));
    const messages: (readonly LogEntry[])[] = [];
    for (let sequence = 1; sequence <= state.last_seq; sequence++) {
      const stored = await this.manager.streams.getMessage(this.streamName(epoch), {
        seq: sequence,
      });
      const opened = frames.receive(stored?.data ?? NOTHING, FrameKind.archive, decodeArchived);
      messages.push(opened?.body.entries ?? []);
    }
    return messages;
  }

  /** The epoch's stream holds the log: every entry, once, in order, with the same bytes. */
  async expectWhole(epoch: number, log: TestLog): Promise<void> {
    const messages = await this.messages(epoch);
    const foreign = messages.flatMap(({ length }, place) => (length === 0 ? [place + 1] : []));
    expect({ messages: messages.length, foreign }).toEqual({
      messages: messages.length,
      foreign: [],
    });
    expect(messages.flat().map(summary)).toEqual(log.entries.map(summary));
  }

  /** Until the archiver has appended all that is committed. */
  level({ archiver }: RunningArchiver, log: TestLog, timeoutMs = 10_000): Promise<void> {
    return eventually(
      'the archive is level with the log',
      () => {
        const { phase, archivedIndex } = archiver.status();
        return phase === 'archiving' && archivedIndex === log.lastIndex;
      },
      timeoutMs,
    );
  }

  async end(): Promise<void> {
    await Promise.all([...this.#running].map((each) => each.kill()));
    await Promise.all(this.#connections.map((each) => each.close()));
    await this.admin.close();
    await NatsServer.endAll();
    expect(this.failures).toEqual([]);
  }
}

const NOTHING = new Uint8Array(0);

function connectTo(url: string, login: { readonly user: string; readonly pass: string }) {
  return connect({
    servers: url,
    ...login,
    inboxPrefix: login.user === 'admin' ? '_INBOX' : `kv.${CLUSTER}.inbox.${login.user}.node-1`,
    // As processes do, whose first connection may meet a server that is just coming back.
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 20,
  });
}

function summary({ index, term: inTerm, kind, chain, body }: LogEntry): string {
  return `${index} ${inTerm} ${kind} ${chain} ${Buffer.from(body).toString('base64url')}`;
}
