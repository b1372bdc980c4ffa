import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@kvstore/testing';
import { clusterFilePath, readClusterFile } from './cluster-file.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvstore-cluster-file-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Writes states of 1 and of 1,000 nats-servers in turn, for ever. */
const writer = `
  import { writeClusterFile } from ${JSON.stringify(join(__dirname, 'cluster-file.ts'))};
  const server = { name: 'nats-1', url: '', pid: null, log: '' };
  for (;;) for (const length of [1, 1000]) {
    const nats = Array.from({ length }, () => server);
    writeClusterFile(process.argv[1], { supervisor_pid: 1, processes: [], gateways: [], nats });
  }
`;

test('whoever reads it while it changes reads one state or the other', async () => {
  const words = ['--input-type=module-typescript', '-e', writer, directory];
  const child = spawn(process.execPath, words, { stdio: 'inherit' });
  try {
    await eventually('it is written', () => readClusterFile(directory) !== undefined);
    const seen = new Map<number | undefined, number>();
    await eventually('many reads of both', () => {
      for (let i = 0; i < 50; i++) {
        const length = readClusterFile(directory)?.nats.length;
        seen.set(length, (seen.get(length) ?? 0) + 1);
      }
      return (seen.get(1) ?? 0) > 500 && (seen.get(1000) ?? 0) > 500;
    });
    expect([...seen.keys()].sort()).toEqual([1, 1000]);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

test('one that is absent or damaged says nothing', () => {
  expect(readClusterFile(directory)).toBeUndefined();
  writeFileSync(clusterFilePath(directory), '{"processes":');
  expect(readClusterFile(directory)).toBeUndefined();
});
