/** The command as a test uses it: a supervisor over stand-ins, and commands of another terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@kvstore/testing';
import type { ClusterState, ProcessEntry } from './cluster-file.ts';

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A data directory, the supervisors that a test starts on it, and an end of all of them. */
export class ClusterHarness {
  readonly dataDir: string;
  readonly #root: string;
  readonly #supervisors: ChildProcess[] = [];

  constructor(name = 'data') {
    this.#root = mkdtempSync(join(tmpdir(), 'kvstore-cluster-'));
    this.dataDir = join(this.#root, name);
  }

  /** A new cluster of one node unless the flags say otherwise, on free ports. */
  start(...flags: string[]): SupervisorProcess {
    const free = ['--http-port', '--grpc-port', '--metrics-port', '--nats-port'];
    const ports = free.filter((flag) => !flags.includes(flag)).flatMap((flag) => [flag, '0']);
    const isNew = !existsSync(join(this.dataDir, 'cluster.json'));
    const nodes = flags.includes('--nodes') || !isNew ? [] : ['--nodes', '1'];
    const child = this.#run('stand-in-cluster.test-support.ts', [...nodes, ...ports, ...flags]);
    this.#supervisors.push(child);
    return new SupervisorProcess(child, this.dataDir);
  }

  /** `npm run cluster -- …` without npm. */
  command(...words: string[]): Promise<Finished> {
    return finished(this.#run('main.ts', words));
  }

  /** What a process of this name does from its next start. */
  behave(name: string, behaviour: string): void {
    mkdirSync(join(this.dataDir, 'behaviour'), { recursive: true });
    writeFileSync(join(this.dataDir, 'behaviour', name), behaviour);
  }

  /** Names in the order in which they were stopped. */
  get stopOrder(): readonly string[] {
    return readFileSync(join(this.dataDir, 'events'), 'utf8').trim().split('\n');
  }

  async end(): Promise<void> {
    const pids = this.#supervisors.flatMap(({ pid }) => pid ?? []);
    const children = livingPids(this.dataDir);
    for (const pid of [...pids, ...children]) killIfAlive(pid);
    await eventually('everything has ended', () => livingPids(this.dataDir).length === 0);
    rmSync(this.#root, { recursive: true, force: true });
  }

  #run(script: string, words: readonly string[]): ChildProcess {
    return spawn(
      process.execPath,
      ['--conditions=kvstore-source', join(__dirname, script), ...words],
      {
        env: {
          PATH: process.env['PATH'],
          KVSTORE_DATA_DIR: this.dataDir,
          NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
  }
}

export class SupervisorProcess {
  readonly finished: Promise<Finished>;
  readonly #child: ChildProcess;
  readonly #dataDir: string;
  #out = '';
  #err = '';

  constructor(child: ChildProcess, dataDir: string) {
    this.#child = child;
    this.#dataDir = dataDir;
    child.stdout?.on('data', (chunk: Buffer) => (this.#out += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.#err += chunk.toString()));
    this.finished = once(child, 'close').then(([code]) => ({
      code: code as number | null,
      out: this.#out,
      err: this.#err,
    }));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get err(): string {
    return this.#err;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async ready(): Promise<ClusterState> {
    await eventually(`ready: ${this.#err}`, () => this.#out.includes('is ready'), 20_000);
    const logs = this.state().processes.filter(({ state }) => state === 'running');
    const isUp = ({ log }: ProcessEntry): boolean => readFileSync(log).length > 0;
    await eventually('the stand-ins listen to signals', () => logs.every(isUp));
    return this.state();
  }

  /** Its own `cluster.json`, as soon as it has written one. */
  async spawned(): Promise<ClusterState> {
    await eventually('cluster.json', () => this.#read()?.supervisor_pid === this.pid);
    return this.state();
  }

  state(): ClusterState {
    return JSON.parse(readFileSync(join(this.#dataDir, 'cluster.json'), 'utf8')) as ClusterState;
  }

  entry(name: string): ProcessEntry {
    return this.state().processes.find((each) => each.name === name) as ProcessEntry;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #read(): ClusterState | undefined {
    try {
      return this.state();
    } catch {
      return undefined;
    }
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

export function killIfAlive(pid: number): void {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL');
}

export function livingPids(dataDir: string): readonly number[] {
  try {
    const text = readFileSync(join(dataDir, 'cluster.json'), 'utf8');
    const { processes } = JSON.parse(text) as ClusterState;
    return processes.flatMap(({ pid }) => (pid !== null && isAlive(pid) ? [pid] : []));
  } catch {
    return [];
  }
}

function finished(child: ChildProcess): Promise<Finished> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return once(child, 'close').then(([code]) => ({ code: code as number | null, out, err }));
}
