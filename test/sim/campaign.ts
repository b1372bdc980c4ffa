/**
 * Runs seeds one after the other and adds up what they injected and checked. One seed in a hundred
 * runs twice, and both runs must leave the same trace. The first seed that fails ends the campaign.
 */
import type { SimArguments } from './arguments.ts';
import { commandOf } from './arguments.ts';
import {
  INVARIANTS,
  type InvariantId,
  InvariantViolation,
  NOT_APPLICABLE,
} from './invariants/ledger.ts';
import { withoutRealTime } from './poison.ts';
import { runSeed, type SeedReport } from './run-seed.ts';
import { seedLog } from './seed-log.ts';
import { shrink } from './shrink.ts';
import { FaultClass } from './world/fault-atlas.ts';

const REPEATED_EVERY = 100;

export interface Totals {
  seeds: number;
  repeated: number;
  events: number;
  simulatedMs: number;
  operations: number;
  /** Histories that the checker of I18 gave up on. */
  gaveUp: number;
  readonly faults: Record<string, number>;
  readonly checks: Record<string, number>;
}

export interface Failure {
  readonly seed: number;
  readonly violation: InvariantViolation;
  /** Of the violation: errors lose it in JSON. */
  readonly message: string;
  readonly command: string;
}

export interface CampaignResult {
  readonly totals: Totals;
  readonly seconds: number;
  readonly failure: Failure | undefined;
}

export function runCampaign(args: SimArguments, progress: (line: string) => void): CampaignResult {
  const totals = emptyTotals();
  const startMs = performance.now();
  const seconds = (): number => (performance.now() - startMs) / 1000;
  let failure: Failure | undefined;
  for (let seed = args.seed; seed < args.seed + args.seeds; seed++) {
    if (seconds() > args.minutes * 60) break;
    const violation = runOne(seed, args, totals);
    if (violation !== undefined) {
      failure = describe(seed, violation, args, progress);
      break;
    }
    if (totals.seeds % 500 === 0) progress(`${totals.seeds} seeds, ${seconds().toFixed(0)} s`);
  }
  return { totals, failure, seconds: seconds() };
}

function runOne(
  seed: number,
  { reduction, log }: SimArguments,
  totals: Totals,
): InvariantViolation | undefined {
  const line = log ? seedLog((text) => process.stdout.write(text), seed) : undefined;
  const report = withoutRealTime(() => runSeed(seed, reduction, line));
  add(totals, report);
  if (report.violation !== undefined || seed % REPEATED_EVERY !== 0) return report.violation;
  totals.repeated += 1;
  const again = withoutRealTime(() => runSeed(seed, reduction));
  if (again.traceHash === report.traceHash) return undefined;
  const detail = `seed ${seed} left the traces ${report.traceHash} and ${again.traceHash}`;
  return new InvariantViolation('determinism', detail);
}

function describe(
  seed: number,
  violation: InvariantViolation,
  { reduction, mutant, log }: SimArguments,
  progress: (line: string) => void,
): Failure {
  if (log || violation.invariant === 'determinism' || mutant !== undefined) {
    const { message } = violation;
    return { seed, violation, message, command: commandOf(seed, reduction, mutant) };
  }
  progress(`seed ${seed} fails: ${violation.message.split('\n')[0]}; making it smaller`);
  const smaller = shrink(seed, reduction, violation);
  return {
    seed,
    violation,
    message: violation.message,
    command: commandOf(seed, smaller, mutant),
  };
}

function emptyTotals(): Totals {
  const faults = Object.fromEntries(Object.values(FaultClass).map((fault) => [fault, 0]));
  const checks = Object.fromEntries(Object.keys(INVARIANTS).map((id) => [id, 0]));
  const none = { seeds: 0, repeated: 0, events: 0, simulatedMs: 0, operations: 0, gaveUp: 0 };
  return { ...none, faults, checks };
}

function add(totals: Totals, report: SeedReport): void {
  totals.seeds += 1;
  totals.events += report.events;
  totals.simulatedMs += report.simulatedMs;
  totals.operations += report.operations;
  if (report.gaveUp) totals.gaveUp += 1;
  for (const [fault, count] of report.faults.counts) {
    totals.faults[fault] = (totals.faults[fault] ?? 0) + count;
  }
  for (const [id, count] of report.ledger.counts) {
    totals.checks[id] = (totals.checks[id] ?? 0) + count;
  }
}

/** Fault classes that were never injected and invariants that were never checked. */
export function neverSeen({ faults, checks }: Totals): readonly string[] {
  return [...Object.entries(faults), ...Object.entries(checks)]
    .filter(([, count]) => count === 0)
    .map(([name]) => name);
}

export function describeTotals({ totals, seconds }: CampaignResult): string {
  const hours = totals.simulatedMs / 3_600_000;
  const rate = totals.seeds / seconds;
  const invariants = Object.entries(totals.checks).map(
    ([id, count]) =>
      `${String(count).padStart(12)}  ${id.padEnd(4)} ${INVARIANTS[id as InvariantId]}`,
  );
  const faults = Object.entries(totals.faults).map(
    ([name, count]) => `${String(count).padStart(12)}  ${name}`,
  );
  return [
    `${totals.seeds} seeds in ${seconds.toFixed(1)} s (${rate.toFixed(1)} seeds/s), ${hours.toFixed(2)} simulated hours,`,
    `${totals.events} events, ${totals.operations} operations of clients, ${totals.repeated} seeds run twice,`,
    `${totals.gaveUp} histories too hard to order: I18 not checked`,
    '',
    '    injected  fault',
    ...faults,
    '',
    '     checked  invariant',
    ...invariants,
    '',
    ...Object.entries(NOT_APPLICABLE).map(([id, why]) => `  not checked  ${id.padEnd(4)} ${why}`),
    '',
  ].join('\n');
}
