/** All trials of one scenario as one row, and whether its bounds of time hold. */
import type { Scenario } from './scenarios.ts';
import type { TrialResult } from './trial.ts';

export interface ScenarioSummary {
  readonly scenario: string;
  readonly trials: number;
  readonly operations: number;
  readonly gapMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly writeStallMsMax: number;
  readonly readStallMsMax: number;
  readonly recoveredMsMax: number;
  readonly unknown: number;
  readonly failed: number;
  /** Trials in which something was lost, doubled, out of order or not recovered. */
  readonly broken: number;
  /** Bounds of time that do not hold. */
  readonly missed: readonly string[];
}

/** `reports` are of this scenario, at least one. */
export function summarize(scenario: Scenario, reports: readonly TrialResult[]): ScenarioSummary {
  const figures = reports.map((report) => report.figures);
  const gaps = figures.map(({ writeGapMs }) => writeGapMs).toSorted((a, b) => a - b);
  const gapMs = { p50: ranked(gaps, 0.5), p99: ranked(gaps, 0.99), max: ranked(gaps, 1) };
  const writeStallMsMax = Math.max(...figures.map((each) => each.writeStallMs));
  const {
    gapMsP50 = Infinity,
    gapMsMax,
    stallMsMax = Infinity,
    failedMax = Infinity,
  } = scenario.bounds;
  const lost = sum(figures.map(({ failed, unknown }) => failed + unknown));
  return {
    scenario: scenario.name,
    trials: reports.length,
    operations: sum(reports.map(({ operations }) => operations)),
    gapMs,
    writeStallMsMax,
    readStallMsMax: Math.max(...figures.map((each) => each.readStallMs)),
    recoveredMsMax: Math.max(...reports.map(({ recoveredMs }) => recoveredMs)),
    unknown: sum(figures.map((each) => each.unknown)),
    failed: sum(figures.map((each) => each.failed)),
    broken: reports.filter(({ violations }) => violations.length > 0).length,
    missed: [
      ...above('write gap p50', gapMs.p50, gapMsP50),
      ...above('write gap', gapMs.max, gapMsMax),
      ...above('write stall', writeStallMsMax, stallMsMax),
      ...(lost > failedMax ? [`${lost} failed or unknown > ${failedMax}`] : []),
    ],
  };
}

const COLUMNS: readonly (readonly [string, (row: ScenarioSummary) => string])[] = [
  ['scenario', (row) => row.scenario],
  ['trials', (row) => `${row.trials}`],
  ['ops', (row) => `${row.operations}`],
  ['gap p50', (row) => row.gapMs.p50.toFixed(0)],
  ['p99', (row) => row.gapMs.p99.toFixed(0)],
  ['max', (row) => row.gapMs.max.toFixed(0)],
  ['write stall', (row) => row.writeStallMsMax.toFixed(0)],
  ['read stall', (row) => row.readStallMsMax.toFixed(0)],
  ['recovered', (row) => row.recoveredMsMax.toFixed(0)],
  ['unknown', (row) => `${row.unknown}`],
  ['failed', (row) => `${row.failed}`],
  ['verdict', verdict],
];

const WIDTHS = [20, 6, 7, 7, 6, 6, 11, 10, 9, 7, 6, 7] as const;

/** Milliseconds; the columns are as wide in every run. */
export function tableHead(): string {
  return line(COLUMNS.map(([title]) => title));
}

export function tableRow(row: ScenarioSummary): string {
  return line(COLUMNS.map(([, cell]) => cell(row)));
}

function verdict({ broken, missed }: ScenarioSummary): string {
  if (broken > 0) return `BROKEN in ${broken}`;
  return missed.length > 0 ? `SLOW: ${missed.join('; ')}` : 'ok';
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, at) => {
      const width = WIDTHS[at] ?? 0;
      return at === 0 || at === cells.length - 1 ? cell.padEnd(width) : cell.padStart(width);
    })
    .join('  ')
    .trimEnd();
}

function above(what: string, value: number, max: number): readonly string[] {
  return value > max ? [`${what} ${value.toFixed(0)} > ${max} ms`] : [];
}

/** By nearest rank. */
function ranked(sorted: readonly number[], fraction: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
