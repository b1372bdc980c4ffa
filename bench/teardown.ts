/**
 * What a benchmark started and has to end: processes, temporary files. Steps run once, the last added first,
 * when the benchmark ends, when it fails, and on Ctrl-C or SIGTERM. A step that fails is reported
 * and does not keep the others from running.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

type Step = () => Promise<void> | void;

export class Teardown {
  readonly #steps: Step[] = [];
  #running: Promise<void> | undefined;
  #ending = false;

  /** Also on signals and uncaught errors; the process exits as they would have ended it. */
  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () =>
        this.#end(`${signal}: cleaning up`, 128 + constants.signals[signal]),
      );
    }
    // Why: a reader that goes away (`| head`) is an uncaught error too.
    process.on('uncaughtException', (error) => this.#end(error.stack ?? String(error), 1));
  }

  /** What is added while the teardown runs is ended at once. */
  add(step: Step): void {
    if (this.#running === undefined) this.#steps.push(step);
    else void attempt(step);
  }

  temporaryDirectory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'kvstore-bench-'));
    this.add(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
    return directory;
  }

  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  #end(why: string, code: number): void {
    // Why: what fails after that, fails because of it.
    if (!this.#ending) process.stderr.write(`${why}\n`);
    this.#ending = true;
    void this.run().finally(() => process.exit(code));
  }

  async #run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await attempt(step);
    }
  }
}

async function attempt(step: Step): Promise<void> {
  try {
    await step();
  } catch (error) {
    process.stderr.write(`cleaning up: ${String(error)}\n`);
  }
}
