import { StartError } from '../start-error.ts';
import { loadConfig, type ConfigSources } from './config-loader.ts';
import type { Config } from './config-table.ts';

interface Inputs {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
}

function sources({ argv = [], env = {}, files = {} }: Inputs): ConfigSources {
  return { argv, env, readFile: (path) => files[path] };
}

async function load(inputs: Inputs): Promise<Config> {
  const outcome = await loadConfig(sources(inputs));
  if (outcome.kind !== 'config') throw new Error(`expected a configuration, got ${outcome.kind}`);
  return outcome.config;
}

async function failure(inputs: Inputs): Promise<StartError> {
  try {
    await loadConfig(sources(inputs));
  } catch (error) {
    if (error instanceof StartError) return error;
    throw error;
  }
  throw new Error('expected the configuration to be refused');
}

test('defaults apply when nothing is given', async () => {
  expect(await load({})).toEqual({
    dataDir: './data',
    cluster: 'dev',
    clusterSecret: undefined,
    nodeId: 'node-1',
    gatewayName: 'gateway-1',
    initialCluster: ['node-1', 'node-2', 'node-3'],
    natsUrl: ['nats://127.0.0.1:4222'],
    natsUser: undefined,
    natsPassword: undefined,
    host: '127.0.0.1',
    httpPort: 8080,
    grpcPort: 9090,
    metricsPort: 2112,
    logLevel: 'info',
    logReserve: 256 * 1024 ** 2,
    logLagLimit: 1024 ** 3,
    logLimit: 8 * 1024 ** 3,
    memtableSize: 64 * 1024 ** 2,
    numMemtables: 5,
    blockCacheSize: 256 * 1024 ** 2,
  });
});

test('a flag wins over the environment, which wins over the file, which wins over the default', async () => {
  const files = { 'kvstore.yaml': 'http_port: 1\ngrpc_port: 2\nmetrics_port: 3\n' };
  const env = { KVSTORE_HTTP_PORT: '10', KVSTORE_GRPC_PORT: '20' };
  const config = await load({ argv: ['--http-port', '100'], env, files });
  expect([config.httpPort, config.grpcPort, config.metricsPort]).toEqual([100, 20, 3]);
});

test('the specification’s storage options stand in their section, with units', async () => {
  const file =
    'badger_config:\n  memtable_size: 8MB\n  num_memtables: 2\n  block_cache_size: 1048576\n';
  const config = await load({ files: { 'kvstore.yaml': file } });
  expect([config.memtableSize, config.numMemtables, config.blockCacheSize]).toEqual([
    8_388_608, 2, 1_048_576,
  ]);
});

test('the file is found by flag and by variable, the flag first', async () => {
  const files = { 'a.yaml': 'cluster: a', 'b.yaml': 'cluster: b', 'kvstore.yaml': 'cluster: c' };
  const env = { KVSTORE_CONFIG: 'b.yaml' };
  expect((await load({ argv: ['--config=a.yaml'], env, files })).cluster).toBe('a');
  expect((await load({ env, files })).cluster).toBe('b');
  expect((await load({ files })).cluster).toBe('c');
});

test('a secret is read from a file, without its last line break', async () => {
  const files = { '/run/secret': 'correct horse battery\n', 'kvstore.yaml': '' };
  const wanted = 'correct horse battery';
  expect(
    (await load({ env: { KVSTORE_CLUSTER_SECRET_FILE: '/run/secret' }, files })).clusterSecret,
  ).toBe(wanted);
  expect(
    (await load({ argv: ['--cluster-secret-file', '/run/secret'], files })).clusterSecret,
  ).toBe(wanted);
  const yaml = { ...files, 'kvstore.yaml': 'cluster_secret_file: /run/secret' };
  expect((await load({ files: yaml })).clusterSecret).toBe(wanted);
  expect((await load({ env: { KVSTORE_CLUSTER_SECRET: wanted } })).clusterSecret).toBe(wanted);
});

test('an empty variable counts as unset', async () => {
  expect((await load({ env: { KVSTORE_HTTP_PORT: '' } })).httpPort).toBe(8080);
});

test('variables that others read are no errors', async () => {
  const env = {
    KVSTORE_NATS_BIN: '/usr/sbin/nats-server',
    KVSTORE_SERVICE_HOST: '10.0.0.1',
    KVSTORE_PORT: 'tcp://10.0.0.1:8080',
    KVSTORE_PORT_8080_TCP_ADDR: '10.0.0.1',
    PATH: '/bin',
  };
  expect((await load({ env })).httpPort).toBe(8080);
});

test('help and version are answered before anything is read', async () => {
  const env = { KVSTORE_NONSENSE: '1' };
  expect(await loadConfig(sources({ argv: ['--help'], env }))).toEqual({ kind: 'help' });
  expect(await loadConfig(sources({ argv: ['--version'], env }))).toEqual({ kind: 'version' });
});

test.each<[string, Inputs, RegExp]>([
  [
    'a mistyped variable',
    { env: { KVSTORE_HTP_PORT: '1' } },
    /KVSTORE_HTP_PORT.*nearest is KVSTORE_HTTP_PORT/,
  ],
  ['a mistyped flag', { argv: ['--data-dri', 'x'] }, /--data-dri.*nearest is --data-dir/],
  [
    'a mistyped key',
    { files: { 'kvstore.yaml': 'log_levle: info' } },
    /log_levle.*nearest is log_level/,
  ],
  [
    'a mistyped key of a section',
    { files: { 'kvstore.yaml': 'badger_config: {memtable_sise: 1MB}' } },
    /nearest is badger_config.memtable_size/,
  ],
  [
    'a storage option outside its section',
    { files: { 'kvstore.yaml': 'num_memtables: 3' } },
    /nearest is badger_config.num_memtables/,
  ],
  [
    'an option that nothing uses',
    { files: { 'kvstore.yaml': 'badger_config: {sync_writes: false}' } },
    /unknown key/,
  ],
  [
    'a port above 65535',
    { env: { KVSTORE_HTTP_PORT: '65536' } },
    /KVSTORE_HTTP_PORT.*"65536".*0\.\.65535/,
  ],
  ['a port that is no number', { argv: ['--grpc-port', 'nine'] }, /--grpc-port.*"nine"/],
  [
    'a size without sense',
    { files: { 'kvstore.yaml': 'badger_config: {memtable_size: big}' } },
    /badger_config.memtable_size in kvstore.yaml/,
  ],
  ['a size out of range', { env: { KVSTORE_MEMTABLE_SIZE: '1KB' } }, /from 1MB to 1GB/],
  ['an unknown log level', { env: { KVSTORE_LOG_LEVEL: 'loud' } }, /one of fatal, error/],
  [
    'a cluster name that cannot be a subject',
    { env: { KVSTORE_CLUSTER: 'My.Cluster' } },
    /\[a-z0-9\]/,
  ],
  ['a list for a value', { files: { 'kvstore.yaml': 'host: [a, b]' } }, /host in kvstore.yaml/],
  ['a file that is no mapping', { files: { 'kvstore.yaml': '- a' } }, /must be a mapping/],
  ['broken YAML', { files: { 'kvstore.yaml': 'a: [1' } }, /kvstore\.yaml: /],
  [
    'a duplicated key',
    { files: { 'kvstore.yaml': 'host: a\nhost: b' } },
    /kvstore\.yaml: .*unique/,
  ],
  [
    'a named file that is missing',
    { argv: ['--config', 'gone.yaml'] },
    /no configuration file gone\.yaml/,
  ],
  ['a flag without a value', { argv: ['--host'] }, /--host needs a value/],
  ['a flag given twice', { argv: ['--host', 'a', '--host', 'b'] }, /twice/],
  ['a stray argument', { argv: ['serve'] }, /unexpected argument "serve"/],
  [
    'a secret given twice',
    { env: { KVSTORE_CLUSTER_SECRET: 'x'.repeat(20), KVSTORE_CLUSTER_SECRET_FILE: 'f' } },
    /both/,
  ],
  [
    'a secret file that is missing',
    { env: { KVSTORE_CLUSTER_SECRET_FILE: 'f' } },
    /does not exist/,
  ],
  [
    'a secret on the command line',
    { argv: ['--cluster-secret', 'x'.repeat(20)] },
    /nearest is --cluster-secret-file/,
  ],
])('%s is refused and named', async (_what, inputs, expected) => {
  const error = await failure(inputs);
  expect(error.code).toBe('CONFIGURATION');
  expect(error.message).toMatch(expected);
});

test('a refused secret is not repeated in the message', async () => {
  const error = await failure({ env: { KVSTORE_CLUSTER_SECRET: 'hunter2' } });
  expect(error.message).toMatch(/at least 16 characters/);
  expect(error.message).not.toContain('hunter2');
});

test.each([
  ['KVSTORE_INITIAL_CLUSTER', 'node-1,node-1'],
  ['KVSTORE_INITIAL_CLUSTER', 'node-1,*'],
  ['KVSTORE_NATS_URL', 'nats://user:secret@127.0.0.1:4222'],
  ['KVSTORE_NATS_URL', 'http://127.0.0.1:4222'],
])('%s=%s is refused', async (variable, value) => {
  const env = { [variable]: value };
  const sources = { argv: [], env, readFile: () => undefined };
  await expect(loadConfig(sources)).rejects.toMatchObject({ code: 'CONFIGURATION' });
});
