/**
 * A key that is only ever overwritten with the next number, every write repeated under the same
 * idempotency key until it is decided: its version shows what was lost and what was applied twice.
 */
import type { ClusterProcess } from './cluster-process.ts';

const DECIDED_MS_MAX = 30_000;

export class Counter {
  readonly key: string;
  readonly #cluster: ClusterProcess;
  #value = 0;

  constructor(cluster: ClusterProcess, key = 'counter') {
    this.#cluster = cluster;
    this.key = key;
  }

  get value(): number {
    return this.#value;
  }

  /** Writes `count` times, and reads the last one back. */
  async advance(count = 5): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#value += 1;
      expect(await this.#write()).toBe(this.#value);
    }
    const response = await fetch(`${this.#cluster.http[0]}/api/v1/keys/${this.key}`);
    expect({ status: response.status, value: await response.text() }).toEqual({
      status: 200,
      value: String(this.#value),
    });
  }

  /** Goes on writing until `until` settles. */
  async advanceDuring<Result>(until: Promise<Result>): Promise<Result> {
    let over = false;
    const settled = until.finally(() => {
      over = true;
    });
    do await this.advance(1);
    while (!over);
    return settled;
  }

  async #write(): Promise<number> {
    const headers = { 'idempotency-key': `${this.key}=${this.#value}` };
    const url = `${this.#cluster.http[0]}/api/v1/keys/${this.key}?timeout=2s`;
    for (const until = performance.now() + DECIDED_MS_MAX; ;) {
      try {
        const body = String(this.#value);
        const response = await fetch(url, { method: 'PUT', body, headers });
        const answer = (await response.json()) as { version: number };
        if (response.ok) return answer.version;
        if (response.status < 500 && response.status !== 429) {
          throw new Error(`${response.status} ${JSON.stringify(answer)}`);
        }
      } catch (error) {
        if ((error as Error).name !== 'TypeError') throw error;
      }
      if (performance.now() > until) throw new Error(`${this.key}=${this.#value} is not decided`);
    }
  }
}
