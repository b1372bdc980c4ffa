/**
 * A real nats-server for tests: one process on a port of 127.0.0.1, which a test may kill, stop,
 * pause and start again on the same port and the same directory.
 *
 * The binary is KVSTORE_NATS_BIN, which jest's global setup provides. `endAll` ends every server
 * that this process started and removes their directories: it belongs into an `afterAll` or
 * `afterEach`, so that a failed test leaves nothing behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { assert } from '@kvstore/std';

export interface NatsServerOptions {
  readonly jetstream?: boolean;
  /** Text of a configuration file. Address, port and log stay ours. */
  readonly config?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Holds configuration and streams; default: a temporary one, removed at the end. */
  readonly directory?: string;
}

const START_MS_MAX = 10_000;
const LOG_LINES_KEPT = 20;
const LISTENING = /Listening for client connections on .*:(\d+)$/;
const READY = /Server is ready$/;

export class NatsServer {
  static readonly #started = new Set<NatsServer>();

  readonly directory: string;
  readonly #options: NatsServerOptions;
  #port: number;
  #child: ChildProcess | undefined;

  private constructor(options: NatsServerOptions) {
    this.#options = options;
    this.#port = options.port ?? -1;
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), 'nats-server-'));
    mkdirSync(this.directory, { recursive: true });
  }

  /** Resolves when the server accepts clients; rejects with the end of its log when it does not. */
  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(options);
    NatsServer.#started.add(server);
    await server.#launch();
    return server;
  }

  static async endAll(): Promise<void> {
    await Promise.all([...NatsServer.#started].map((server) => server.end()));
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  get pid(): number {
    return this.#running.pid as number;
  }

  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void> {
    return this.#signalAndWait('SIGKILL');
  }

  /** The server's own orderly shutdown; resolves when the process is gone. */
  stop(): Promise<void> {
    this.resume();
    return this.#signalAndWait('SIGTERM');
  }

  /** Starts it again on the same port and directory; kills it first when it runs. */
  async restart(): Promise<void> {
    if (this.#child !== undefined) await this.kill();
    await this.#launch();
  }

  /** SIGSTOP: connections stay open and nothing is answered. */
  pause(): void {
    this.#running.kill('SIGSTOP');
  }

  resume(): void {
    this.#running.kill('SIGCONT');
  }

  /** Kills it when it runs, and removes its directory unless that was given. */
  async end(): Promise<void> {
    NatsServer.#started.delete(this);
    if (this.#child !== undefined) await this.kill();
    if (this.#options.directory === undefined) rmSync(this.directory, { recursive: true });
  }

  get #running(): ChildProcess {
    assert(this.#child !== undefined, 'the nats-server does not run');
    return this.#child;
  }

  async #signalAndWait(signal: NodeJS.Signals): Promise<void> {
    const child = this.#running;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  async #launch(): Promise<void> {
    const child = spawn(process.env['KVSTORE_NATS_BIN'] ?? 'nats-server', this.#flags(), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.once('exit', () => {
      this.#child = undefined;
    });
    this.#child = child;
    try {
      this.#port = await readyPort(child);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  #flags(): readonly string[] {
    const flags = ['-a', '127.0.0.1', '-p', String(this.#port)];
    if (this.#options.jetstream === true) flags.push('-js', '-sd', this.directory);
    if (this.#options.config !== undefined) {
      const file = join(this.directory, 'nats.conf');
      writeFileSync(file, this.#options.config);
      flags.push('-c', file);
    }
    return flags;
  }
}

/** Reads the log up to the line that says that clients may come, and drains it from then on. */
function readyPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const log: string[] = [];
    let port = 0;
    const fail = (why: string): void =>
      reject(new Error(`nats-server did not start: ${why}\n${log.join('\n')}`));
    const timer = setTimeout(() => fail(`not ready in ${START_MS_MAX} ms`), START_MS_MAX);
    assert(child.stderr !== null, 'the log is piped');
    createInterface({ input: child.stderr }).on('line', (line) => {
      log.push(line);
      if (log.length > LOG_LINES_KEPT) log.shift();
      port = Number(LISTENING.exec(line)?.[1] ?? port);
      if (!READY.test(line)) return;
      clearTimeout(timer);
      resolve(port);
    });
    child.once('error', (error) => fail(error.message));
    // Why `close`: unlike `exit` it comes after the last line of the log.
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      fail(`it ended with ${code ?? signal}`);
    });
  });
}
