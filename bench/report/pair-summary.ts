/** The rounds of one work, made into one row: medians of each side, and the ratio pair by pair. */
import type { Work } from '../load/works.ts';
import type { Measurement } from '../measure/measurement.ts';
import { median, medianPercentiles, type Percentiles, round, sum } from '../measure/statistics.ts';
import type { SystemRun } from '../pairs.ts';

export interface Row {
  readonly work: Work;
  /** By name of the system, ours first. */
  readonly sides: ReadonlyMap<string, Side>;
  /** undefined: there is no peer. */
  readonly ratio: Ratio | undefined;
}

export interface Side {
  readonly perSecond: number;
  readonly perSecondOfRounds: readonly number[];
  readonly latencyMs: Percentiles | undefined;
  readonly cpuMicrosPerRequest: number;
  readonly cpuMicrosByProcess: Readonly<Record<string, number>>;
  /** Between the end of the load and rest; not in `cpuMicrosPerRequest`. */
  readonly afterwardsCpuMicros: number;
  readonly restAfterMs: readonly (number | 'never')[];
  readonly loaderCpuMicros: number;
  /** The worst round. */
  readonly otherCpuPercent: number;
  readonly errors: number;
}

/** Ours / peer. */
export interface Ratio {
  /** Of one client the median latency, where less is better. */
  readonly of: 'perSecond' | 'p50Ms';
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly pairs: readonly number[];
}

export function summarize(work: Work, runs: readonly SystemRun[]): Row {
  const sides = runs.map(({ system, measurements }) => {
    return [system.name, sideOf(measurements.get(work.name) ?? [])] as const;
  });
  return { work, sides: new Map(sides), ratio: ratioOf(work.kind, runs, work.name, work.name) };
}

/** A work of ours beside a work of the peer; undefined: one of them was not measured. */
export function ratioOf(
  kind: Work['kind'],
  [ours, peer]: readonly SystemRun[],
  ourWork: string,
  peerWork: string,
): Ratio | undefined {
  const above = ours?.measurements.get(ourWork);
  const below = peer?.measurements.get(peerWork);
  if (above === undefined || below === undefined) return undefined;
  const of = kind === 'one-client' ? 'p50Ms' : 'perSecond';
  const figure = (one: Measurement | undefined): number =>
    (of === 'p50Ms' ? one?.latencyMs?.p50 : one?.perSecond) ?? Number.NaN;
  const pairs = above.map((one, at) => round(figure(one) / figure(below[at])));
  return {
    of,
    median: round(median(pairs)),
    min: Math.min(...pairs),
    max: Math.max(...pairs),
    pairs,
  };
}

function sideOf(rounds: readonly Measurement[]): Side {
  const middle = (of: (one: Measurement) => number, decimals?: number): number =>
    round(median(rounds.map(of)), decimals);
  const latencies = rounds.flatMap(({ latencyMs }) => (latencyMs === undefined ? [] : [latencyMs]));
  return {
    perSecond: middle(({ perSecond }) => perSecond, 0),
    perSecondOfRounds: rounds.map(({ perSecond }) => round(perSecond, 0)),
    latencyMs: latencies.length === 0 ? undefined : rounded(medianPercentiles(latencies)),
    cpuMicrosPerRequest: middle(({ cpuMicros }) => sum(cpuMicros.map(({ micros }) => micros))),
    cpuMicrosByProcess: byProcess(rounds),
    afterwardsCpuMicros: middle(({ afterwardsCpuMicros }) => afterwardsCpuMicros),
    restAfterMs: rounds.map(({ restAfterMs }) =>
      restAfterMs === undefined ? 'never' : round(restAfterMs, 0),
    ),
    loaderCpuMicros: middle(({ loaderCpuMicros }) => loaderCpuMicros),
    otherCpuPercent: round(Math.max(...rounds.map(({ otherCpuPercent }) => otherCpuPercent)), 0),
    errors: sum(rounds.map(({ errors }) => errors)),
  };
}

function byProcess(rounds: readonly Measurement[]): Readonly<Record<string, number>> {
  const names = rounds[0]?.cpuMicros.map(({ name }) => name) ?? [];
  return Object.fromEntries(
    names.map((name) => {
      const all = rounds.flatMap(({ cpuMicros }) => cpuMicros.filter((one) => one.name === name));
      return [name, round(median(all.map(({ micros }) => micros)))];
    }),
  );
}

function rounded({ p50, p95, p99 }: Percentiles): Percentiles {
  return { p50: round(p50, 3), p95: round(p95, 3), p99: round(p99, 3) };
}
