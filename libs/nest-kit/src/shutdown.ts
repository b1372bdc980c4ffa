/**
 * Orderly shutdown of a process, on SIGTERM, SIGINT or a fatal event.
 *
 * Steps run one after another in the reverse order of their registration (what started last stops
 * first), so a server stops accepting and finishes what is in flight before the storage under it
 * closes. The whole is bounded: when the grace period passes, or a second signal arrives, the process
 * ends at once, which durability allows at any moment.
 */
import type { EventLog } from './logger.ts';

export interface ShutdownOptions {
  readonly log: EventLog;
  /** For all steps together. */
  readonly graceMs?: number;
  /** Ends the process; a test replaces it. */
  readonly exit?: (code: number) => void;
}

interface Step {
  readonly name: string;
  readonly close: () => Promise<void>;
}

const GRACE_MS_DEFAULT = 10_000;
const ECHO_MS = 500;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

export class Shutdown {
  readonly #log: EventLog;
  readonly #graceMs: number;
  readonly #exit: (code: number) => void;
  readonly #steps: Step[] = [];
  #running: Promise<void> | undefined;
  #signalledAtMs: number | undefined;

  constructor(options: ShutdownOptions) {
    this.#log = options.log;
    this.#graceMs = options.graceMs ?? GRACE_MS_DEFAULT;
    this.#exit = options.exit ?? ((code) => process.exit(code));
  }

  /** `close` may fail; the steps below it run all the same. */
  add(name: string, close: () => Promise<void>): void {
    this.#steps.push({ name, close });
  }

  /** Listens to SIGTERM and SIGINT from now on. */
  onSignals(): void {
    for (const signal of SIGNALS) process.on(signal, () => this.signal(signal));
  }

  /**
   * The first signal closes in good order, one that comes later ends at once. npm passes on what the
   * terminal has sent to the process already: the echo within `ECHO_MS` is the same Ctrl-C.
   */
  signal(signal: string): void {
    const nowMs = performance.now();
    if (this.#signalledAtMs === undefined) {
      this.#signalledAtMs = nowMs;
      void this.run(signal, 0);
    } else if (nowMs - this.#signalledAtMs > ECHO_MS) this.#exit(1);
  }

  /** Closes everything and exits with `code`, or with 1 when a step failed or time ran out. */
  run(reason: string, code: number): Promise<void> {
    this.#running ??= this.#run(reason, code);
    return this.#running;
  }

  async #run(reason: string, code: number): Promise<void> {
    this.#log.event('info', 'shutting down', { reason });
    const overdue = setTimeout(() => {
      this.#log.event('error', 'shutdown took too long', { graceMs: this.#graceMs });
      this.#exit(1);
    }, this.#graceMs);
    let failed = false;
    for (const step of this.#steps.reverse()) {
      try {
        await step.close();
      } catch (error) {
        failed = true;
        this.#log.event('error', 'shutdown step failed', { step: step.name, err: error });
      }
    }
    clearTimeout(overdue);
    this.#log.event('info', 'stopped', {});
    this.#exit(failed ? 1 : code);
  }
}
