/**
 * Crash tests with the real process: concurrent writers, `kill -9` at a random moment, restart.
 *
 * Every key has one writer, so what it must hold is known exactly: the last acknowledged write, or
 * the one that was under way when the process died, applied once. The seed is printed by a failure.
 */
import { SeededRandom } from '@kvstore/std';
import { killLeftovers, NodeProcess } from '../support/node-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 50);
const WRITERS = 16;
const KEYS_PER_WRITER = 4;
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

interface Expected {
  /** Undefined: the key does not exist. */
  readonly value: string | undefined;
  readonly version: number;
  readonly etag: string | undefined;
}

const ABSENT: Expected = { value: undefined, version: 0, etag: undefined };

/** What the writer of a key knows: acknowledged, or one of two while a request was cut off. */
class KeyModel {
  readonly key: string;
  acknowledged: Expected = ABSENT;
  /** The value of a put (undefined: a delete) whose answer never came. */
  unanswered: { readonly value: string | undefined } | undefined;

  constructor(key: string) {
    this.key = key;
  }
}

interface Stored {
  readonly value: string | undefined;
  readonly version: number;
  readonly etag: string | undefined;
}

async function read(node: NodeProcess, key: string): Promise<Stored> {
  const response = await fetch(node.url(key));
  const value = await response.text();
  if (response.status === 404) return ABSENT;
  expect(response.status).toBe(200);
  return {
    value,
    version: Number(response.headers.get('kv-version')),
    etag: response.headers.get('etag') ?? undefined,
  };
}

/** One write under the condition that the key is as the writer knows it. */
async function writeOnce(
  node: NodeProcess,
  model: KeyModel,
  value: string | undefined,
): Promise<void> {
  const { etag } = model.acknowledged;
  const headers: Record<string, string> =
    etag === undefined ? { 'if-none-match': '*' } : { 'if-match': etag };
  model.unanswered = { value };
  const response = await fetch(node.url(model.key), {
    method: value === undefined ? 'DELETE' : 'PUT',
    headers,
    ...(value === undefined ? {} : { body: value }),
  });
  const body = await response.text();
  if (response.status >= 500) return;
  model.unanswered = undefined;
  if (value === undefined) {
    expect(response.status).toBe(204);
    model.acknowledged = ABSENT;
    return;
  }
  expect([200, 201]).toContain(response.status);
  const { version } = JSON.parse(body) as { version: number };
  expect(version).toBe(model.acknowledged.version + 1);
  model.acknowledged = { value, version, etag: response.headers.get('etag') ?? undefined };
}

/** `fetch` fails with the host's own `TypeError`, which is not this realm's. */
function isCutOff(error: unknown): boolean {
  return (error as Error).name === 'TypeError';
}

async function writer(
  node: NodeProcess,
  models: readonly KeyModel[],
  random: SeededRandom,
  state: { dead: boolean },
): Promise<number> {
  let acknowledged = 0;
  for (let n = 0; !state.dead; n++) {
    const model = models[random.below(models.length)] as KeyModel;
    if (model.unanswered !== undefined) continue;
    const remove = model.acknowledged.etag !== undefined && random.below(10) === 0;
    try {
      await writeOnce(
        node,
        model,
        remove ? undefined : `${model.key} ${n} ${random.below(2 ** 30)}`,
      );
      acknowledged += 1;
    } catch (error) {
      if (!isCutOff(error)) throw error;
      if (models.every((each) => each.unanswered !== undefined)) return acknowledged;
    }
  }
  return acknowledged;
}

/** After a crash a key holds what was acknowledged, or the cut-off write applied exactly once. */
async function verify(node: NodeProcess, model: KeyModel): Promise<'kept' | 'applied'> {
  const stored = await read(node, model.key);
  const { acknowledged, unanswered } = model;
  const kept = stored.value === acknowledged.value && stored.version === acknowledged.version;
  if (!kept) {
    expect({ key: model.key, value: stored.value, cutOff: unanswered !== undefined }).toEqual({
      key: model.key,
      value: unanswered?.value,
      cutOff: true,
    });
    expect(stored.version).toBe(unanswered?.value === undefined ? 0 : acknowledged.version + 1);
  }
  model.acknowledged = stored;
  model.unanswered = undefined;
  return kept ? 'kept' : 'applied';
}

afterEach(killLeftovers);

test(`${ROUNDS} rounds of concurrent writers and kill -9 lose nothing acknowledged and apply nothing twice`, async () => {
  const random = new SeededRandom(seed);
  const directory = temporaryDirectory();
  const models = Array.from({ length: WRITERS }, (_w, w) =>
    Array.from({ length: KEYS_PER_WRITER }, (_k, k) => new KeyModel(`writer-${w}/key-${k}`)),
  );
  const totals = { acknowledged: 0, kept: 0, applied: 0 };
  let node = await NodeProcess.start({ dataDir: directory.path });
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const state = { dead: false };
      const current = node;
      const work = models.map((own, w) =>
        writer(current, own, new SeededRandom(seed * 1000 + round * 100 + w), state),
      );
      await new Promise((resolve) => setTimeout(resolve, 20 + random.below(300)));
      await node.kill();
      state.dead = true;
      for (const count of await Promise.all(work)) totals.acknowledged += count;
      node = await NodeProcess.start({ dataDir: directory.path });
      const verdicts = await Promise.all(models.flat().map((model) => verify(node, model)));
      for (const verdict of verdicts) totals[verdict] += 1;
    }
  } catch (error) {
    throw new Error(
      `SEED=${seed}: ${error instanceof Error ? error.message : String(error)}\n${node.output}`,
      { cause: error },
    );
  } finally {
    await node.kill();
    directory.remove();
  }
  expect(totals.acknowledged).toBeGreaterThan(ROUNDS * WRITERS);
  expect(totals.kept).toBeGreaterThan(0);
}, 240_000);
