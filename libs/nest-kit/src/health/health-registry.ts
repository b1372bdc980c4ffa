/**
 * Whether this process is alive and ready, as the sum of named checks.
 *
 * A check is synchronous and cheap: it reads a state that its owner keeps, it measures nothing. Live
 * means that the process need not be restarted; ready, that it can serve requests now.
 */
export interface Check {
  readonly name: string;
  /** Undefined when all is well, else why not, in one line. */
  readonly failing: () => string | undefined;
}

export interface CheckResult {
  readonly name: string;
  readonly failing: string | undefined;
}

export class HealthRegistry {
  readonly #live: Check[] = [];
  readonly #ready: Check[] = [];

  addLiveness(name: string, failing: Check['failing']): void {
    this.#live.push({ name, failing });
  }

  addReadiness(name: string, failing: Check['failing']): void {
    this.#ready.push({ name, failing });
  }

  liveness(): readonly CheckResult[] {
    return this.#live.map(run);
  }

  readiness(): readonly CheckResult[] {
    return [...this.#live, ...this.#ready].map(run);
  }
}

function run({ name, failing }: Check): CheckResult {
  return { name, failing: failing() };
}
