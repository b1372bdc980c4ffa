import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '@kvstore/std';
import {
  contents,
  DIRECTORY,
  expectedAfter,
  openEngine,
  PowerCutDisk,
  removeTemporaryRoots,
  temporaryRoot,
  writeEntry,
} from './engine.test-support.ts';

/** Cuts that are tried at the same time. */
const PARALLEL = 4;

afterAll(removeTemporaryRoots);

/** Writes entries, flushes after the second and the third, and returns the durable index. */
async function work(root: string, power: PowerCutDisk): Promise<number> {
  const engine = await openEngine(root, { disk: power.disk }).catch(() => undefined);
  if (engine === undefined) return 0;
  for (const flushAt of [2, 3]) {
    while (engine.applied.index < flushAt) writeEntry(engine);
    let flushing = true;
    const flushed = engine
      .flush()
      .catch(() => undefined)
      .finally(() => (flushing = false));
    await until(() => !flushing || power.off);
    if (!power.off) await flushed;
  }
  const durable = engine.durable.index;
  await engine.close().catch(() => undefined);
  return durable;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function cutAt(operations: number, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const root = temporaryRoot();
  const power = new PowerCutDisk(root);
  power.cutAfter(operations);
  const durable = await work(root, power);
  await power.cut(random);

  const again = new PowerCutDisk(root);
  again.cutAfter(random.below(12));
  const opened = await openEngine(root, { disk: again.disk }).catch(() => undefined);
  await opened?.close();
  await again.cut(random);

  const recovered = await openEngine(root);
  expect(recovered.durable.index).toBe(durable);
  expect(recovered.applied.index).toBe(durable);
  expect(contents(recovered)).toEqual(expectedAfter(durable));
  const files = readdirSync(join(root, DIRECTORY, 'segments'));
  expect(files).toHaveLength(recovered.statistics.segments);
  writeEntry(recovered);
  expect(contents(recovered)).toEqual(expectedAfter(durable + 1));
  await recovered.close();
}

test('a power cut before any disk operation, and another while recovering, leaves exactly the entries up to the durable position', async () => {
  const root = temporaryRoot();
  const whole = new PowerCutDisk(root);
  expect(await work(root, whole)).toBe(3);
  const { operations } = whole.disk;
  expect(operations).toBeGreaterThan(20);
  for (let first = 0; first < operations; first += PARALLEL) {
    const cuts = Array.from({ length: PARALLEL }, (_, i) => cutAt(first + i, 100 + first + i));
    await Promise.all(cuts);
  }
}, 60_000);
