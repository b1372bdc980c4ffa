/**
 * docker-compose.yml, the Dockerfile and deploy/ cannot run in a test; that they fit the code can
 * be checked. `REWRITE=1` writes the accounts in deploy/nats/nats.conf again.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SenderRole } from '@kvstore/contract';
import { type ConfigOutcome, loadConfig } from '@kvstore/nest-kit';
import { NatsServer } from '@kvstore/testing';
import { generateSecrets } from './compose-secrets.ts';
import { NatsClient } from './cluster/nats-client.test-support.ts';
import { natsAccounts, natsUserName } from './cluster/nats-config.ts';
import { planPorts } from './cluster/port-plan.ts';

interface Service {
  readonly image: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly volumes: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const root = join(__dirname, '..');
const NATS_CONFIG = join(root, 'deploy/nats/nats.conf');
const ACCOUNTS = /^accounts \{$.*?^\}$/ms;
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const { parse } = createRequire(join(root, 'libs/nest-kit/package.json'))('yaml') as {
  parse(text: string, options: { readonly merge: boolean }): unknown;
};
const { services, volumes } = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const apps = Object.entries(services).filter(([name]) => !/^(nats-|secrets)/.test(name));
const NODES = ['node-1', 'node-2', 'node-3'];

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvstore-compose-'));
  mkdirSync(join(directory, 'secrets'));
  generateSecrets(join(directory, 'secrets'), NATS_CONFIG);
});
afterEach(async () => {
  await NatsServer.endAll();
  rmSync(directory, { recursive: true });
});

const roleOf = (name: string): SenderRole =>
  Object.values(SenderRole).find((role) => name.startsWith(role))!;

/** As the containers see it, with the secrets of the volume. */
async function configOf({ environment }: Service) {
  const env = Object.fromEntries(
    Object.entries(environment ?? {}).map(([key, value]) => [key, String(value)]),
  );
  const readFile = (path: string): string | undefined => {
    const below = /^\/secrets\/(.*)$/.exec(path)?.[1];
    const file = join(directory, 'secrets', below ?? 'absent');
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  };
  const outcome = await loadConfig({ argv: [], env, readFile });
  return (outcome as Extract<ConfigOutcome, { readonly kind: 'config' }>).config;
}

test('it is three nodes, three nats-servers and a gateway', () => {
  const numbered = (app: string): readonly string[] => [1, 2, 3].map((i) => `${app}-${i}`);
  expect(Object.keys(services)).toEqual([
    'secrets',
    ...['nats', 'consensus', 'storage'].flatMap(numbered),
    'gateway-1',
  ]);
});

test.each(apps)('%s has an environment that its configuration accepts', async (name, service) => {
  const config = await configOf(service);
  const role = roleOf(name);
  const own = role === SenderRole.gateway ? config.gatewayName : config.nodeId;
  const number = name.split('-')[1];
  expect(own).toBe(role === SenderRole.gateway ? name : `node-${number}`);
  expect(config.natsUser).toBe(natsUserName({ role, name: own }));
  expect(config).toMatchObject({ cluster: 'compose', initialCluster: NODES, host: '0.0.0.0' });
  for (const url of config.natsUrl) expect(Object.keys(services)).toContain(new URL(url).hostname);
});

test.each(apps)('%s runs an app that exists and that the image has built', (name, { command }) => {
  const [entry] = command;
  expect(entry).toBe(`apps/${roleOf(name)}/dist/main.js`);
  expect(existsSync(join(root, `apps/${roleOf(name)}/src/main.ts`))).toBe(true);
  expect(/tsc -b (.*) \\/.exec(read('Dockerfile'))?.[1]).toContain(`apps/${roleOf(name)}`);
});

test('both processes of a node, and only they, share its volume', () => {
  for (const [name, { volumes: mounted }] of apps) {
    const own = roleOf(name) === SenderRole.gateway ? [] : [`node-${name.split('-')[1]}:/data`];
    expect(mounted).toEqual(['secrets:/secrets:ro', ...own]);
  }
});

test('what is mounted exists: a volume that is declared, or a file of the repository', () => {
  const sources = Object.values(services).flatMap((service) =>
    service.volumes.map((mount) => mount.split(':')[0] as string),
  );
  for (const source of sources) {
    if (source.startsWith('./')) expect(existsSync(join(root, source))).toBe(true);
    else expect(Object.keys(volumes)).toContain(source);
  }
  expect([...new Set(sources.filter((source) => !source.startsWith('./')))].sort()).toEqual(
    Object.keys(volumes).sort(),
  );
});

test('whoever is waited for until it is healthy has a health check', () => {
  const waits = Object.values(services).flatMap(({ depends_on: on }) => Object.entries(on ?? {}));
  expect(waits.length).toBeGreaterThan(0);
  for (const [name, { condition }] of waits) {
    const isJob = name === 'secrets';
    expect(condition).toBe(isJob ? 'service_completed_successfully' : 'service_healthy');
    if (!isJob) expect(services[name]!.healthcheck?.test[0]).toBe('CMD');
  }
});

test('the published ports are those of the gateway, for this machine only', async () => {
  const published = Object.entries(services).flatMap(([name, { ports }]) =>
    (ports ?? []).map((port) => [name, port]),
  );
  const { httpPort, grpcPort, metricsPort } = await configOf(services['gateway-1']!);
  expect([httpPort, grpcPort, metricsPort]).toEqual([8080, 9090, 2112]);
  expect(published).toEqual(
    [httpPort, grpcPort, metricsPort].map((port) => ['gateway-1', `127.0.0.1:${port}:${port}`]),
  );
});

test('the NATS users are the processes, each with what busPermissions lists', () => {
  const users = apps.map(([name]) => {
    const role = roleOf(name);
    const own = role === SenderRole.gateway ? name : name.replace(role, 'node');
    const variable = natsUserName({ role, name: own }).replaceAll('-', '_');
    return { role, name: own, cluster: 'compose', group: 'g0', password: `$password_${variable}` };
  });
  const accounts = natsAccounts(users);
  if (process.env['REWRITE'] === '1') {
    writeFileSync(
      NATS_CONFIG,
      read('deploy/nats/nats.conf').replace(ACCOUNTS, () => accounts),
    );
  }
  expect(ACCOUNTS.exec(read('deploy/nats/nats.conf'))?.[0]).toBe(accounts);
});

describe('the configuration of the nats-servers', () => {
  test.each([1, 2, 3])('is valid for nats-%i', (i) => {
    const { command, volumes: mounted, image } = services[`nats-${i}`]!;
    expect(command).toEqual(['-c', '/etc/nats/nats.conf', '--name', `nats-${i}`]);
    expect(mounted).toContain(`nats-${i}:/data`);
    expect(image).toMatch(/^nats:2\.\d+-alpine$/);
    const path = join(directory, 'nats.conf');
    copyFileSync(NATS_CONFIG, path);
    const words = ['-t', '-c', path, '--name', `nats-${i}`];
    const checked = spawnSync(String(process.env['KVSTORE_NATS_BIN']), words);
    expect([checked.status, checked.stderr.toString()]).toEqual([
      0,
      expect.stringContaining('is valid'),
    ]);
  });

  test('lets a process in with the password of its file only', async () => {
    const free = { httpPort: 0, grpcPort: 0, metricsPort: 0, natsPort: 0, host: '127.0.0.1' };
    const { nats } = await planPorts({ ...free, gateways: 1, nodes: 1, nats: 2 });
    const config = read('deploy/nats/nats.conf')
      .replace('0.0.0.0:6222', `127.0.0.1:${nats[0]!.route}`)
      .replace('127.0.0.1:8222', `127.0.0.1:${nats[1]!.route}`)
      .replace('"/data"', JSON.stringify(join(directory, 'data')))
      .concat('server_name: "nats-1"\n');
    const port = nats[0]!.client;
    await NatsServer.start({ directory, config, port });
    const { natsUser, natsPassword } = await configOf(services['storage-2']!);
    const known = await NatsClient.connect(port, natsUser ?? '', natsPassword ?? '');
    expect(known.text).not.toContain('-ERR');
    known.close();
    const unknown = await NatsClient.connect(port, 'storage-node-1', natsPassword ?? '');
    expect(unknown.text).toContain('-ERR');
    unknown.close();
  });
});

test('secrets are made once, and no two are the same', () => {
  const users = apps.map(([, { environment }]) => String(environment!['KVSTORE_NATS_USER']));
  const files = [
    'cluster-secret',
    'nats.conf',
    ...[...users, 'route'].map((user) => `nats/${user}`),
  ];
  const all = (): readonly string[] =>
    files.map((file) => readFileSync(join(directory, 'secrets', file), 'utf8'));
  const before = all();
  expect(new Set(before).size).toBe(files.length);
  generateSecrets(join(directory, 'secrets'), NATS_CONFIG);
  expect(all()).toEqual(before);
});

test('what runs in the first service is in the image', () => {
  const [script, , configuration] = services['secrets']!.command;
  expect(read('Dockerfile')).toContain(`COPY ${script} scripts/`);
  expect(existsSync(join(root, script!))).toBe(true);
  expect(join(root, configuration!)).toBe(NATS_CONFIG);
});

test('the image has the Node.js that the workspace needs', () => {
  const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
  const major = /^>=(\d+)/.exec(engines.node)?.[1];
  const bases = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
  expect(bases).toEqual([`node:${major}-slim`, `node:${major}-slim`]);
});
