/**
 * A real local cluster: `npm run cluster`'s supervisor as a process of its own, with free ports in a
 * data directory of the test's. Processes are named as in `cluster.json`, killed with real signals by
 * their pid, and started again by the command line, as a user would.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@kvstore/testing';
import { root } from './node-process.ts';

const MAIN = join(root, 'scripts/cluster/main.ts');
const NODE_FLAGS = ['--conditions=kvstore-source', '--disable-warning=ExperimentalWarning'];

export interface ClusterFile {
  readonly supervisor_pid: number;
  readonly processes: readonly ClusterMember[];
  readonly gateways: readonly {
    readonly name: string;
    readonly http: string;
    readonly grpc: string;
  }[];
  readonly nats: readonly { readonly name: string; readonly url: string; readonly pid: number }[];
}

export interface ClusterMember {
  readonly name: string;
  readonly app: 'consensus' | 'storage' | 'gateway' | 'nats';
  readonly node: string | null;
  readonly pid: number;
  readonly state: 'running' | 'exited';
  readonly metrics: string | null;
  readonly log: string;
}

export interface MemberStatus {
  readonly node: string;
  readonly raft_state: string | null;
  readonly healthy: boolean;
  readonly storage: {
    readonly applied_index: number;
    readonly chain: number;
    readonly healthy: boolean;
  } | null;
}

export interface StatusAnswer {
  readonly cluster_id: string | null;
  readonly groups: readonly {
    readonly term: number | null;
    readonly leader: string | null;
    readonly commit_index: number | null;
    readonly members: readonly MemberStatus[];
  }[];
}

export interface ClusterOptions {
  readonly dataDir: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const running = new Set<ChildProcess>();

/** Ends what a failed test left running: call it in `afterEach`. */
export async function killLeftoverClusters(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    }),
  );
}

export class ClusterProcess {
  readonly #child: ChildProcess;
  readonly dataDir: string;
  readonly #output: { text: string };

  private constructor(child: ChildProcess, dataDir: string, output: { text: string }) {
    this.#child = child;
    this.dataDir = dataDir;
    this.#output = output;
  }

  /** Resolves when every gateway is ready and every storage keeps up. */
  static async start(options: ClusterOptions): Promise<ClusterProcess> {
    const cluster = ClusterProcess.launch(options);
    await cluster.untilReady();
    return cluster;
  }

  /** Resolves at once; `untilReady` tells when it serves. */
  static launch({ dataDir, args = [], env = {} }: ClusterOptions): ClusterProcess {
    const ports = ['--http-port', '--grpc-port', '--metrics-port', '--nats-port'];
    const flags = ports.flatMap((flag) => [flag, '0']);
    const child = spawn(
      process.execPath,
      [...NODE_FLAGS, MAIN, '--data-dir', dataDir, ...flags, ...args],
      {
        cwd: root,
        env: {
          PATH: process.env['PATH'],
          KVSTORE_NATS_BIN: process.env['KVSTORE_NATS_BIN'],
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    running.add(child);
    child.once('exit', () => running.delete(child));
    const output = { text: '' };
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output.text += chunk.toString();
      });
    }
    return new ClusterProcess(child, dataDir, output);
  }

  get output(): string {
    return this.#output.text;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** `cluster.json` as it is now; undefined before it exists. */
  get file(): ClusterFile {
    return JSON.parse(readFileSync(join(this.dataDir, 'cluster.json'), 'utf8')) as ClusterFile;
  }

  get http(): readonly string[] {
    return this.file.gateways.map((gateway) => gateway.http);
  }

  get grpc(): readonly string[] {
    return this.file.gateways.map((gateway) => gateway.grpc);
  }

  member(name: string): ClusterMember {
    const found = this.file.processes.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no process ${name}`);
    return found;
  }

  names(...apps: readonly ClusterMember['app'][]): readonly string[] {
    return this.file.processes.filter(({ app }) => apps.includes(app)).map(({ name }) => name);
  }

  async untilReady(timeoutMs = 30_000): Promise<void> {
    await eventually(
      `the cluster is ready:\n${this.output}`,
      async () => {
        if (this.#child.exitCode !== null) {
          throw new Error(`the supervisor exited with ${this.#child.exitCode}: ${this.output}`);
        }
        return this.#isReady();
      },
      timeoutMs,
    );
  }

  async #isReady(): Promise<boolean> {
    try {
      const ready = await Promise.all(this.http.map((http) => fetch(`${http}/readyz`)));
      return ready.every((response) => response.status === 200);
    } catch {
      return false;
    }
  }

  /** By the first gateway; rejects while that does not answer. */
  async status(): Promise<StatusAnswer> {
    const response = await fetch(`${this.http[0]}/api/v1/admin/status?timeout=500ms`);
    return (await response.json()) as StatusAnswer;
  }

  /** Name of the consensus process that leads. */
  async leader(): Promise<string> {
    let name: string | undefined;
    await eventually('there is a leader', async () => {
      const [group] = (await this.status()).groups;
      name = this.file.processes.find(
        ({ app, node }) => app === 'consensus' && node === group?.leader,
      )?.name;
      return name !== undefined;
    });
    return name as string;
  }

  signal(name: string, signal: NodeJS.Signals): void {
    process.kill(this.member(name).pid, signal);
  }

  /** SIGKILL; resolves when the supervisor knows that it is dead. */
  async kill(...names: readonly string[]): Promise<void> {
    for (const name of names) this.signal(name, 'SIGKILL');
    await eventually(`${names.join(', ')} dead`, () =>
      names.every((name) => this.member(name).state === 'exited'),
    );
  }

  /** `npm run cluster -- start NAME` of each; resolves when they are spawned. */
  async startAgain(...names: readonly string[]): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        const { code, output } = await this.command('start', name);
        if (code !== 0) throw new Error(`start ${name}: ${output}`);
      }),
    );
  }

  async command(
    ...words: readonly string[]
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    const child = spawn(
      process.execPath,
      [...NODE_FLAGS, MAIN, ...words, '--data-dir', this.dataDir],
      { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }

  /** Every storage has applied everything, to the same chain. */
  async untilEqual(
    timeoutMs = 20_000,
  ): Promise<{ readonly index: number; readonly chain: number }> {
    let same: { readonly index: number; readonly chain: number } | undefined;
    await eventually(
      'all storages equal',
      async () => {
        const [group] = (await this.status()).groups;
        const storages = group?.members.map(({ storage }) => storage) ?? [];
        const [first] = storages;
        if (first === undefined || first === null) return false;
        same = { index: first.applied_index, chain: first.chain };
        return (
          first.applied_index === group?.commit_index &&
          storages.every(
            (each) => each?.applied_index === first.applied_index && each.chain === first.chain,
          )
        );
      },
      timeoutMs,
    );
    return same as { readonly index: number; readonly chain: number };
  }

  /** No process has ended. */
  expectAllRun(): void {
    const states = this.file.processes.map(({ name, state }) => `${name} ${state}`);
    expect(states.filter((each) => !each.endsWith('running'))).toEqual([]);
  }

  /** No nats-server has refused a process a subject: it would miss what it was never told. */
  expectNothingForbidden(): void {
    const lines = this.names('nats').flatMap((name) => this.log(name).split('\n'));
    expect(lines.filter((line) => line.includes('Violation'))).toEqual([]);
  }

  /** What the process answers at /metrics. */
  async metrics(name: string): Promise<string> {
    const response = await fetch(this.member(name).metrics as string);
    return response.text();
  }

  /** The sum of a metric over its series, or over those with a label that is given; NaN where there is none. */
  async metric(process: string, metric: string, label = ''): Promise<number> {
    const lines = (await this.metrics(process)).split('\n');
    const values = lines
      .filter((line) => /^\w+/.exec(line)?.[0] === metric && line.includes(label))
      .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
    return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value);
  }

  /** What the process has written to its log. */
  log(name: string): string {
    return readFileSync(this.member(name).log, 'utf8');
  }

  /** The exit code of an orderly stop of everything. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode !== null) return this.#child.exitCode;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const [code] = (await exit) as [number | null];
    return code;
  }
}
