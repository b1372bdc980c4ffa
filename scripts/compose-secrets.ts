/**
 * Generates the secrets of docker-compose.yml into a directory, once: what is there stays.
 *
 *   cluster-secret   key of the frames' MAC
 *   nats/<user>      the NATS password of one process
 *   nats.conf        the same passwords, and the routes, as variables for deploy/nats/nats.conf
 *
 * Which they are, it reads from the configuration that uses them. It imports nothing of the
 * workspace, so that the image can run it as it is.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SECRET_BYTES = 32;
const USER = /user: "([^"]+)", password: \$(\w+)/g;
const ROUTE = /\$(route_(\w+))/g;

/** Throws what the file system throws. */
export function generateSecrets(directory: string, natsConfiguration: string): void {
  mkdirSync(join(directory, 'nats'), { recursive: true, mode: 0o700 });
  secret(join(directory, 'cluster-secret'));
  const text = readFileSync(natsConfiguration, 'utf8');
  const passwords = [...text.matchAll(USER)].map(([, user, variable]) => ({
    user: String(user),
    variable: String(variable),
    password: secret(join(directory, 'nats', String(user))),
  }));
  const route = passwords.find(({ user }) => user === 'route');
  const variables = [
    ...passwords.map(({ variable, password }) => [variable, password] as const),
    ...[...text.matchAll(ROUTE)].map(([, variable, host]) => {
      const address = `${String(host).replaceAll('_', '-')}:6222`;
      return [String(variable), `nats-route://route:${route?.password}@${address}`] as const;
    }),
  ];
  const lines = variables.map(([name, value]) => `${name}: "${value}"\n`);
  replace(join(directory, 'nats.conf'), lines.join(''));
}

/** Reads the secret, or makes it. */
function secret(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const made = randomBytes(SECRET_BYTES).toString('hex');
    replace(path, made);
    return made;
  }
}

function replace(path: string, content: string): void {
  writeFileSync(`${path}.new`, content, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

if (process.argv[1] === import.meta.filename) {
  const [directory, natsConfiguration] = process.argv.slice(2);
  if (directory === undefined || natsConfiguration === undefined) {
    process.stderr.write('usage: node compose-secrets.ts DIRECTORY NATS_CONFIGURATION\n');
    process.exit(1);
  }
  generateSecrets(directory, natsConfiguration);
}
