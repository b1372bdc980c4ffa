/** A full disk: writes are refused with a clear error, nothing is lost, and it goes on by itself. */
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { killLeftovers, NodeProcess } from '../support/node-process.ts';
import { mountTmpfs } from '../support/tmpfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const VALUE_BYTES = 200_000;

/** Appends until the disk is full. */
function fillDisk(path: string): void {
  const chunk = Buffer.alloc(64 * 1024, 1);
  try {
    for (;;) appendFileSync(path, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

test('a disk that fills up refuses writes with 503 or 507, serves reads, loses nothing, and resumes', async () => {
  const directory = temporaryDirectory();
  const data = join(directory.path, 'data');
  mkdirSync(data);
  const { unmount } = mountTmpfs(data, 'size=80m');
  try {
    const node = await NodeProcess.start({ dataDir: directory.path });
    // Somebody else's file takes the rest of the disk.
    const ballast = join(data, 'ballast');
    fillDisk(ballast);

    const acknowledged: number[] = [];
    let refusal: Response | undefined;
    for (let i = 0; i < 1000 && refusal === undefined; i++) {
      const answer = await fetch(node.url(`key-${i}`), {
        method: 'PUT',
        body: Buffer.alloc(VALUE_BYTES, i),
      });
      if (answer.ok) acknowledged.push(i);
      else refusal = answer;
    }
    if (refusal === undefined) throw new Error('the disk never filled up');
    expect([503, 507]).toContain(refusal.status);
    expect(refusal.headers.get('content-type')).toContain('application/problem+json');
    expect(((await refusal.json()) as { code: string }).code).toBe('UNAVAILABLE');
    expect(acknowledged.length).toBeGreaterThan(10);

    const complete = async (from: NodeProcess): Promise<void> => {
      for (const i of acknowledged) {
        const bytes = Buffer.from(await (await fetch(from.url(`key-${i}`))).arrayBuffer());
        expect(bytes.equals(Buffer.alloc(VALUE_BYTES, i))).toBe(true);
      }
    };
    await complete(node);

    rmSync(ballast);
    const deadline = Date.now() + 10_000;
    let resumed = 0;
    while (resumed !== 201 && Date.now() < deadline) {
      resumed = (await fetch(node.url('after'), { method: 'PUT', body: 'x' })).status;
    }
    expect(resumed).toBe(201);
    await node.kill();
    const again = await NodeProcess.start({ dataDir: directory.path });
    await complete(again);
    expect(await (await fetch(again.url('after'))).text()).toBe('x');
    await again.kill();
  } finally {
    killLeftovers();
    unmount();
    directory.remove();
  }
}, 60_000);
