/**
 * One durable node over REST, loaded by wrk from outside: PUT and linearizable GET of 128 B values,
 * 64 and 256 connections, the works alternating, medians over the rounds.
 *
 * CPU is the node process's user and system time over the measured seconds, divided by requests.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

const SECONDS = 8;
const WARM_UP_SECONDS = 3;
const ROUNDS = 3;
const KEYS = 10_000;
const VALUE_BYTES = 128;
const CONNECTIONS = [64, 256];
const CLOCK_TICKS_PER_SECOND = 100;

interface Sample {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicrosPerRequest: number;
  readonly errors: number;
}

interface Work {
  readonly name: string;
  readonly method: 'PUT' | 'GET';
  readonly connections: number;
}

/** `--cpu-prof DIR` takes a profile of the node into DIR. */
export async function benchRest(args: readonly string[]): Promise<unknown> {
  requireWrk();
  const directory = mkdtempSync(join(tmpdir(), 'kvstore-bench-'));
  const node = await startNode(directory, profileDirectory(args));
  try {
    const works = CONNECTIONS.flatMap((connections) =>
      (['PUT', 'GET'] as const).map((method) => ({
        name: `${method} ${connections}`,
        method,
        connections,
      })),
    );
    const scripts = { PUT: script(directory, 'PUT'), GET: script(directory, 'GET') };
    for (const work of works) await measure(node, work, scripts[work.method], WARM_UP_SECONDS);
    const samples = new Map<string, Sample[]>(works.map((work) => [work.name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const work of works) {
        const sample = await measure(node, work, scripts[work.method], SECONDS);
        samples.get(work.name)?.push(sample);
      }
    }
    return report(samples, node.pid);
  } finally {
    process.kill(node.pid, 'SIGTERM');
    await node.exited;
    rmSync(directory, { recursive: true, force: true });
  }
}

function requireWrk(): void {
  if (spawnSync('wrk', ['-v']).error === undefined) return;
  process.stderr.write('the REST benchmark needs wrk: apt-get install wrk\n');
  process.exit(1);
}

function profileDirectory(args: readonly string[]): string | undefined {
  const at = args.indexOf('--cpu-prof');
  return at === -1 ? undefined : (args[at + 1] ?? '.');
}

interface Node {
  readonly pid: number;
  readonly rest: string;
  readonly exited: Promise<unknown>;
}

async function startNode(directory: string, profile: string | undefined): Promise<Node> {
  const main = join(import.meta.dirname, '../apps/standalone/dist/main.js');
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const child = spawn(process.execPath, [...flags, main], {
    env: {
      PATH: process.env['PATH'],
      KVSTORE_DATA_DIR: join(directory, 'data'),
      KVSTORE_HTTP_PORT: '0',
      KVSTORE_GRPC_PORT: '0',
      KVSTORE_METRICS_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const serving = new Promise<string>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const rest = /REST\s+(http:\/\/\S+)/.exec(text)?.[1];
      if (rest !== undefined && text.includes('curl')) resolve(rest);
    });
  });
  const exited = once(child, 'exit');
  const rest = await Promise.race([
    serving,
    exited.then(() => Promise.reject(new Error(`the node did not start: ${text}`))),
  ]);
  return { pid: child.pid as number, rest, exited };
}

function script(directory: string, method: 'PUT' | 'GET'): string {
  const path = join(directory, `${method}.lua`);
  const body = method === 'PUT' ? `wrk.body = string.rep("v", ${VALUE_BYTES})` : '';
  const lua = `
wrk.method = "${method}"
${body}
request = function()
  return wrk.format(nil, "/api/v1/keys/key-" .. math.random(1, ${KEYS}))
end
`;
  writeFileSync(path, lua);
  return path;
}

async function measure(
  node: Node,
  work: Work,
  scriptPath: string,
  seconds: number,
): Promise<Sample> {
  const before = cpuTicks(node.pid);
  const wrk = spawn(
    'wrk',
    ['-t1', `-c${work.connections}`, `-d${seconds}s`, '--latency', '-s', scriptPath, node.rest],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  wrk.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(wrk, 'close');
  const micros = ((cpuTicks(node.pid) - before) / CLOCK_TICKS_PER_SECOND) * 1e6;
  return parse(text, micros);
}

/** User and system time of a process, from /proc. */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function parse(text: string, micros: number): Sample {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  const requests = number(/(\d+) requests in/);
  return {
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: latency(text, '50%'),
    p99Ms: latency(text, '99%'),
    cpuMicrosPerRequest: micros / Math.max(1, requests),
    errors: number(/Non-2xx or 3xx responses: (\d+)/),
  };
}

function latency(text: string, percentile: string): number {
  const found = new RegExp(`${percentile}\\s+([\\d.]+)(us|ms|s)`).exec(text);
  const factor = { us: 0.001, ms: 1, s: 1000 }[found?.[2] ?? 'ms'] ?? 1;
  return Number(found?.[1] ?? 0) * factor;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

function report(samples: ReadonlyMap<string, readonly Sample[]>, pid: number): unknown {
  const residentMB =
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  const rows = [...samples].map(([work, all]) => ({
    work,
    perSecond: Math.round(median(all.map((sample) => sample.perSecond))),
    p50Ms: round(median(all.map((sample) => sample.p50Ms))),
    p99Ms: round(median(all.map((sample) => sample.p99Ms))),
    cpuMicrosPerRequest: round(median(all.map((sample) => sample.cpuMicrosPerRequest))),
    errors: all.reduce((sum, sample) => sum + sample.errors, 0),
  }));
  const header = ['work', '/s', 'p50 ms', 'p99 ms', 'CPU µs/request', 'errors'];
  const lines = [header, ...rows.map((row) => Object.values(row).map(String))];
  for (const line of lines) {
    process.stderr.write(
      `${line.map((cell, at) => (at === 0 ? cell.padEnd(10) : cell.padStart(15))).join('')}\n`,
    );
  }
  return {
    benchmark: 'rest',
    machine: { cpus: cpus().length, model: cpus()[0]?.model, node: process.version },
    valueBytes: VALUE_BYTES,
    keys: KEYS,
    rounds: ROUNDS,
    secondsPerRound: SECONDS,
    residentMB: Math.round(residentMB),
    results: rows,
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
