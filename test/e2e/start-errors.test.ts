/** What keeps a node from starting is one line that says what and what to do, and a failing code. */
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { killLeftovers, NodeProcess } from '../support/node-process.ts';
import { mountTmpfs } from '../support/tmpfs.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('a node that cannot start', () => {
  let directory: ReturnType<typeof temporaryDirectory>;

  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => {
    killLeftovers();
    directory.remove();
  });

  const refusal = async (
    options: { readonly env?: Record<string, string>; readonly args?: readonly string[] } = {},
  ): Promise<string> => {
    const { code, output } = await NodeProcess.startFails({ dataDir: directory.path, ...options });
    expect(code).toBe(1);
    const lines = output.trim().split('\n');
    expect(lines).toHaveLength(1);
    expect(output).not.toMatch(/ {4}at /);
    return output;
  };

  test('because of an unknown flag, variable or key names the nearest known one', async () => {
    expect(await refusal({ args: ['--http-prot', '1'] })).toContain('--http-port');
    expect(await refusal({ env: { KVSTORE_HTTP_PROT: '1' } })).toContain('KVSTORE_HTTP_PORT');
    writeFileSync(join(directory.path, 'kvstore.yaml'), 'http_prot: 1\n');
    expect(await refusal()).toContain('http_port');
  });

  test('because of a value that an option cannot have names the option', async () => {
    expect(await refusal({ env: { KVSTORE_HTTP_PORT: '70000' } })).toContain('KVSTORE_HTTP_PORT');
    expect(await refusal({ args: ['--memtable-size', 'much'] })).toContain('memtable');
  });

  test('because a port is in use names the port', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    for (const name of ['HTTP', 'GRPC', 'METRICS']) {
      const output = await refusal({ env: { [`KVSTORE_${name}_PORT`]: String(port) } });
      expect(output).toContain(String(port));
      expect(output).toContain('PORT_IN_USE');
    }
    server.close();
  });

  test('because the data directory is in use says so, and the running node goes on', async () => {
    const node = await NodeProcess.start({ dataDir: directory.path });
    expect(await refusal()).toContain('DATA_DIR_IN_USE');
    expect((await fetch(node.url('a'), { method: 'PUT', body: 'x' })).status).toBe(201);
    await node.kill();
    const again = await NodeProcess.start({ dataDir: directory.path });
    await again.kill();
  });

  test('because the data directory is of another cluster or member says whose it is', async () => {
    const node = await NodeProcess.start({ dataDir: directory.path });
    await node.stop();
    const other = await refusal({ env: { KVSTORE_CLUSTER: 'prod' } });
    expect(other).toContain('DATA_DIR_OF_ANOTHER_CLUSTER');
    expect(other).toContain('cluster dev');
    expect(await refusal({ env: { KVSTORE_NODE_ID: 'node-2' } })).toContain('member node-1');
  });

  test('because the data directory cannot be written to says so', async () => {
    const data = join(directory.path, 'data');
    mkdirSync(data);
    const { unmount } = mountTmpfs(data, 'ro,size=1m');
    try {
      expect(await refusal()).toContain('DATA_DIR_NOT_WRITABLE');
    } finally {
      unmount();
    }
  });

  test('because its log is gone says that acknowledged entries are missing', async () => {
    const node = await NodeProcess.start({ dataDir: directory.path });
    await fetch(node.url('a'), { method: 'PUT', body: 'x' });
    await node.stop();
    rmSync(join(directory.path, 'data/standalone/consensus/g0/log'), { recursive: true });
    expect(await refusal()).toContain('DATA_DIR_DAMAGED');
  });
});
