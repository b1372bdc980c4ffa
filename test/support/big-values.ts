/**
 * Values of 300 kB under keys of their own, so that memtables are flushed and logs are cut soon, and that a
 * snapshot takes its time.
 */
import type { ClusterProcess } from './cluster-process.ts';

const VALUE_BYTES = 300_000;

export class BigValues {
  readonly #cluster: ClusterProcess;
  readonly #count: number;

  constructor(cluster: ClusterProcess, count: number) {
    this.#cluster = cluster;
    this.#count = count;
  }

  get bytes(): number {
    return this.#count * VALUE_BYTES;
  }

  async write(): Promise<void> {
    for (let i = 0; i < this.#count; i++) {
      const response = await fetch(this.#url(i), { method: 'PUT', body: valueOf(i) });
      expect(response.status).toBe(201);
    }
  }

  /** Looks at the first and the last ones. */
  async expectThere(): Promise<void> {
    for (const i of [0, 1, this.#count - 1]) {
      const body = new Uint8Array(await (await fetch(this.#url(i))).arrayBuffer());
      expect(body).toEqual(valueOf(i));
    }
  }

  #url(i: number): string {
    return `${this.#cluster.http[0]}/api/v1/keys/big-${i}`;
  }
}

function valueOf(i: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(VALUE_BYTES).fill(i);
}
