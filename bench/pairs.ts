/**
 * The rounds of a comparison: every work on one system, then on the other, at once, so that a ratio
 * compares two neighbouring moments of the machine. The order within a pair changes with the round.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkSample, prefill } from './load/prefill.ts';
import { type Work, workLoad, type WorkLoad } from './load/works.ts';
import { measure, type Measurement, type Surroundings, useOver } from './measure/measurement.ts';
import { round } from './measure/statistics.ts';
import { progress } from './report/table.ts';
import type { System } from './systems/system.ts';
import type { Teardown } from './teardown.ts';

/** Of one client alone, and of the run of a generator that is only for latencies. */
const LATENCY_SECONDS_MAX = { 'one-client': 4, throughput: 2 } as const;
const IDLE_MS = 2_000;

export interface PairsOptions {
  readonly seconds: number;
  readonly rounds: number;
  /** Of every work, on every system, before the rounds. */
  readonly warmUpSeconds: number;
  readonly works: readonly Work[];
}

export interface SystemRun {
  readonly system: System;
  /** CPU with every key in it and no load, in percent of one core. */
  readonly idlePercent: number;
  /** By name of the work, one per round. */
  readonly measurements: ReadonlyMap<string, readonly Measurement[]>;
}

/** The teardown ends what it starts. Rejects when a system fails; single failed requests are counted. */
export async function runPairs(
  systems: readonly System[],
  options: PairsOptions,
  directory: string,
  teardown: Teardown,
): Promise<readonly SystemRun[]> {
  const sides: Side[] = [];
  for (const system of systems) sides.push(await prepare(system, options, directory, teardown));
  const known = () => systems.flatMap((system) => prefixed(system));
  const run = async (side: Side, work: Work, seconds: number): Promise<Measurement> => {
    const measurement = await measureWork(side, work, seconds, known);
    const { perSecond, errors } = measurement;
    progress(`${side.system.name} ${work.name}: ${round(perSecond, 0)}/s, ${errors} errors`);
    return measurement;
  };
  progress('warming up');
  for (const work of options.works) {
    for (const side of sides) await run(side, work, options.warmUpSeconds);
  }
  for (let number = 0; number < options.rounds; number++) {
    progress(`round ${number + 1} of ${options.rounds}`);
    const order = number % 2 === 0 ? sides : sides.toReversed();
    for (const work of options.works) {
      for (const side of order) {
        side.measurements.get(work.name)?.push(await run(side, work, secondsOf(work, options)));
      }
    }
  }
  for (const { system } of sides) await checkSample(system);
  return sides;
}

interface Side extends SystemRun {
  readonly loads: ReadonlyMap<string, WorkLoad>;
  readonly measurements: ReadonlyMap<string, Measurement[]>;
}

async function prepare(
  system: System,
  options: PairsOptions,
  directory: string,
  teardown: Teardown,
): Promise<Side> {
  progress(`${system.title}: putting the keys, checking a sample`);
  await prefill(system);
  await checkSample(system);
  await sleep(IDLE_MS);
  const { percent } = await useOver(system, IDLE_MS);
  const loads = options.works.map((work) => {
    return [work.name, workLoad(work, system, directory, teardown)] as const;
  });
  return {
    system,
    idlePercent: percent,
    loads: new Map(loads),
    measurements: new Map(options.works.map(({ name }) => [name, []])),
  };
}

async function measureWork(
  { system, idlePercent, loads }: Side,
  work: Work,
  seconds: number,
  known: Surroundings['known'],
): Promise<Measurement> {
  const { load, latencies } = loads.get(work.name) as WorkLoad;
  const surroundings = { known, idlePercent };
  const measured = await measure(system, load, seconds, surroundings);
  if (latencies === undefined) return measured;
  const shorter = Math.min(seconds, LATENCY_SECONDS_MAX.throughput);
  const { latencyMs, errors } = await measure(system, latencies, shorter, surroundings);
  return { ...measured, latencyMs, errors: measured.errors + errors };
}

/** Names of different systems must not be taken for one another. */
function prefixed(system: System) {
  return system.processes().map(({ name, pid }) => ({ name: `${system.name} ${name}`, pid }));
}

function secondsOf({ kind }: Work, { seconds }: PairsOptions): number {
  return kind === 'throughput' ? seconds : Math.min(seconds, LATENCY_SECONDS_MAX[kind]);
}
