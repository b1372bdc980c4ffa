import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { acquireDirectoryLock, DirectoryInUseError } from './directory-lock.ts';
import { removeTemporaryRoots, temporaryRoot } from './engine.test-support.ts';

afterAll(removeTemporaryRoots);

const script = (directory: string): string => `
  import { acquireDirectoryLock } from ${JSON.stringify(join(__dirname, 'directory-lock.ts'))};
  acquireDirectoryLock(${JSON.stringify(directory)});
  globalThis.gc();
  process.stdout.write('locked');
  setInterval(() => undefined, 1000);
`;

describe('a directory lock', () => {
  test('is held against every other holder until it is released', () => {
    const directory = join(temporaryRoot(), 'a', 'b');
    const lock = acquireDirectoryLock(directory);
    expect(() => acquireDirectoryLock(directory)).toThrow(DirectoryInUseError);
    expect(() => acquireDirectoryLock(directory)).toThrow(
      expect.objectContaining({ code: 'DIRECTORY_IN_USE' }),
    );
    lock.release();
    lock.release();
    acquireDirectoryLock(directory).release();
    expect(readdirSync(directory)).toEqual(['lock']);
  });

  test('of another process holds, also when nobody keeps it, and ends with it at kill -9', async () => {
    const directory = temporaryRoot();
    const holder = spawn(
      process.execPath,
      [
        '--expose-gc',
        '--conditions=kvstore-source',
        '--input-type=module-typescript',
        '-e',
        script(directory),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(holder.stdout, 'data');
      expect(() => acquireDirectoryLock(directory)).toThrow(DirectoryInUseError);
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    acquireDirectoryLock(directory).release();
  });

  test('of directories that differ do not meet', () => {
    const root = temporaryRoot();
    const one = acquireDirectoryLock(join(root, '1'));
    const two = acquireDirectoryLock(join(root, '2'));
    one.release();
    two.release();
  });

  test('in a place where nothing can be written is NOT_WRITABLE', () => {
    const file = join(temporaryRoot(), 'file');
    writeFileSync(file, '');
    expect(() => acquireDirectoryLock(join(file, 'below'))).toThrow(
      expect.objectContaining({ code: 'NOT_WRITABLE' }),
    );
    expect(() => acquireDirectoryLock('/proc/self')).toThrow(
      expect.objectContaining({ code: 'NOT_WRITABLE' }),
    );
  });
});
