import type { GetOperation, PutOperation } from '@kvstore/testing';
import { Recorder } from './recorder.ts';
import { RetryClient } from './retry-client.ts';
import type { PutCall, StoreClient } from './store-client.ts';

type PutResult = PutOperation['result'];

/** A store of one key that applies every put, except what `fate` says of the nth call. */
class OneKey implements StoreClient {
  readonly protocol = 'rest';
  readonly calls: PutCall[] = [];
  version = 0;
  #value = '';
  readonly #fate: (call: number) => 'apply' | 'apply-unknown' | 'lose' | 'remember';

  constructor(fate: OneKey['fate'] = () => 'apply') {
    this.#fate = fate;
  }

  get fate() {
    return this.#fate;
  }

  put(call: PutCall): Promise<PutResult> {
    this.calls.push(call);
    const fate = this.#fate(this.calls.length);
    if (fate === 'apply' || fate === 'apply-unknown') {
      this.version += 1;
      this.#value = call.value;
    }
    const { version } = this;
    return Promise.resolve(
      fate === 'apply-unknown'
        ? { kind: 'unknown', code: 'COMMIT_UNKNOWN' }
        : { kind: 'written', version, revision: version },
    );
  }

  get(): Promise<GetOperation['result']> {
    const { version } = this;
    const revisions = { modRevision: version, createRevision: 1, revision: version };
    return Promise.resolve({ kind: 'found', value: this.#value, version, ...revisions });
  }

  delete(): Promise<never> {
    throw new Error('nothing is deleted');
  }

  close(): void {}
}

async function writeTwice(store: OneKey) {
  const recorder = new Recorder();
  const client = new RetryClient({ client: 3, store, key: 'k', recorder });
  for (let i = 0; i < 2; i++) await client.step(() => Promise.resolve());
  await client.verify();
  return { recorder, violations: client.violations };
}

test('a write repeated after an unknown outcome is one operation under one idempotency key', async () => {
  const store = new OneKey((call) =>
    call === 1 ? 'apply-unknown' : call === 2 ? 'remember' : 'apply',
  );
  const { recorder, violations } = await writeTwice(store);
  expect(violations).toEqual([]);
  expect(store.calls.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['k:1', 'k:1', 'k:2']);
  expect(recorder.history).toMatchObject([
    { kind: 'put', value: 'k:1', attempts: 2, result: { kind: 'written', version: 1 } },
    { kind: 'put', value: 'k:2', attempts: 1, result: { kind: 'written', version: 2 } },
  ]);
});

test('a retry that is applied again shows by its version', async () => {
  const store = new OneKey((call) => (call === 1 ? 'apply-unknown' : 'apply'));
  expect((await writeTwice(store)).violations[0]).toBe('k: write 1, sent 2 times, made version 2');
});

test('an acknowledged write that is gone shows at the end', async () => {
  const store = new OneKey((call) => (call === 2 ? 'lose' : 'apply'));
  const { violations } = await writeTwice(store);
  expect(violations[0]).toBe('k: write 2, sent 1 times, made version 1');
  expect(violations[1]).toMatch(/^k: 2 writes were acknowledged, and it is .*"version":1/);
});
