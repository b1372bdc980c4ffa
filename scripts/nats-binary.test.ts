import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer, type Machine } from './nats-binary.ts';

const root = join(__dirname, '..');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nats-binary-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A file `nats-server` in a new directory, executable or not; answers the directory. */
function place(name: string, mode = 0o755): string {
  const into = join(directory, name);
  mkdirSync(into);
  writeFileSync(join(into, 'nats-server'), '#!/bin/sh\n');
  chmodSync(join(into, 'nats-server'), mode);
  return into;
}

function machine(environment: NodeJS.ProcessEnv, rest: Partial<Machine> = {}): Machine {
  return { environment, systemDirectories: [], install: undefined, ...rest };
}

test('KVSTORE_NATS_BIN goes before PATH, PATH before the directories of the system', () => {
  const [named, onPath, system] = [place('named'), place('path'), place('system')];
  const rest = { systemDirectories: [system] };
  const bin = join(named, 'nats-server');
  const path = ['/nonexistent', onPath].join(':');
  expect(findNatsServer(machine({ KVSTORE_NATS_BIN: bin, PATH: path }, rest))).toBe(bin);
  expect(findNatsServer(machine({ KVSTORE_NATS_BIN: '', PATH: path }, rest))).toBe(
    join(onPath, 'nats-server'),
  );
  expect(findNatsServer(machine({}, rest))).toBe(join(system, 'nats-server'));
});

test('what cannot be executed is not a server', () => {
  const notExecutable = place('plain', 0o644);
  mkdirSync(join(directory, 'folder', 'nats-server'), { recursive: true });
  const path = [notExecutable, join(directory, 'folder')].join(':');
  expect(() => findNatsServer(machine({ PATH: path }))).toThrow(/missing/);
});

test('a KVSTORE_NATS_BIN that cannot be executed is an error, whatever else there is', () => {
  const PATH = place('path');
  for (const bin of ['/nonexistent/nats-server', directory]) {
    const lookup = machine({ KVSTORE_NATS_BIN: bin, PATH });
    expect(() => findNatsServer(lookup)).toThrow(`KVSTORE_NATS_BIN names ${bin}`);
  }
});

test('where nothing can be installed, the error names the missing step in one line', () => {
  expect(() => findNatsServer(machine({ PATH: '/nonexistent' }))).toThrow(
    /^nats-server is missing: install nats-server 2\.9\.10 or later.* or set KVSTORE_NATS_BIN.*$/,
  );
});

test('a missing server is installed, and an installation that brings none is an error', () => {
  const silent = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  const system = join(directory, 'system');
  const install = (): boolean => place('system') !== '';
  const lookup = machine({}, { systemDirectories: [system], install });
  expect(findNatsServer(lookup)).toBe(join(system, 'nats-server'));
  expect(silent).toHaveBeenCalledTimes(1);
  for (const answer of [true, false]) {
    const useless = machine({}, { install: () => answer });
    expect(() => findNatsServer(useless)).toThrow(/apt-get did not install/);
  }
  silent.mockRestore();
});

test('a test run without a server fails with that line', () => {
  const without = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', 'libs/std/src/bytes'],
    { cwd: root, encoding: 'utf8', env: { ...process.env, KVSTORE_NATS_BIN: '/nonexistent' } },
  );
  expect(without.status).not.toBe(0);
  expect(without.stderr).toContain(
    'KVSTORE_NATS_BIN names /nonexistent, which is not an executable file',
  );
});
