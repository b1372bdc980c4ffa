/**
 * Processes and bytes that do not belong into a cluster: refused with one clear line, counted, and
 * without any effect on those that do.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import type { NatsBus } from '@kvstore/bus';
import { FrameKind } from '@kvstore/contract';
import { encodeUtf8, SeededRandom } from '@kvstore/std';
import { eventually } from '@kvstore/testing';
import { ClusterProcess, killLeftoverClusters } from '../support/cluster-process.ts';
import { Counter } from '../support/counter.ts';
import { forgedFrame } from '../support/forged-frame.ts';
import { ADMIN, becomeAdmin } from '../support/nats-admin.ts';
import {
  killLeftoverServices,
  type ServiceApp,
  serviceEnvironment,
  ServiceProcess,
} from '../support/service-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

jest.setTimeout(120_000);

let directory: ReturnType<typeof temporaryDirectory>;
/** Of the processes that do not belong. */
let elsewhere: ReturnType<typeof temporaryDirectory>;
let cluster: ClusterProcess;
let admin: NatsBus;
let counter: Counter;

beforeAll(async () => {
  directory = temporaryDirectory();
  cluster = await ClusterProcess.start({ dataDir: directory.path, args: ['--no-restart'] });
  admin = await becomeAdmin(cluster, directory.path);
  counter = new Counter(cluster);
  await counter.advance();
});
beforeEach(() => {
  elsewhere = temporaryDirectory();
});
afterEach(async () => {
  await killLeftoverServices();
  elsewhere.remove();
});
afterAll(async () => {
  await admin.close();
  await killLeftoverClusters();
  directory.remove();
});

const everyApp = [
  ['consensus', 'node-1'],
  ['storage', 'node-1'],
  ['gateway', 'gateway-1'],
] as const;

function launch(app: ServiceApp, name: string, env: Record<string, string>): ServiceProcess {
  return new ServiceProcess(app, {
    ...serviceEnvironment(cluster, directory.path, app, name),
    ...env,
  });
}

/** As another data directory with the same secret. */
function away(): Record<string, string> {
  return { KVSTORE_DATA_DIR: elsewhere.path };
}

function adminLogin(): Record<string, string> {
  const file = join(elsewhere.path, 'admin-password');
  writeFileSync(file, ADMIN.password);
  return { KVSTORE_NATS_USER: ADMIN.user, KVSTORE_NATS_PASSWORD_FILE: file };
}

/** Every one of them ends with one line that holds all `words`. */
async function expectRefusals(
  processes: readonly ServiceProcess[],
  ...words: readonly string[]
): Promise<void> {
  for (const output of await Promise.all(processes.map((each) => each.refusal()))) {
    const lines = output.trim().split('\n');
    expect({ lines: lines.length, output }).toEqual({ lines: 1, output });
    for (const word of words) expect(output).toContain(word);
  }
}

async function refusedFrames(name: string): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  const text = await cluster.metrics(name);
  for (const [, reason = '', count] of text.matchAll(
    /_frames_refused_total\{.*reason="(\w+)"\} (\d+)/g,
  )) {
    counts[reason] = Number(count);
  }
  return counts;
}

function refusalLines(name: string): number {
  return cluster.log(name).split('refused frames that are none').length - 1;
}

describe('a process does not start', () => {
  test('without a nats-server, and says where it looked', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.close();
    const processes = everyApp.map(([app, name]) =>
      launch(app, name, { ...away(), KVSTORE_NATS_URL: url }),
    );
    await expectRefusals(processes, 'NATS_UNREACHABLE', url);
  });

  test('under credentials that the nats-server does not know', async () => {
    const wrong = join(elsewhere.path, 'wrong');
    writeFileSync(wrong, 'not-the-password-of-anyone');
    const processes = everyApp.map(([app, name]) =>
      launch(app, name, { ...away(), KVSTORE_NATS_PASSWORD_FILE: wrong }),
    );
    await expectRefusals(processes, 'NATS_REFUSED');
  });

  test('under a name that another process of the cluster has', async () => {
    const processes = everyApp.map(([app, name]) => launch(app, name, away()));
    await expectRefusals(processes, 'NAME_IN_USE');
    await counter.advance();
  });

  test('in the data directory of a process that runs', async () => {
    const processes = everyApp.slice(0, 2).map(([app, name]) => launch(app, name, {}));
    await expectRefusals(processes, 'DATA_DIR_IN_USE');
  });
});

describe('a process starts and takes no part', () => {
  const replaced = ['consensus-3', 'storage-3'];

  beforeEach(() => cluster.kill(...replaced));
  afterEach(async () => {
    await killLeftoverServices();
    await cluster.startAgain(...replaced);
    await counter.advance();
    await cluster.untilEqual();
    cluster.expectAllRun();
  });

  test('with another secret: it and the others say so, each once', async () => {
    const before = await refusedFrames('consensus-1');
    const secret = join(elsewhere.path, 'other-secret');
    writeFileSync(secret, 'f'.repeat(64));
    const env = { ...away(), ...adminLogin(), KVSTORE_CLUSTER_SECRET_FILE: secret };
    const storage = launch('storage', 'node-3', env);
    const gateway = launch('gateway', 'gateway-9', env);
    const consensus = launch('consensus', 'node-3', env);
    await storage.untilLogged('the same cluster_secret');
    await gateway.untilLogged('the same cluster_secret');
    await consensus.untilLogged('waiting for a cluster: no answer from node-1, node-2');
    await counter.advance();
    for (const { output } of [storage, gateway]) {
      expect(output.split('refused frames').length - 1).toBeLessThanOrEqual(2);
    }
    for (const { isRunning } of [storage, gateway, consensus]) expect(isRunning).toBe(true);
    const after = await refusedFrames('consensus-1');
    expect(after['mac'] ?? 0).toBeGreaterThan(before['mac'] ?? 0);
    expect(cluster.log('consensus-1')).toContain('the same cluster_secret');
  });

  test('with an empty data directory under a known id: it does not vote', async () => {
    const consensus = launch('consensus', 'node-3', away());
    await consensus.untilLogged('this member does not take part');
    await counter.advance();
    expect(consensus.output).toContain('remedy');
    expect(consensus.isRunning).toBe(true);
  });

  test('with the directory of a cluster of the same name that was founded apart: nobody takes its frames', async () => {
    const from = join(directory.path, 'node-3');
    const to = join(elsewhere.path, 'node-3');
    mkdirSync(to);
    cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith('/lock') });
    foundApart(join(to, 'consensus/identity.json'));
    foundApart(join(to, 'storage/identity.json'));
    const consensus = launch('consensus', 'node-3', away());
    const storage = launch('storage', 'node-3', away());
    await consensus.untilLogged('is a member of another cluster of this name');
    await storage.untilLogged('the data of node-3 is of another cluster');
    await counter.advance();
    await eventually('the others say so, too', () =>
      ['consensus-1', 'consensus-2'].every((name) =>
        cluster.log(name).includes('node-3 is a member of another cluster of this name'),
      ),
    );
    expect(storage.output.split('is of another cluster').length - 1).toBe(1);
  });
});

function foundApart(path: string): void {
  const identity = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  if ('cluster_id' in identity) identity['cluster_id'] = '11111111-2222-4333-8444-555555555555';
  if ('cluster_tag' in identity) identity['cluster_tag'] = 4_711;
  delete identity['checksum'];
  writeFileSync(path, JSON.stringify(identity));
}

test('random bytes, forged, foreign, cut, damaged and repeated frames on every subject change nothing', async () => {
  const random = new SeededRandom(Number(process.env['SEED'] ?? 1));
  const secret = encodeUtf8(readFileSync(join(directory.path, 'cluster-secret'), 'utf8'));
  const subjects = everySubject();
  const authentic: { readonly subject: string; readonly payload: Uint8Array }[] = [];
  const listening = admin.subscribe('kv.dev.>', ({ subject, payload }) => {
    if (authentic.length < 2_000) authentic.push({ subject, payload });
  });
  const before = cluster.file.processes.map(({ pid }) => pid);
  await counter.advance(20);

  const attack = async (): Promise<void> => {
    for (let round = 0; round < 40; round++) {
      for (const subject of subjects) {
        for (const payload of badPayloads(random, secret, authentic)) {
          admin.publish(subject, payload);
        }
      }
      // Only where they belong: the bus may deliver everything twice, and late.
      for (let i = 0; i < 20; i++) {
        const again = authentic[random.below(authentic.length)];
        if (again !== undefined) admin.publish(again.subject, again.payload);
      }
      await admin.connection.flush();
      // Why a pause: all rounds would be one burst; few writes would fall into it, and mere load could
      // fail them.
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  };
  await counter.advanceDuring(attack());
  listening.unsubscribe();
  await counter.advance();
  await cluster.untilEqual();
  expect(authentic.length).toBeGreaterThan(100);

  cluster.expectAllRun();
  expect(cluster.file.processes.map(({ pid }) => pid)).toEqual(before);
  for (const name of cluster.names('consensus', 'storage', 'gateway')) {
    const refused = await refusedFrames(name);
    for (const reason of ['version', 'malformed', 'mac', 'cluster', 'kind', 'role']) {
      expect({ name, reason, count: refused[reason] ?? 0 }).not.toMatchObject({ count: 0 });
    }
    expect({ name, lines: refusalLines(name) }).not.toMatchObject({ lines: 0 });
    expect(refusalLines(name)).toBeLessThan(12);
  }
});

function everySubject(): readonly string[] {
  const nodes = ['node-1', 'node-2', 'node-3'];
  const of = (role: string, names: readonly string[], operations: readonly string[]): string[] =>
    names.flatMap((name) => operations.map((each) => `${role}.${name}.${each}`));
  return [
    ...['live', 'mark', 'beacon', 'log.1'],
    ...of('consensus', nodes, ['propose', 'read-index', 'pull', 'raft', 'vote', 'hello', 'status']),
    ...of('storage', nodes, ['read', 'outcomes', 'hello', 'status']),
    ...of('gateway', ['gateway-1'], ['outcomes', 'hello']),
  ].map((subject) => `kv.dev.g0.${subject}`);
}

function* badPayloads(
  random: SeededRandom,
  secret: Uint8Array,
  authentic: readonly { readonly payload: Uint8Array }[],
): Generator<Uint8Array> {
  const body = randomBytes(random, random.below(200));
  const kinds = Object.values(FrameKind);
  const kind = kinds[random.below(kinds.length)] as FrameKind;
  const sender = ['consensus/node-1', 'storage/node-2', 'gateway/gateway-1', 'nobody'][
    random.below(4)
  ] as string;
  yield new Uint8Array(0);
  yield randomBytes(random, 1 + random.below(600));
  yield Uint8Array.from([1, kind, ...body]);
  // With the right key: a body that says nothing, a sender that may not send it, another cluster.
  for (const each of kinds) {
    yield forgedFrame({ cluster: 'dev', sender: 'nobody/x', kind: each, body, secret });
    yield forgedFrame({ cluster: 'prod', sender, kind: each, body, secret });
  }
  yield forgedFrame({ cluster: 'dev', sender, kind, body, secret });
  yield forgedFrame({ cluster: 'dev', sender, kind, body, secret: randomBytes(random, 32) });
  const frame = authentic[random.below(authentic.length)]?.payload;
  if (frame === undefined || frame.length < 40) return;
  yield frame.subarray(0, random.below(frame.length));
  const damaged = Uint8Array.from(frame);
  const place = random.below(damaged.length);
  damaged[place] = (damaged[place] as number) ^ (1 << random.below(8));
  yield damaged;
}

function randomBytes(random: SeededRandom, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}
