/**
 * A client that writes 1, 2, 3… to a key of its own, each under an idempotency key and again until it
 * is acknowledged. The key's version counts the writes that were applied: one that is lost or applied
 * twice shows at the next answer.
 */
import type { Operation } from '@kvstore/testing';
import type { Recorder } from './recorder.ts';
import type { StoreClient } from './store-client.ts';

export interface RetryClientOptions {
  readonly client: number;
  readonly store: StoreClient;
  readonly key: string;
  readonly recorder: Recorder;
}

const GIVE_UP_MS = 60_000;

export class RetryClient {
  readonly violations: string[] = [];
  readonly #options: RetryClientOptions;
  #acknowledged = 0;

  constructor(options: RetryClientOptions) {
    this.#options = options;
  }

  /** One write, however often it has to be sent. */
  async step(pause: () => Promise<void>): Promise<Operation> {
    const { client, store, key, recorder } = this.#options;
    const number = this.#acknowledged + 1;
    const value = `${key}:${number}`;
    const call = recorder.now();
    for (let attempts = 1; ; attempts++) {
      const result = await store.put({ key, value, idempotencyKey: value });
      const returned = recorder.now();
      const open = result.kind === 'unknown' || result.kind === 'not-applied';
      if (open && returned - call < GIVE_UP_MS) {
        await pause();
        continue;
      }
      const base = { client, protocol: store.protocol, key, call, return: returned, attempts };
      const operation: Operation = { ...base, kind: 'put', value, result };
      recorder.add(operation);
      this.#judge(number, attempts, result);
      return operation;
    }
  }

  /** The key holds the last acknowledged write, and as many versions as were acknowledged. */
  async verify(): Promise<void> {
    const { key, store } = this.#options;
    const found = await store.get(key);
    const expected = this.#acknowledged;
    const same =
      found.kind === 'found' && found.value === `${key}:${expected}` && found.version === expected;
    if (same || (expected === 0 && found.kind === 'not-found')) return;
    this.violations.push(
      `${key}: ${expected} writes were acknowledged, and it is ${JSON.stringify(found)}`,
    );
  }

  #judge(number: number, attempts: number, result: Operation['result']): void {
    const { key } = this.#options;
    const what = `${key}: write ${number}, sent ${attempts} times,`;
    if (result.kind !== 'written') {
      this.violations.push(`${what} was never acknowledged: ${JSON.stringify(result)}`);
      return;
    }
    this.#acknowledged = number;
    if (result.version !== number) {
      this.violations.push(`${what} made version ${result.version}`);
    }
  }
}
