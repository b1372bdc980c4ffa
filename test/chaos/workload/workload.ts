/**
 * The load of one trial: clients that read and write shared keys and clients that retry, half of each
 * over REST and half over gRPC, from before the fault until everybody is served again.
 *
 * The keys are the trial's own, so that they do not exist when its history begins.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '@kvstore/std';
import { eventually, type Operation } from '@kvstore/testing';
import { GrpcClient } from './grpc-client.ts';
import { MixedClient } from './mixed-client.ts';
import { Recorder } from './recorder.ts';
import { RestClient } from './rest-client.ts';
import { RetryClient } from './retry-client.ts';
import type { StoreClient } from './store-client.ts';

export interface WorkloadOptions {
  readonly http: string;
  readonly grpc: string;
  /** Begins every key; of this trial alone. */
  readonly prefix: string;
  readonly seed: number;
}

const MIXED_CLIENTS = 8;
const RETRY_CLIENTS = 4;
const SHARED_KEYS = 8;
/** Between two requests of one client: enough load for a gap to show, little enough to leave CPU. */
const THINK_MS_MAX = 16;
/** After a request that came to nothing. */
const RETRY_MS = 20;

export class Workload {
  readonly recorder = new Recorder();
  readonly #stores: StoreClient[] = [];
  readonly #mixed: MixedClient[] = [];
  readonly #retrying: RetryClient[] = [];
  readonly #keys: readonly string[];
  readonly #random: SeededRandom;
  readonly #errors: string[] = [];
  readonly #loops: Promise<void>[];
  #stopping = false;

  private constructor(options: WorkloadOptions) {
    this.#random = new SeededRandom(options.seed);
    this.#keys = Array.from({ length: SHARED_KEYS }, (_, i) => `${options.prefix}-${i}`);
    for (let client = 0; client < MIXED_CLIENTS + RETRY_CLIENTS; client++) {
      this.#addClient(client, options);
    }
    this.#loops = [
      ...this.#mixed.map((client) => this.#loop(() => client.step())),
      ...this.#retrying.map((client) => this.#loop(() => client.step(() => sleep(RETRY_MS)))),
    ];
  }

  static start(options: WorkloadOptions): Workload {
    return new Workload(options);
  }

  /** What the retrying clients saw go wrong, and refusals that should not have been. */
  get violations(): readonly string[] {
    return [...this.#errors, ...this.#retrying.flatMap(({ violations }) => violations)];
  }

  /** Resolves when every client has had an answer after `time`. */
  async untilServed(time: number, timeoutMs: number): Promise<void> {
    const clients = this.#stores.map((_, client) => client);
    await eventually(
      'every client is served',
      () => this.recorder.servedSince(clients) > time,
      timeoutMs,
    );
  }

  /** Ends the load when every request is decided, then reads every key once. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#loops);
    await Promise.all(this.#retrying.map((client) => client.verify()));
    await Promise.all(this.#keys.map((key, at) => this.#readLast(key, at)));
    for (const store of this.#stores) store.close();
  }

  #addClient(client: number, { http, grpc, prefix }: WorkloadOptions): void {
    const store = client % 2 === 0 ? new RestClient(http) : new GrpcClient(grpc);
    this.#stores.push(store);
    const { recorder } = this;
    if (client < MIXED_CLIENTS) {
      const random = new SeededRandom(this.#random.below(0x7fff_ffff));
      const keys = this.#keys;
      this.#mixed.push(new MixedClient({ client, store, keys, random, recorder }));
    } else {
      const key = `${prefix}-counter-${client}`;
      this.#retrying.push(new RetryClient({ client, store, key, recorder }));
    }
  }

  async #loop(step: () => Promise<Operation>): Promise<void> {
    while (!this.#stopping) {
      try {
        const { result } = await step();
        const failed = result.kind === 'unknown' || result.kind === 'not-applied';
        await sleep(failed ? RETRY_MS : this.#random.below(THINK_MS_MAX));
      } catch (error) {
        this.#errors.push(error instanceof Error ? error.message : String(error));
        return;
      }
    }
  }

  /** The last word on a key: an acknowledged write that is lost contradicts it. */
  async #readLast(key: string, at: number): Promise<void> {
    const client = at % this.#stores.length;
    const store = this.#stores[client] as StoreClient;
    const call = this.recorder.now();
    const result = await store.get(key);
    const base = { client, protocol: store.protocol, key, call, return: this.recorder.now() };
    this.recorder.add({ ...base, kind: 'get', result });
    if (result.kind === 'not-applied') this.#errors.push(`${key} cannot be read: ${result.code}`);
  }
}
