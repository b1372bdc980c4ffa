import { resolve } from 'node:path';
import { type Command, type Environment, help, parseCommand } from './arguments.ts';

const parse = (line: string, env: Environment = {}): Command =>
  parseCommand(
    line.split(' ').filter((word) => word !== ''),
    env,
  );

const options = (line: string, env: Environment = {}) => {
  const command = parse(line, env);
  if (command.kind !== 'run') throw new Error(command.kind);
  return command.options;
};

test('without arguments it is three nodes, one gateway and one nats-server on the known ports', () => {
  expect(options('')).toEqual({
    dataDir: resolve('data'),
    cluster: 'dev',
    nodes: undefined,
    gateways: 1,
    nats: 1,
    restart: true,
    host: '127.0.0.1',
    httpPort: 8080,
    grpcPort: 9090,
    metricsPort: 2112,
    natsPort: 4222,
  });
});

test('flags win over variables, and variables over defaults', () => {
  const env = { KVSTORE_DATA_DIR: '/a', KVSTORE_CLUSTER: 'b', KVSTORE_HTTP_PORT: '1' };
  expect(options('', env)).toMatchObject({ dataDir: '/a', cluster: 'b', httpPort: 1 });
  expect(options('--data-dir /c --cluster=d --http-port 2', env)).toMatchObject({
    dataDir: '/c',
    cluster: 'd',
    httpPort: 2,
  });
  expect(options('--nodes 5 --gateways 2 --nats=3 --no-restart')).toMatchObject({
    nodes: 5,
    gateways: 2,
    nats: 3,
    restart: false,
  });
});

test('a variable that is empty counts as unset', () => {
  expect(options('', { KVSTORE_CLUSTER: '', KVSTORE_HOST: '' })).toMatchObject({
    cluster: 'dev',
    host: '127.0.0.1',
  });
});

test('a command names its process and finds its cluster by the data directory', () => {
  expect(parse('start storage-2')).toEqual({
    kind: 'start',
    name: 'storage-2',
    dataDir: resolve('data'),
  });
  expect(parse('stop nats-1 --data-dir /d')).toEqual({
    kind: 'stop',
    name: 'nats-1',
    dataDir: '/d',
  });
  expect(parse('status', { KVSTORE_DATA_DIR: '/d' })).toEqual({ kind: 'status', dataDir: '/d' });
  expect(parse('start --help')).toEqual({ kind: 'help' });
  expect(parse('members --data-dir /d')).toEqual({ kind: 'members', dataDir: '/d' });
  for (const name of [undefined, 'node-7']) {
    expect(parse(`add ${name ?? ''} --data-dir /d`.replace('  ', ' '))).toEqual({
      kind: 'add',
      name,
      dataDir: '/d',
    });
  }
  for (const kind of ['remove', 'replace', 'transfer']) {
    const expected = { kind, name: 'node-2', dataDir: '/d' };
    expect(parse(`${kind} node-2 --data-dir /d`)).toEqual(expected);
  }
});

test.each([
  ['--ndoes 3', 'unknown flag "--ndoes"; the nearest is --nodes'],
  ['--no-restrat', 'unknown flag "--no-restrat"; the nearest is --no-restart'],
  ['strat nats-1', 'unknown command "strat"; the nearest is start'],
  ['--nodes 2', 'flag --nodes has the value "2": expected 1, 3, 5 or 7'],
  ['--nats 6', 'flag --nats has the value "6": expected an integer of 1..5'],
  ['--gateways 0', 'flag --gateways has the value "0": expected an integer of 1..16'],
  ['--http-port 65536', 'flag --http-port has the value "65536": expected an integer of 0..65535'],
  ['--cluster A', 'flag --cluster has the value "A": expected a name of [a-z0-9][a-z0-9-]{0,31}'],
  ['--nodes', 'flag --nodes needs a value'],
  ['--nodes 1 --nodes 3', 'flag --nodes is given twice'],
  ['start', 'start needs the name of a process'],
  ['start a b', 'unexpected argument "b"'],
  ['remove', 'remove needs the name of a node'],
  ['add node-4 node-5', 'unexpected argument "node-5"'],
  ['members node-4', 'unexpected argument "node-4"'],
  ['status a', 'unexpected argument "a"'],
  ['status --nodes 3', 'status takes no flag --nodes, only --data-dir'],
  ['stop a --no-restart', 'stop takes no flag --no-restart, only --data-dir'],
])('%s is refused: %s', (line, message) => {
  expect(() => parse(line)).toThrow(new Error(message));
});

test('a value from a variable is refused by the name of the variable', () => {
  expect(() => parse('', { KVSTORE_GRPC_PORT: 'x' })).toThrow(
    /^KVSTORE_GRPC_PORT has the value "x"/,
  );
});

test('the help names every flag', () => {
  for (const flag of [
    'nodes',
    'gateways',
    'nats',
    'no-restart',
    'data-dir',
    'cluster',
    'nats-port',
  ])
    expect(help).toContain(`--${flag}`);
});
