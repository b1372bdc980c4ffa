/**
 * The nats-server binary that the tests and the cluster command run: KVSTORE_NATS_BIN, then PATH,
 * then where Debian puts it (which a user's PATH may lack); root on Debian installs the package.
 * There is no going on without one: the answer is a path, or an error of one line that names the
 * missing step.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { directoriesOf, findExecutable, isExecutable } from './executables.ts';

const REMEDY =
  'install nats-server 2.9.10 or later (Debian: apt-get install nats-server) or set KVSTORE_NATS_BIN to its path';

/** Where to look, and how this machine installs what is missing; undefined: it cannot. */
export interface Machine {
  readonly environment: NodeJS.ProcessEnv;
  readonly systemDirectories: readonly string[];
  readonly install: (() => boolean) | undefined;
}

export function findNatsServer(machine: Machine = thisMachine()): string {
  const named = machine.environment['KVSTORE_NATS_BIN'] ?? '';
  if (named !== '') {
    if (isExecutable(named)) return named;
    throw oneLine(`KVSTORE_NATS_BIN names ${named}, which is not an executable file`);
  }
  const found = installed(machine);
  if (found !== undefined) return found;
  if (machine.install === undefined) throw oneLine(`nats-server is missing: ${REMEDY}`);
  process.stderr.write('nats-server is missing: installing it with apt-get\n');
  const tried = machine.install() ? installed(machine) : undefined;
  if (tried === undefined) throw oneLine(`apt-get did not install nats-server: ${REMEDY}`);
  return tried;
}

function thisMachine(): Machine {
  const canInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version');
  return {
    environment: process.env,
    systemDirectories: ['/usr/sbin', '/usr/local/sbin'],
    install: canInstall ? aptInstall : undefined,
  };
}

function installed({ environment, systemDirectories }: Machine): string | undefined {
  const directories = [...directoriesOf(environment['PATH']), ...systemDirectories];
  return findExecutable('nats-server', directories);
}

function aptInstall(): boolean {
  const apt = (...words: string[]): boolean =>
    spawnSync('apt-get', words, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0;
  return apt('update') && apt('install', '-y', 'nats-server');
}

/** Without a stack: it is a message to a person, not a bug. */
function oneLine(message: string): Error {
  const error = new Error(message);
  error.stack = `Error: ${message}`;
  return error;
}
