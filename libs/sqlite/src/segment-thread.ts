/**
 * The main thread's end of the segment worker: hands it one task at a time and waits its turn.
 * A worker that dies fails its task, and the next task gets a new one. An idle worker does not keep
 * the process alive.
 */
import { Worker } from 'node:worker_threads';
import type { SegmentOptions, SharedMemtable } from '@kvstore/lsm';
import { Hurry } from './duty-cycle.ts';
import type { BuiltSegment } from './segment-builder.ts';
import type { SegmentTask, SegmentTaskResult } from './segment-worker.ts';

const self = import.meta.url;
const fromSource = self.endsWith('.ts');

/** The worker died, or its task failed. The task may be tried again. */
export class SegmentThreadError extends Error {
  override readonly name = 'SegmentThreadError';
  readonly code = 'SEGMENT_THREAD_FAILED';
  readonly retryable = true;
}

export class SegmentThread {
  #worker: Worker | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #hurry = new Hurry();

  /** Takes its time, as long as nobody calls `hurry`. */
  async build(memtable: SharedMemtable, options: SegmentOptions): Promise<BuiltSegment> {
    const hurry = this.#hurry.shared;
    try {
      const result = await this.#inTurn({ kind: 'build', memtable, options, hurry });
      if (result.kind === 'built') return result.segment;
      throw unexpected(result);
    } finally {
      this.#hurry.end();
    }
  }

  /** Somebody waits for what is being built. */
  hurry(): void {
    this.#hurry.begin();
  }

  /** SHA-256 of the file at an absolute path, lower-case hexadecimal. */
  async hash(path: string): Promise<string> {
    const result = await this.#inTurn({ kind: 'hash', path });
    if (result.kind === 'hashed') return result.sha256;
    throw unexpected(result);
  }

  /** Ends the worker; tasks that have not finished fail. */
  async close(): Promise<void> {
    this.#closed = true;
    // Why: a worker that does not keep the process alive may be waited for in vain.
    this.#worker?.ref();
    await this.#worker?.terminate();
  }

  #inTurn(task: SegmentTask): Promise<SegmentTaskResult> {
    const result = this.#last.then(() => this.#run(task));
    this.#last = result.catch(() => undefined);
    return result;
  }

  #run(task: SegmentTask): Promise<SegmentTaskResult> {
    if (this.#closed) return Promise.reject(new SegmentThreadError('the thread is closed'));
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        worker.off('message', answered).off('error', failed).off('exit', ended);
        worker.unref();
      };
      const answered = (result: SegmentTaskResult): void => {
        settle();
        resolve(result);
      };
      const lost = (reason: string, cause?: unknown): void => {
        settle();
        if (this.#worker === worker) this.#worker = undefined;
        reject(new SegmentThreadError(`the segment worker ${reason}`, { cause }));
      };
      const failed = (error: unknown): void => lost('failed', error);
      const ended = (code: number): void => lost(`ended with code ${code}`);
      worker.on('message', answered).on('error', failed).on('exit', ended);
      worker.ref();
      worker.postMessage(task, []);
    });
  }

  #start(): Worker {
    const worker = new Worker(
      new URL(fromSource ? './segment-worker.ts' : './segment-worker.js', self),
      { execArgv: fromSource ? ['--conditions=kvstore-source'] : [] },
    );
    worker.on('error', () => undefined);
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    return worker;
  }
}

function unexpected(result: SegmentTaskResult): SegmentThreadError {
  return new SegmentThreadError(result.kind === 'failed' ? result.message : 'unexpected answer');
}
