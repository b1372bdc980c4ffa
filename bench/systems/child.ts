/**
 * A process of a system under test. It has a process group of its own, so that Ctrl-C reaches it only
 * through the teardown; the end of what it prints is kept for the message when it fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NamedProcess } from '../measure/process-usage.ts';
import type { Teardown } from '../teardown.ts';

const OUTPUT_CHARACTERS_MAX = 4_000;
const STOP_GRACE_MS = 30_000;

export interface ChildOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** All of its environment but PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
}

export class Child {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #output = '';

  /** The teardown stops it. */
  constructor({ name, command, args, env }: ChildOptions, teardown: Teardown) {
    this.#name = name;
    this.#child = spawn(command, args, {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#exited = once(this.#child, 'exit').catch((error: unknown) => this.#keep(String(error)));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => this.#keep(chunk.toString()));
    }
    teardown.add(() => this.stop());
  }

  /** Throws when it has ended. */
  get process(): NamedProcess {
    if (!this.#runs()) throw new Error(`${this.#name} has ended\n${this.#output}`);
    return { name: this.#name, pid: this.#child.pid as number };
  }

  get output(): string {
    return this.#output;
  }

  /** Polls until `probe` has an answer; rejects when the process ends or the time is over. */
  async until<T>(
    what: string,
    probe: () => Promise<T | undefined> | T | undefined,
    { timeoutMs = 60_000, everyMs = 20 } = {},
  ): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    while (this.#runs() && performance.now() < deadline) {
      const found = await probe();
      if (found !== undefined) return found;
      await Promise.race([sleep(everyMs), this.#exited]);
    }
    const reason = this.#runs() ? `not ${what} after ${timeoutMs} ms` : 'ended';
    throw new Error(`${this.#name}: ${reason}\n${this.#output}`);
  }

  /** SIGTERM, and when that does not end it SIGKILL for its whole process group. */
  async stop(): Promise<void> {
    if (!this.#runs()) return;
    this.#child.kill('SIGTERM');
    const late = setTimeout(
      () => process.kill(-(this.#child.pid as number), 'SIGKILL'),
      STOP_GRACE_MS,
    );
    await this.#exited;
    clearTimeout(late);
  }

  #runs(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  #keep(text: string): void {
    this.#output = (this.#output + text).slice(-OUTPUT_CHARACTERS_MAX);
  }
}

/** Whether a GET is answered with 200. */
export async function answers(url: string): Promise<true | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await response.arrayBuffer();
    return response.ok ? true : undefined;
  } catch {
    return undefined;
  }
}
