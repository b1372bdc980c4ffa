/**
 * The files of the command below the data directory, readable by their owner only.
 *
 *   cluster-secret                     key of the frames' MAC, shared with a standalone node
 *   cluster/lock                       held for the life of the supervisor
 *   cluster/control.sock               where other terminals reach it
 *   cluster/passwords/<user>           one NATS password per process, and one of the routes
 *   cluster/nats-1.conf                written at every start
 *   logs/<process>.log                 standard output and error, appended
 *
 * Secrets are generated once. A process that has none of the files is a new one.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from './command-error.ts';

const SECRET_BYTES = 32;

export class ClusterDirectory {
  readonly dataDir: string;
  /** Holds the lock, the socket, the passwords and the configurations. */
  readonly path: string;

  /** Creates what is missing; throws `CommandError` when nothing can be written there. */
  constructor(dataDir: string) {
    this.dataDir = dataDir;
    this.path = join(dataDir, 'cluster');
    try {
      mkdirSync(join(this.path, 'passwords'), { recursive: true, mode: 0o700 });
      mkdirSync(join(dataDir, 'logs'), { recursive: true, mode: 0o700 });
      chmodSync(this.path, 0o700);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new CommandError(`cannot write to ${dataDir} (${code ?? 'unknown error'})`);
    }
  }

  /** Path of the cluster's secret, in the format that the services generate themselves. */
  clusterSecret(): string {
    return this.#secret(join(this.dataDir, 'cluster-secret'));
  }

  passwordFile(user: string): string {
    return this.#secret(join(this.path, 'passwords', user));
  }

  password(user: string): string {
    return readFileSync(this.passwordFile(user), 'utf8');
  }

  natsConfig(name: string): string {
    return join(this.path, `${name}.conf`);
  }

  log(name: string): string {
    return join(this.dataDir, 'logs', `${name}.log`);
  }

  /** Replaces a file that only its owner may read. */
  write(path: string, content: string): void {
    writeFileSync(`${path}.new`, content, { mode: 0o600, flush: true });
    renameSync(`${path}.new`, path);
  }

  #secret(path: string): string {
    if (lengthOf(path) < SECRET_BYTES) this.write(path, randomBytes(SECRET_BYTES).toString('hex'));
    else chmodSync(path, 0o600);
    return path;
  }
}

function lengthOf(path: string): number {
  try {
    return readFileSync(path).length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
