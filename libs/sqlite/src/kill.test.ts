/** A real process that writes and flushes without pause, killed at any moment, again and again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { SeededRandom } from '@kvstore/std';
import {
  contents,
  expectedAfter,
  openEngine,
  removeTemporaryRoots,
  temporaryRoot,
} from './engine.test-support.ts';

afterAll(removeTemporaryRoots);

/** Prints the durable index after every flush. */
const script = (root: string): string => `
  import { openEngine, writeEntry } from ${JSON.stringify(join(__dirname, 'engine.test-support.ts'))};
  const engine = await openEngine(${JSON.stringify(root)});
  for (;;) {
    for (let i = 0; i < 20; i++) writeEntry(engine);
    await engine.flush();
    console.log(engine.durable.index);
  }
`;

test('kill -9 at any moment loses nothing that was durable and keeps whole entries', async () => {
  const root = temporaryRoot();
  const random = new SeededRandom(99);
  let reported = 0;
  for (let round = 0; round < 4; round++) {
    const writer = spawn(
      process.execPath,
      ['--conditions=kvstore-source', '--input-type=module-typescript', '-e', script(root)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = once(writer, 'exit');
    const lines = createInterface({ input: writer.stdout });
    lines.on('line', (line) => (reported = Number(line)));
    await once(lines, 'line');
    await delay(random.below(300));
    writer.kill('SIGKILL');
    await ended;
    const engine = await openEngine(root);
    expect(engine.applied.index).toBeGreaterThanOrEqual(reported);
    expect(engine.applied.index % 20).toBe(0);
    expect(contents(engine)).toEqual(expectedAfter(engine.applied.index));
    await engine.close();
  }
  expect(reported).toBeGreaterThan(80);
}, 60_000);
