/**
 * One service process beside a running cluster, with whatever is wrong about it: for processes that
 * must not start, or must do no harm when they do. Its environment is that of a member; a test changes
 * what it needs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { eventually } from '@kvstore/testing';
import type { ClusterProcess } from './cluster-process.ts';
import { root } from './node-process.ts';

export type ServiceApp = 'consensus' | 'storage' | 'gateway';

const running = new Set<ChildProcess>();

/** Ends what a test left running: call it in `afterEach`. */
export async function killLeftoverServices(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    }),
  );
}

export class ServiceProcess {
  readonly #child: ChildProcess;
  #output = '';

  constructor(app: ServiceApp, env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [join(root, `apps/${app}/dist/main.js`)], {
      cwd: root,
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.#child);
    this.#child.once('exit', () => running.delete(this.#child));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
  }

  get output(): string {
    return this.#output;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Everything it wrote, once it has ended by itself with exit code 1. */
  async refusal(): Promise<string> {
    const [code] = (await once(this.#child, 'close')) as [number | null];
    expect({ code, output: this.#output }).toEqual({ code: 1, output: this.#output });
    return this.#output;
  }

  untilLogged(text: string, timeoutMs = 15_000): Promise<void> {
    return eventually(`"${text}" in its log`, () => this.#output.includes(text), timeoutMs).catch(
      (error: unknown) => {
        throw new Error(`${(error as Error).message}:\n${this.#output}`, { cause: error });
      },
    );
  }
}

/** What `npm run cluster` gives a process of this role and name. */
export function serviceEnvironment(
  cluster: ClusterProcess,
  dataDir: string,
  app: ServiceApp,
  name: string,
): Record<string, string> {
  return {
    KVSTORE_DATA_DIR: dataDir,
    KVSTORE_CLUSTER_SECRET_FILE: join(dataDir, 'cluster-secret'),
    KVSTORE_NATS_URL: cluster.file.nats.map(({ url }) => url).join(','),
    KVSTORE_NATS_USER: `${app}-${name}`,
    KVSTORE_NATS_PASSWORD_FILE: join(dataDir, 'cluster/passwords', `${app}-${name}`),
    KVSTORE_HTTP_PORT: '0',
    KVSTORE_GRPC_PORT: '0',
    KVSTORE_METRICS_PORT: '0',
    [app === 'gateway' ? 'KVSTORE_GATEWAY_NAME' : 'KVSTORE_NODE_ID']: name,
  };
}
