import { spawnSync } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { DiskError, InvariantError } from '@kvstore/std';
import { asStartError, listenError, StartError, startErrorLine } from './start-error.ts';

test('a start error is one line, with its code and what to do', () => {
  const error = new StartError('CONFIGURATION', 'first\n  second', 'Do this.');
  expect(startErrorLine(error)).toBe('kvstore: first second (CONFIGURATION). Do this.');
});

test('a port in use is named with its address', async () => {
  const first = createServer();
  await new Promise<void>((resolve) => first.listen(0, '127.0.0.1', resolve));
  const { port } = first.address() as AddressInfo;
  const second = createServer();
  const raised = await new Promise<unknown>((resolve) =>
    second.once('error', resolve).listen(port, '127.0.0.1'),
  );
  await new Promise((resolve) => first.close(resolve));
  const error = listenError(raised, 'http', '127.0.0.1', port);
  expect(error.code).toBe('PORT_IN_USE');
  expect(error.message).toContain(`127.0.0.1:${port}`);
});

test('failures of the disk become start errors and bugs do not', () => {
  expect(asStartError(new DiskError('NOT_WRITABLE', 'data is not writable'))?.code).toBe(
    'DATA_DIR_NOT_WRITABLE',
  );
  expect(asStartError(new DiskError('DISK_FULL', 'no space'))?.code).toBe('DISK_FULL');
  expect(asStartError(new InvariantError('broken'))).toBeUndefined();
  expect(asStartError(new TypeError('x is not a function'))).toBeUndefined();
});

test('a process whose start is refused prints one line and exits with 1', () => {
  const script = `
    import { runMain, StartError } from ${JSON.stringify(new URL('./start-error.ts', `file://${__filename}`).href)};
    await runMain(async () => { throw new StartError('PORT_IN_USE', 'http cannot listen', 'Stop it.'); });
  `;
  const child = spawnSync(
    process.execPath,
    ['--conditions=kvstore-source', '--input-type=module', '-e', script],
    {
      encoding: 'utf8',
      cwd: __dirname,
    },
  );
  expect(child.stderr).toBe('kvstore: http cannot listen (PORT_IN_USE). Stop it.\n');
  expect(child.status).toBe(1);
});
