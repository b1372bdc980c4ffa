/**
 * What a comparison found: a row per work, CPU per request of every process, memory, and what a reader
 * has to know before believing it.
 */
import { REST_CONNECTIONS, type Work } from '../load/works.ts';
import { memory } from '../measure/process-usage.ts';
import { round } from '../measure/statistics.ts';
import type { PairsOptions, SystemRun } from '../pairs.ts';
import { KEYS, VALUE_BYTES } from '../systems/dialect.ts';
import { type Machine, machine } from './machine.ts';
import { type Ratio, ratioOf, type Row, type Side, summarize } from './pair-summary.ts';
import { cell, printTable, warn } from './table.ts';

const OTHER_CPU_PERCENT_MAX = 10;

export interface PeersReportInput {
  /** Ours first. */
  readonly runs: readonly SystemRun[];
  readonly options: PairsOptions;
  /** Where the data was. */
  readonly directory: string;
  /** Peers that were not measured, and why. */
  readonly skipped: readonly string[];
}

/** Prints the tables; the result is for JSON. */
export function peersReport({ runs, options, directory, skipped }: PeersReportInput): unknown {
  const rows = options.works.map((work) => summarize(work, runs));
  const on = machine(directory);
  const names = runs.map(({ system }) => system.name);
  process.stderr.write(`\n${runs.map(({ system }) => system.title).join(' beside ')}\n\n`);
  printWorks(rows, names);
  const across = acrossProtocols(options.works, runs);
  printAcross(across, names);
  printCpu(rows, names);
  const warnings = [...skipped, ...machineWarnings(on), ...rows.flatMap(rowWarnings)];
  for (const warning of warnings) warn(warning);
  return {
    benchmark: 'peers',
    machine: on,
    valueBytes: VALUE_BYTES,
    keys: KEYS,
    rounds: options.rounds,
    secondsPerRound: options.seconds,
    warmUpSeconds: options.warmUpSeconds,
    restConnections: REST_CONNECTIONS,
    warnings,
    systems: runs.map(describe),
    results: rows.map(({ work, sides, ratio }) => ({
      work: work.name,
      ratio,
      ...Object.fromEntries(sides),
    })),
    acrossProtocols: across,
  };
}

interface Across {
  readonly ours: string;
  readonly peer: string;
  readonly ratio: Ratio;
}

/** One client of our REST API beside one of the peer's gRPC, its fastest way in. */
function acrossProtocols(works: readonly Work[], runs: readonly SystemRun[]): readonly Across[] {
  return works.flatMap(({ name, kind, protocol }) => {
    if (kind !== 'one-client' || protocol !== 'rest') return [];
    const peer = name.replace('rest', 'grpc');
    const ratio = ratioOf(kind, runs, name, peer);
    return ratio === undefined ? [] : [{ ours: name, peer, ratio }];
  });
}

function printAcross(across: readonly Across[], [ours, peer]: readonly string[]): void {
  if (ours === undefined || peer === undefined || across.length === 0) return;
  printTable(
    ['one client, across protocols', 'p50 ratio (min–max)'],
    across.map((row) => [`${ours} ${row.ours} / ${peer} ${row.peer}`, ratioCell(row.ratio)]),
  );
}

function describe({ system, idlePercent }: SystemRun) {
  const processes = system.processes().map(({ name, pid }) => ({ name, pid, ...memory(pid) }));
  return {
    name: system.name,
    title: system.title,
    idleCpuPercent: round(idlePercent, 1),
    residentMB: processes.reduce((total, { residentMB }) => total + residentMB, 0),
    processes,
  };
}

function printWorks(rows: readonly Row[], names: readonly string[]): void {
  const header = [
    'work',
    ...names.map((name) => `${name} /s`),
    'ratio (min–max)',
    ...['p50 ms', 'p95 ms', 'p99 ms', 'CPU µs/request', 'afterwards', 'loader', 'errors'],
  ];
  const lines = rows.map(({ work, sides, ratio }) => {
    const all = [...sides.values()];
    const beside = (of: (side: Side) => number | undefined, decimals: number): string =>
      all.map((side) => cell(of(side), decimals)).join(' / ');
    return [
      work.name,
      ...all.map(({ perSecond }) => cell(perSecond)),
      ratioCell(ratio),
      beside(({ latencyMs }) => latencyMs?.p50, 2),
      beside(({ latencyMs }) => latencyMs?.p95, 2),
      beside(({ latencyMs }) => latencyMs?.p99, 2),
      beside(({ cpuMicrosPerRequest }) => cpuMicrosPerRequest, 1),
      beside(({ afterwardsCpuMicros }) => afterwardsCpuMicros, 1),
      beside(({ loaderCpuMicros }) => loaderCpuMicros, 1),
      beside(({ errors }) => errors, 0),
    ];
  });
  printTable(header, lines);
  process.stderr.write(
    `cells with a slash: ${names.join(' / ')}; ratios of works with -1, one client alone, are of p50\n\n`,
  );
}

function ratioCell(ratio: Ratio | undefined): string {
  if (ratio === undefined) return '-';
  return `${cell(ratio.median, 2)} (${cell(ratio.min, 2)}–${cell(ratio.max, 2)})`;
}

function printCpu(rows: readonly Row[], names: readonly string[]): void {
  for (const name of names) {
    const sides = rows.map(({ sides }) => sides.get(name));
    const processes = Object.keys(sides[0]?.cpuMicrosByProcess ?? {});
    const lines = processes.map((process) => [
      process,
      ...sides.map((side) => cell(side?.cpuMicrosByProcess[process], 1)),
    ]);
    const total = ['all', ...sides.map((side) => cell(side?.cpuMicrosPerRequest, 1))];
    printTable(
      [`${name}: CPU µs/request`, ...rows.map(({ work }) => work.name)],
      [...lines, total],
    );
  }
}

function machineWarnings({ fileSystem }: Machine): readonly string[] {
  return fileSystem === 'tmpfs' ? ['the data is on tmpfs, where fsync costs nothing'] : [];
}

function rowWarnings({ work, sides }: Row): readonly string[] {
  return [...sides].flatMap(([name, { errors, restAfterMs, otherCpuPercent }]) => {
    const found: string[] = [];
    if (errors > 0) found.push(`${errors} requests failed`);
    if (restAfterMs.includes('never')) found.push('it did not come to rest after the load');
    if (otherCpuPercent > OTHER_CPU_PERCENT_MAX) {
      found.push(`something else used ${otherCpuPercent} % of a core`);
    }
    return found.map((text) => `${name} ${work.name}: ${text}`);
  });
}
