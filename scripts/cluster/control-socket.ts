/**
 * How another terminal reaches the supervisor: one JSON line to its Unix socket, one JSON line back.
 * The socket's directory belongs to its owner only.
 *
 * The path of a socket may have 107 bytes, which a data directory can exceed: it is named relative to
 * its directory, which is the working directory for the moment of the system call.
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ClusterState } from './cluster-file.ts';
import { CommandError } from './command-error.ts';

export type ControlRequest =
  | { readonly kind: 'start' | 'stop' | 'remove-node' | 'node-added'; readonly name: string }
  /** Without a name: the one that was begun for the same, else the next one. */
  | {
      readonly kind: 'add-node';
      readonly name: string | undefined;
      readonly replaces: string | undefined;
    }
  | { readonly kind: 'status' };

export type ControlReply =
  /** `node` is the one that was added. */
  | { readonly kind: 'done'; readonly state: ClusterState; readonly node?: string }
  | { readonly kind: 'refused'; readonly reason: string };

const NAME = 'control.sock';
const LINE_BYTES_MAX = 1024 * 1024;

export class ControlServer {
  readonly #directory: string;
  readonly #server: Server;

  private constructor(directory: string, server: Server) {
    this.#directory = directory;
    this.#server = server;
  }

  /** The caller holds the directory's lock: a socket that is there is a dead supervisor's. */
  static async listen(
    directory: string,
    handle: (request: ControlRequest) => Promise<ControlReply>,
  ): Promise<ControlServer> {
    rmSync(join(directory, NAME), { force: true });
    const server = createServer((socket) => void serve(socket, handle));
    within(directory, () => server.listen(NAME));
    await once(server, 'listening');
    return new ControlServer(directory, server);
  }

  close(): void {
    within(this.#directory, () => this.#server.close());
    rmSync(join(this.#directory, NAME), { force: true });
  }
}

/** Undefined when no supervisor runs there. */
export async function askSupervisor(
  directory: string,
  request: ControlRequest,
): Promise<ControlReply | undefined> {
  let socket: Socket;
  try {
    socket = within(directory, () => connect(NAME));
    await once(socket, 'connect');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
    throw new CommandError(`cannot reach the cluster's supervisor (${code ?? 'unknown error'})`);
  }
  socket.write(`${JSON.stringify(request)}\n`);
  const line = await readLine(socket);
  socket.destroy();
  if (line === undefined) throw new CommandError("the cluster's supervisor ended meanwhile");
  return JSON.parse(line) as ControlReply;
}

async function serve(
  socket: Socket,
  handle: (request: ControlRequest) => Promise<ControlReply>,
): Promise<void> {
  socket.on('error', () => undefined);
  const line = await readLine(socket);
  if (line === undefined) return;
  const request = parseRequest(line);
  const reply = request === undefined ? NOT_UNDERSTOOD : await handle(request);
  socket.end(`${JSON.stringify(reply)}\n`);
}

const NOT_UNDERSTOOD: ControlReply = { kind: 'refused', reason: 'the request is not understood' };

function parseRequest(line: string): ControlRequest | undefined {
  try {
    const { kind, name, replaces } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (kind === 'status') return { kind };
    if (kind === 'add-node') {
      return isTextOrNone(name) && isTextOrNone(replaces) ? { kind, name, replaces } : undefined;
    }
    if (!isNamed(kind)) return undefined;
    return typeof name === 'string' ? { kind, name } : undefined;
  } catch {
    return undefined;
  }
}

function isTextOrNone(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function isNamed(kind: unknown): kind is 'start' | 'stop' | 'remove-node' | 'node-added' {
  return kind === 'start' || kind === 'stop' || kind === 'remove-node' || kind === 'node-added';
}

/** Undefined when the other end closes before it has sent a line. */
async function readLine(socket: Socket): Promise<string | undefined> {
  let text = '';
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      text += String(chunk);
      if (text.length > LINE_BYTES_MAX) return undefined;
      const end = text.indexOf('\n');
      if (end !== -1) return text.slice(0, end);
    }
    return undefined;
  } catch {
    return undefined;
  }
}

function within<T>(directory: string, action: () => T): T {
  const before = process.cwd();
  process.chdir(directory);
  try {
    return action();
  } finally {
    process.chdir(before);
  }
}
