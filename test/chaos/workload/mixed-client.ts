/**
 * A client that reads, puts and deletes shared keys, part of it under conditions, one request at a
 * time. Every value is put once; nothing is sent twice.
 */
import type { SeededRandom } from '@kvstore/std';
import type { DeleteOperation, Operation, PutOperation, WriteCondition } from '@kvstore/testing';
import type { Recorder } from './recorder.ts';
import type { StoreClient } from './store-client.ts';

export interface MixedClientOptions {
  readonly client: number;
  readonly store: StoreClient;
  readonly keys: readonly string[];
  readonly random: SeededRandom;
  readonly recorder: Recorder;
}

type WriteResult = PutOperation['result'] | DeleteOperation['result'];

export class MixedClient {
  readonly #options: MixedClientOptions;
  /** The mod revision of each key as this client saw it last; 0 when it was absent. */
  readonly #seen = new Map<string, number>();
  #puts = 0;

  constructor(options: MixedClientOptions) {
    this.#options = options;
  }

  /** One operation, recorded. */
  async step(): Promise<Operation> {
    const { keys, random, store } = this.#options;
    const key = keys[random.below(keys.length)] as string;
    const dice = random.below(10);
    if (dice < 4) {
      return this.#record(
        key,
        () => store.get(key),
        (result) => ({ kind: 'get', result }),
      );
    }
    const condition = this.#condition(key);
    const conditional = condition === undefined ? {} : { condition };
    if (dice === 9) {
      const send = () => store.delete(key, condition);
      return this.#record(key, send, (result) => ({ kind: 'delete', ...conditional, result }));
    }
    const value = `${key}:${this.#options.client}.${++this.#puts}`;
    const send = () => store.put({ key, value, condition });
    return this.#record(key, send, (result) => ({ kind: 'put', value, ...conditional, result }));
  }

  #condition(key: string): WriteCondition | undefined {
    const modRevision = this.#seen.get(key);
    if (modRevision === undefined || this.#options.random.below(2) === 0) return undefined;
    return modRevision === 0 ? { kind: 'absent' } : { kind: 'mod-revision', modRevision };
  }

  async #record<Result extends Operation['result']>(
    key: string,
    send: () => Promise<Result>,
    describe: (result: Result) => object,
  ): Promise<Operation> {
    const { client, store, recorder } = this.#options;
    const call = recorder.now();
    const result = await send();
    const base = { client, protocol: store.protocol, key, call, return: recorder.now() };
    const operation = { ...base, ...describe(result) } as Operation;
    recorder.add(operation);
    this.#see(key, result);
    return operation;
  }

  #see(key: string, result: WriteResult | Operation['result']): void {
    if (result.kind === 'found') this.#seen.set(key, result.modRevision);
    else if (result.kind === 'written') this.#seen.set(key, result.revision);
    else if (result.kind === 'condition-failed') this.#seen.set(key, result.modRevision);
    else if (result.kind === 'not-found' || result.kind === 'deleted') this.#seen.set(key, 0);
  }
}
