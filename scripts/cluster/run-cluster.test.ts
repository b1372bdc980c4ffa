/** A whole cluster of stand-ins under a real supervisor, killed with real signals. */
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { eventually } from '@kvstore/testing';
import { askSupervisor, type ControlRequest } from './control-socket.ts';
import {
  ClusterHarness,
  isAlive,
  livingPids,
  type SupervisorProcess,
} from './cluster-command.test-support.ts';

let harness: ClusterHarness;

beforeEach(() => {
  harness = new ClusterHarness();
});
afterEach(() => harness.end());

const pidsOf = (supervisor: SupervisorProcess): readonly number[] =>
  supervisor.state().processes.map(({ pid }) => pid as number);

async function restarted(supervisor: SupervisorProcess, name: string, before: number | null) {
  await eventually(`${name} runs again`, () => {
    const { pid } = supervisor.entry(name);
    return pid !== before;
  });
}

describe('a cluster', () => {
  test('is eight processes in groups of their own, named in cluster.json before it is ready', async () => {
    harness.behave('gateway-1', 'not-ready');
    const supervisor = harness.start('--nodes', '3');
    const { processes, gateways, nats, supervisor_pid } = await supervisor.spawned();
    expect(supervisor_pid).toBe(supervisor.pid);
    expect(processes.map(({ name, app, node, state }) => [name, app, node, state])).toEqual([
      ['nats-1', 'nats', null, 'running'],
      ['consensus-1', 'consensus', 'node-1', 'running'],
      ['consensus-2', 'consensus', 'node-2', 'running'],
      ['consensus-3', 'consensus', 'node-3', 'running'],
      ['storage-1', 'storage', 'node-1', 'running'],
      ['storage-2', 'storage', 'node-2', 'running'],
      ['storage-3', 'storage', 'node-3', 'running'],
      ['gateway-1', 'gateway', null, 'running'],
    ]);
    const first = processes[0]!;
    expect(nats).toEqual([
      { name: 'nats-1', url: expect.any(String), pid: first.pid, log: first.log },
    ]);
    for (const { pid, log, exit } of processes) {
      const group = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[2];
      expect(group).toBe(String(pid));
      expect(exit).toBeNull();
      expect(log.startsWith(harness.dataDir)).toBe(true);
    }
    harness.behave('gateway-1', '');
    await supervisor.ready();
    expect((await fetch(`${gateways[0]!.http}/readyz`)).status).toBe(200);
  });

  test('keeps its secrets over starts, for its owner only', async () => {
    const secrets = (): Record<string, string> => {
      const passwords = readdirSync(join(harness.dataDir, 'cluster/passwords')).map((name) =>
        join('cluster/passwords', name),
      );
      const files = ['cluster-secret', 'cluster/nats-1.conf', ...passwords];
      for (const file of files)
        expect(statSync(join(harness.dataDir, file)).mode & 0o777).toBe(0o600);
      return Object.fromEntries(
        ['cluster-secret', ...passwords].map((file) => [
          file,
          readFileSync(join(harness.dataDir, file), 'utf8'),
        ]),
      );
    };
    const first = harness.start();
    await first.ready();
    const before = secrets();
    expect(Object.keys(before)).toHaveLength(5);
    expect(new Set(Object.values(before)).size).toBe(5);
    first.signal('SIGTERM');
    await first.finished;
    await harness.start().ready();
    expect(secrets()).toEqual(before);
  });

  test('stops its services before the bus, and everything has ended when it has', async () => {
    const supervisor = harness.start();
    await supervisor.ready();
    const pids = pidsOf(supervisor);
    supervisor.signal('SIGINT');
    // npm sends the same Ctrl-C a second time.
    supervisor.signal('SIGINT');
    expect((await supervisor.finished).code).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(harness.stopOrder).toEqual(['gateway-1', 'storage-1', 'consensus-1', 'nats-1']);
    expect(supervisor.state().processes.every(({ state }) => state === 'exited')).toBe(true);
    expect((await harness.command('status')).code).toBe(1);
  });

  test('is killed by a second Ctrl-C while something does not end', async () => {
    harness.behave('storage-1', 'deaf');
    const supervisor = harness.start();
    await supervisor.ready();
    const pids = pidsOf(supervisor);
    await eventually('it has ended', () => {
      supervisor.signal('SIGINT');
      return supervisor.hasEnded;
    });
    expect((await supervisor.finished).code).toBe(1);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test('keeps the number of nodes that it was founded with', async () => {
    const first = harness.start('--nodes', '3');
    await first.ready();
    first.signal('SIGTERM');
    await first.finished;
    const { code, err } = await harness.start('--nodes', '5').finished;
    expect(code).toBe(1);
    expect(err).toMatch(/^.* holds a cluster of 3 nodes: leave --nodes out.*\n$/);
  });

  test('spawns processes of a node that is added to it, and has it at the next start', async () => {
    const first = harness.start('--nodes', '3');
    await first.ready();
    const added = await askSupervisor(join(harness.dataDir, 'cluster'), {
      kind: 'add-node',
      name: undefined,
      replaces: undefined,
    });
    expect(added).toMatchObject({ kind: 'done', node: 'node-4' });
    expect(first.entry('consensus-4')).toMatchObject({ node: 'node-4', state: 'running' });
    expect(first.entry('storage-4')).toMatchObject({ node: 'node-4', state: 'running' });
    const config = readFileSync(join(harness.dataDir, 'cluster/nats-1.conf'), 'utf8');
    expect(config).toContain('"consensus-node-4"');
    mkdirSync(join(harness.dataDir, 'node-2'));
    first.signal('SIGTERM');
    await first.finished;

    const second = harness.start();
    await second.ready();
    const ask = (kind: 'add-node' | 'remove-node', name: string) =>
      askSupervisor(join(harness.dataDir, 'cluster'), { kind, name, replaces: undefined });
    expect(await ask('remove-node', 'node-2')).toMatchObject({ kind: 'done' });
    expect(second.state().processes.map(({ name }) => name)).toEqual([
      'nats-1',
      ...['consensus-1', 'consensus-3', 'consensus-4'],
      ...['storage-1', 'storage-3', 'storage-4'],
      'gateway-1',
    ]);
    expect(readdirSync(join(harness.dataDir, 'removed'))).toEqual([
      expect.stringMatching(/^node-2-/),
    ]);
    for (const [kind, name, reason] of [
      ['add-node', 'node-2', /names never return: add node-5/],
      ['add-node', 'consensus-1', /no node/],
      ['remove-node', 'node-2', /there is no node-2; there are node-1, node-3, node-4/],
    ] as const) {
      expect(await ask(kind, name)).toMatchObject({
        kind: 'refused',
        reason: expect.stringMatching(reason) as string,
      });
    }
  });

  test('goes on with a node that was begun, and is asked for another one only when that has its end', async () => {
    let supervisor = harness.start('--nodes', '3');
    await supervisor.ready();
    const ask = (request: ControlRequest) =>
      askSupervisor(join(harness.dataDir, 'cluster'), request);
    const add = (replaces?: string) => ask({ kind: 'add-node', name: undefined, replaces });
    harness.behave('nats-1', 'stale');
    expect(await add()).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('did not take its new configuration') as string,
    });
    harness.behave('nats-1', '');
    expect(await add()).toMatchObject({ node: 'node-4' });
    expect(supervisor.entry('consensus-4').state).toBe('running');
    expect(await add('node-2')).toMatchObject({ node: 'node-5' });
    expect(await ask({ kind: 'node-added', name: 'node-4' })).toMatchObject({ kind: 'done' });
    supervisor.signal('SIGTERM');
    await supervisor.finished;

    supervisor = harness.start();
    await supervisor.ready();
    expect(await add('node-2')).toMatchObject({ node: 'node-5' });
    expect(await add()).toMatchObject({ node: 'node-6' });
    mkdirSync(join(harness.dataDir, 'node-2'));
    harness.behave('nats-1', 'stale');
    expect(await ask({ kind: 'remove-node', name: 'node-2' })).toMatchObject({ kind: 'refused' });
    harness.behave('nats-1', '');
    expect(await ask({ kind: 'remove-node', name: 'node-2' })).toMatchObject({ kind: 'done' });
    expect(existsSync(join(harness.dataDir, 'node-2'))).toBe(false);
    expect(await add('node-2')).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('there is no node-2; there are node-1, node-3') as string,
    });
  });

  test('does not start when a port is in use, and says which of whom', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, err } = await harness.start('--http-port', String(port)).finished;
    other.close();
    expect(code).toBe(1);
    expect(err).toBe(
      `port ${port} of gateway-1 is in use: stop the other process or choose another --http-port\n`,
    );
    expect(existsSync(join(harness.dataDir, 'cluster.json'))).toBe(false);
  });

  test('refuses a second supervisor, and goes on', async () => {
    const first = harness.start();
    await first.ready();
    const { code, err } = await harness.start().finished;
    expect(code).toBe(1);
    expect(err).toMatch(
      new RegExp(`^a cluster runs on .* already \\(pid ${first.pid}\\): stop it.*\n$`),
    );
    expect(pidsOf(first).every(isAlive)).toBe(true);
    expect((await harness.command('status')).code).toBe(0);
  });
});

describe('a process that is killed', () => {
  test('is started again, and cluster.json is whole at every moment', async () => {
    const supervisor = harness.start();
    await supervisor.ready();
    for (const name of ['consensus-1', 'nats-1', 'consensus-1']) {
      const before = supervisor.entry(name).pid as number;
      process.kill(before, 'SIGKILL');
      await eventually('it is gone', () => {
        const { pid, state, exit } = supervisor.entry(name);
        if (pid === before && state === 'exited') expect(exit).toBe('SIGKILL');
        return pid !== before || state === 'exited';
      });
      await restarted(supervisor, name, before);
      expect(supervisor.entry(name)).toMatchObject({ state: 'running', exit: null });
    }
    const { nats } = supervisor.state();
    expect(nats[0]!.pid).toBe(supervisor.entry('nats-1').pid);
  });

  test('stays dead with --no-restart, until it is started', async () => {
    const supervisor = harness.start('--no-restart');
    await supervisor.ready();
    const before = supervisor.entry('storage-1').pid as number;
    process.kill(before, 'SIGKILL');
    await eventually('told', () => supervisor.err.includes('storage-1'));
    expect(supervisor.entry('storage-1')).toMatchObject({
      pid: before,
      state: 'exited',
      exit: 'SIGKILL',
    });
    const started = await harness.command('start', 'storage-1');
    const { pid } = supervisor.entry('storage-1');
    expect(started).toEqual({ code: 0, out: `storage-1 runs, pid ${pid}\n`, err: '' });
    expect(isAlive(pid as number)).toBe(true);
  });

  test('by a start error tells it once, in its own words', async () => {
    harness.behave('consensus-1', 'start-error');
    const supervisor = harness.start();
    await supervisor.ready();
    const starts = (): number =>
      readFileSync(join(harness.dataDir, 'logs/consensus-1.log'), 'utf8').split('starting').length;
    await eventually('a third start', () => starts() > 3);
    expect(supervisor.err).toBe(
      'consensus-1 cannot start; it is started again: kvstore: the port 1 is in use.\n',
    );
  });
});

describe('from another terminal', () => {
  test('a process is stopped, stays so, and is started again', async () => {
    const supervisor = harness.start();
    await supervisor.ready();
    const before = supervisor.entry('storage-1').pid as number;
    expect(await harness.command('stop', 'storage-1')).toEqual({
      code: 0,
      out: 'storage-1 has ended\n',
      err: '',
    });
    expect(isAlive(before)).toBe(false);
    const refused = await harness.command('stop', 'storage-1');
    expect(refused).toEqual({ code: 1, out: '', err: 'kvstore: storage-1 is not running\n' });
    expect(supervisor.entry('storage-1')).toMatchObject({ state: 'exited', exit: 0 });
    expect((await harness.command('start', 'storage-1')).code).toBe(0);
    expect(isAlive(supervisor.entry('storage-1').pid as number)).toBe(true);
  });

  test('a name that is running or unknown is an error that says so', async () => {
    const supervisor = harness.start();
    await supervisor.ready();
    const { pid } = supervisor.entry('storage-1');
    expect(await harness.command('start', 'storage-1')).toEqual({
      code: 1,
      out: '',
      err: `kvstore: storage-1 is running (pid ${pid})\n`,
    });
    expect(await harness.command('stop', 'storage-2')).toEqual({
      code: 1,
      out: '',
      err: 'kvstore: there is no process "storage-2"; there are nats-1, consensus-1, storage-1, gateway-1\n',
    });
  });

  test('status shows every process; without a cluster it fails in one line', async () => {
    const none = await harness.command('status');
    expect(none.code).toBe(1);
    expect(none.err).toMatch(/^kvstore: no cluster runs on .*\n$/);
    const supervisor = harness.start();
    const { gateways } = await supervisor.ready();
    const { code, out } = await harness.command('status');
    expect(code).toBe(0);
    const lines = out.trim().split('\n');
    expect(lines.map((line) => line.split(/\s+/)[0])).toEqual([
      'NAME',
      'nats-1',
      'consensus-1',
      'storage-1',
      'gateway-1',
    ]);
    const { pid } = supervisor.entry('gateway-1');
    expect(lines.at(-1)).toBe(
      `gateway-1    gateway    -       ${pid}  running  ${gateways[0]!.http}`,
    );
  });

  test('a data directory of any length is reached', async () => {
    const deep = new ClusterHarness(join('x'.repeat(100), 'y'.repeat(100)));
    try {
      await deep.start().ready();
      expect((await deep.command('status')).code).toBe(0);
    } finally {
      await deep.end();
    }
  });
});

describe('a supervisor that is killed', () => {
  const sentinelOf = (pid: number): number => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const isShell = (child: string): boolean =>
      readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('kvstore-cluster-sentinel');
    return Number(children.find(isShell));
  };

  test('takes its children with it, and the next one starts', async () => {
    const supervisor = harness.start();
    await supervisor.ready();
    const pids = [...pidsOf(supervisor), sentinelOf(supervisor.pid)];
    supervisor.signal('SIGKILL');
    await eventually('all are gone', () => !pids.some(isAlive));
    expect((await harness.command('status')).code).toBe(1);
    const next = harness.start();
    await next.ready();
    expect(next.err).toBe('');
  });

  test('takes its children with it when its sentinel was killed before', async () => {
    const supervisor = harness.start();
    await supervisor.ready();
    const pids = pidsOf(supervisor);
    const sentinel = sentinelOf(supervisor.pid);
    process.kill(sentinel, 'SIGKILL');
    await eventually('another sentinel', () => {
      const now = sentinelOf(supervisor.pid);
      return now !== sentinel && !Number.isNaN(now);
    });
    supervisor.signal('SIGKILL');
    await eventually('all are gone', () => !pids.some(isAlive));
  });

  test('together with its sentinel leaves children that the next one ends', async () => {
    const supervisor = harness.start();
    await supervisor.ready();
    const pids = pidsOf(supervisor);
    supervisor.signal('SIGSTOP');
    process.kill(sentinelOf(supervisor.pid), 'SIGKILL');
    supervisor.signal('SIGKILL');
    await supervisor.finished;
    expect(livingPids(harness.dataDir)).toHaveLength(4);
    const next = harness.start();
    await next.ready();
    expect(pids.filter(isAlive)).toEqual([]);
    expect(next.err).toBe(
      'killed what an earlier start left: nats-1, consensus-1, storage-1, gateway-1\n',
    );
  });
});
