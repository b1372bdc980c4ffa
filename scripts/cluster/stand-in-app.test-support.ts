/**
 * Stands in for a service or a nats-server: starts at once, answers `/readyz` when it has an HTTP
 * port, and ends on SIGTERM after a line in `<data>/events`. A file `<data>/behaviour/<name>` makes it
 * different: `start-error`, `not-ready`, `stale` (to SIGHUP) or `deaf` (to SIGTERM).
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';

const { env, argv } = process;
const data = String(env['KVSTORE_DATA_DIR']);
const app = String(argv[2]);
const name = nameOf(app);
const behaviour = read(join(data, 'behaviour', name));

if (behaviour === 'start-error') {
  process.stderr.write('{"level":"info","msg":"starting"}\nkvstore: the port 1 is in use.\n');
  process.exit(1);
}
process.on('SIGTERM', () => {
  if (behaviour === 'deaf') return;
  appendFileSync(join(data, 'events'), `${name}\n`);
  process.exit(0);
});
process.stdout.write(
  `${JSON.stringify({ name, arguments: argv.slice(3), environment: kvstore() })}\n`,
);
const port = app === 'gateway' ? Number(env['KVSTORE_HTTP_PORT']) : 0;
if (app === 'nats') {
  process.on('SIGHUP', () => {
    if (read(join(data, 'behaviour', name)) === 'stale') return;
    process.stdout.write('Reloaded server configuration\n');
  });
}
createServer((_, response) => {
  const isReady = read(join(data, 'behaviour', name)) !== 'not-ready';
  response.writeHead(isReady ? 200 : 503).end(JSON.stringify({ detail: 'there is no leader' }));
}).listen(port, '127.0.0.1');

function nameOf(which: string): string {
  if (which === 'nats') return basename(String(argv[4]), '.conf');
  if (which === 'gateway') return String(env['KVSTORE_GATEWAY_NAME']);
  return String(env['KVSTORE_NODE_ID']).replace('node', which);
}

function kvstore(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([key]) => key.startsWith('KVSTORE_')));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
