/**
 * A real node as a real process: started from the built files, killed with real signals. Ports are
 * ephemeral and read from what the process prints.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');
const MAIN = join(root, 'apps/standalone/dist/main.js');

const running = new Set<ChildProcess>();

/** Ends what a failed test left running: call it in `afterEach`. */
export function killLeftovers(): void {
  for (const child of running) child.kill('SIGKILL');
}

export interface NodeOptions {
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

export class NodeProcess {
  readonly #child: ChildProcess;
  readonly #output: { text: string };
  readonly rest: string;
  readonly metrics: string;

  private constructor(child: ChildProcess, output: { text: string }) {
    this.#child = child;
    this.#output = output;
    this.rest = address(output.text, /REST\s+(http:\/\/\S+)/);
    this.metrics = address(output.text, /metrics\s+(http:\/\/\S+)/);
  }

  /** Resolves when the node has printed its addresses; rejects with its output when it exits. */
  static async start(options: NodeOptions): Promise<NodeProcess> {
    const { child, output } = launch(options);
    const exited = once(child, 'exit').then(([code]) => {
      throw new Error(`the node exited with ${String(code)}: ${output.text}`);
    });
    const serving = new Promise<void>((resolve) => {
      child.stdout?.on('data', () => {
        if (output.text.includes('curl')) resolve();
      });
    });
    await Promise.race([serving, exited]);
    exited.catch(() => undefined);
    return new NodeProcess(child, output);
  }

  /** Runs a node that is expected not to start. */
  static async startFails(
    options: NodeOptions,
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    const { child, output } = launch(options);
    const [code] = (await once(child, 'exit')) as [number | null];
    return { code, output: output.text };
  }

  get output(): string {
    return this.#output.text;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  url(key: string, query = ''): string {
    const path = key.split('/').map(encodeURIComponent).join('/');
    return `${this.rest}/api/v1/keys/${path}${query}`;
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** The exit code of a graceful stop. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  /** Resolves with the exit code when the process ends by itself. */
  async exited(): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null)
      return this.#child.exitCode;
    const [code] = (await once(this.#child, 'exit')) as [number | null];
    return code;
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null)
      return this.#child.exitCode;
    const exit = once(this.#child, 'exit');
    this.#child.kill(signal);
    const [code] = (await exit) as [number | null];
    return code;
  }
}

function launch({ dataDir, env, args }: NodeOptions) {
  const child = spawn(process.execPath, [MAIN, ...(args ?? [])], {
    cwd: dataDir,
    env: {
      PATH: process.env['PATH'],
      KVSTORE_DATA_DIR: join(dataDir, 'data'),
      KVSTORE_HTTP_PORT: '0',
      KVSTORE_GRPC_PORT: '0',
      KVSTORE_METRICS_PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const output = { text: '' };
  const collect = (chunk: Buffer): void => {
    output.text += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  return { child, output };
}

function address(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`no address ${pattern} in: ${text}`);
  return found;
}
