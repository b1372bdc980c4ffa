/**
 * Durable appends: our log beside SQLite in WAL mode with `synchronous=FULL`, on one file system, in one
 * process, round about. One writer with one append in flight, then with 64: the log shares an fdatasync
 * among what waits, SQLite takes a transaction for every append, and for fairness also one for all 64.
 * Latency is that of each append until it is durable. Both make their own space on the way (our spare
 * segments, SQLite's checkpoints); entries are chained as the core does it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { NodeDisk, openSegmentedLog } from '@kvstore/disk';
import { EntryKind } from '@kvstore/raft';
import { LOG_START, logIndex, nextChain, term, type LogPosition } from '@kvstore/std';
import { realTimers } from '@kvstore/testing';
import { median, percentiles, round } from './measure/statistics.ts';
import { parseOptions, positiveInteger } from './options.ts';
import { machine } from './report/machine.ts';
import { cell, printTable, progress } from './report/table.ts';

const ENTRY_BYTES = [100, 1024, 64 * 1024];
const IN_FLIGHT = 64;
const TERM = term(1);

interface Plan {
  readonly directory: string;
  readonly entryBytes: number;
  readonly ms: number;
}

/** Latencies of the appends of one round, and how long it took. */
interface Round {
  readonly latenciesMs: readonly number[];
  readonly ms: number;
}

interface Contender {
  readonly name: string;
  readonly inFlight: number;
  readonly run: (plan: Plan) => Promise<Round>;
}

const contenders: readonly Contender[] = [
  { name: 'log', inFlight: 1, run: (plan) => runLog(plan, 1) },
  { name: 'sqlite', inFlight: 1, run: (plan) => runSqlite(plan, 1) },
  { name: 'log', inFlight: IN_FLIGHT, run: (plan) => runLog(plan, IN_FLIGHT) },
  {
    name: `sqlite, one transaction for ${IN_FLIGHT}`,
    inFlight: IN_FLIGHT,
    run: (plan) => runSqlite(plan, IN_FLIGHT),
  },
];

interface Measured {
  readonly system: string;
  readonly entryBytes: number;
  readonly inFlight: number;
  readonly appendsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function benchLog(args: readonly string[]): Promise<unknown> {
  const options = parseOptions(args, {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    directory: { type: 'string', default: tmpdir() },
  });
  const ms = positiveInteger('seconds', options.seconds) * 1000;
  const rounds = positiveInteger('rounds', options.rounds);
  const root = mkdtempSync(join(resolve(options.directory), 'kvstore-bench-log-'));
  try {
    const measured: Measured[] = [];
    for (const entryBytes of ENTRY_BYTES)
      measured.push(...(await measure(root, entryBytes, rounds, ms)));
    print(measured);
    return { benchmark: 'log', machine: machine(root), seconds: ms / 1000, rounds, measured };
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** Medians over the rounds, in each of which every contender has a turn. */
async function measure(
  root: string,
  entryBytes: number,
  rounds: number,
  ms: number,
): Promise<Measured[]> {
  const results = new Map<Contender, Round[]>(contenders.map((each) => [each, []]));
  for (let at = 1; at <= rounds; at++) {
    progress(`${entryBytes} bytes, round ${at} of ${rounds}`);
    for (const [contender, done] of results) {
      const directory = mkdtempSync(join(root, 'round-'));
      done.push(await contender.run({ directory, entryBytes, ms }));
      rmSync(directory, { recursive: true });
    }
  }
  return [...results].map(([{ name, inFlight }, done]) => {
    const latencies = done.map(({ latenciesMs }) => percentiles(latenciesMs));
    const rates = done.map((each) => (each.latenciesMs.length / each.ms) * 1000);
    return {
      system: name,
      entryBytes,
      inFlight,
      appendsPerSecond: round(median(rates), 0),
      p50Ms: round(median(latencies.map(({ p50 }) => p50)), 3),
      p99Ms: round(median(latencies.map(({ p99 }) => p99)), 3),
    };
  });
}

async function runLog({ directory, entryBytes, ms }: Plan, inFlight: number): Promise<Round> {
  const log = await openSegmentedLog({
    disk: new NodeDisk(directory),
    directory: 'log',
    label: 'bench',
    timers: realTimers,
  });
  const body = bodyOf(entryBytes);
  const latenciesMs: number[] = [];
  let last: LogPosition = LOG_START;
  const begin = performance.now();
  const write = async (): Promise<void> => {
    while (performance.now() - begin < ms) {
      const atMs = performance.now();
      const index = logIndex(last.index + 1);
      const kind = index === 1 ? EntryKind.opening : EntryKind.data;
      const chain = nextChain(last.chain, index, TERM, kind, body);
      last = { index, term: TERM, chain };
      await log.append([{ index, term: TERM, kind, chain, body }], last.index);
      latenciesMs.push(performance.now() - atMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, write));
  const tookMs = performance.now() - begin;
  await log.close();
  return { latenciesMs, ms: tookMs };
}

function runSqlite({ directory, entryBytes, ms }: Plan, perTransaction: number): Promise<Round> {
  const database = new Database(join(directory, 'log.db'));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE log (id INTEGER PRIMARY KEY, body BLOB NOT NULL)');
  const insert = database.prepare('INSERT INTO log (body) VALUES (?)');
  const body = bodyOf(entryBytes);
  const append = database.transaction(() => {
    for (let i = 0; i < perTransaction; i++) insert.run(body);
  });
  const latenciesMs: number[] = [];
  const begin = performance.now();
  let now = begin;
  while (now - begin < ms) {
    append();
    const done = performance.now();
    for (let i = 0; i < perTransaction; i++) latenciesMs.push(done - now);
    now = done;
  }
  database.close();
  return Promise.resolve({ latenciesMs, ms: now - begin });
}

/** Nothing that a file system could compress. */
function bodyOf(bytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, at) => (at * 2_654_435_761) >>> 13));
}

function print(measured: readonly Measured[]): void {
  printTable(
    ['system', 'entry bytes', 'in flight', 'appends/s', 'p50 ms', 'p99 ms'],
    measured.map((each) => [
      each.system,
      String(each.entryBytes),
      String(each.inFlight),
      cell(each.appendsPerSecond),
      cell(each.p50Ms, 3),
      cell(each.p99Ms, 3),
    ]),
  );
}
