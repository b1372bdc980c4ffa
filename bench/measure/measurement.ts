/**
 * One measured load on one system: throughput and latency as the generator saw them, failures as the
 * servers saw them too, CPU of every process over the window divided by requests, and the CPU that the
 * system spends afterwards until it rests again, which belongs to the requests as well.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Load, LoadResult } from '../load/load.ts';
import type { System } from '../systems/system.ts';
import { fetchAnswers, hiddenFailures } from './answers.ts';
import {
  type CpuUse,
  loaderCpuMicros,
  machineCpuMicros,
  type NamedProcess,
  watchCpu,
} from './process-usage.ts';
import { sum } from './statistics.ts';

export interface Measurement extends Omit<LoadResult, 'succeeded'> {
  /** Per request, by process. */
  readonly cpuMicros: readonly CpuUse[];
  /** Of the load generator, per request. */
  readonly loaderCpuMicros: number;
  /** Of the system, per request, between the end of the load and rest. */
  readonly afterwardsCpuMicros: number;
  /** undefined: it did not come to rest in the time that it has for it. */
  readonly restAfterMs: number | undefined;
  /** What anything but `known` processes and the generator used, in percent of one core. */
  readonly otherCpuPercent: number;
}

/** What there is on the machine. */
export interface Surroundings {
  /** All processes of all systems that run, the measured one included. */
  readonly known: () => readonly NamedProcess[];
  /** CPU of the idle system in percent of one core. */
  readonly idlePercent: number;
}

/** Rejects when nothing was answered, or a process did not live through it. */
export async function measure(
  system: System,
  load: Load,
  seconds: number,
  { known, idlePercent }: Surroundings,
): Promise<Measurement> {
  const before = await fetchAnswers(system.metricsUrls(), system.dialect.answers);
  const window = openWindow(system, known);
  const { succeeded, errors, ...result } = await load(seconds);
  const { cpu, loader, otherPercent } = window.read();
  const rest = await untilRest(system, idlePercent);
  const after = await fetchAnswers(system.metricsUrls(), system.dialect.answers);
  if (succeeded === 0) throw new Error(`${system.name} answered no request`);
  return {
    ...result,
    errors: errors + hiddenFailures(succeeded, before, after),
    cpuMicros: cpu.map(({ name, micros }) => ({ name, micros: micros / succeeded })),
    loaderCpuMicros: loader / succeeded,
    afterwardsCpuMicros: rest.micros / succeeded,
    restAfterMs: rest.afterMs,
    otherCpuPercent: otherPercent,
  };
}

function openWindow(system: System, known: () => readonly NamedProcess[]) {
  const start = performance.now();
  const machine = machineCpuMicros();
  const loader = loaderCpuMicros();
  const everything = watchCpu(known);
  const own = watchCpu(() => system.processes());
  return {
    read() {
      const cpu = own.read();
      const loaderUsed = loaderCpuMicros() - loader;
      const explained = loaderUsed + total(everything.read());
      const other = Math.max(0, machineCpuMicros() - machine - explained);
      return { cpu, loader: loaderUsed, otherPercent: percentOfCore(other, start) };
    },
  };
}

const REST_WINDOW_MS = 500;
const REST_WAIT_MS_MAX = 15_000;
const REST_MARGIN_PERCENT = 5;

/** Waits until the system uses about as little as before any load. */
async function untilRest(system: System, idlePercent: number) {
  const start = performance.now();
  let micros = 0;
  for (;;) {
    const used = await useOver(system, REST_WINDOW_MS);
    if (used.percent <= 1.5 * idlePercent + REST_MARGIN_PERCENT) {
      return { micros, afterMs: performance.now() - start - REST_WINDOW_MS };
    }
    micros += used.micros;
    if (performance.now() - start > REST_WAIT_MS_MAX) return { micros, afterMs: undefined };
  }
}

/** CPU of all processes of a system together. */
export async function useOver(
  system: System,
  ms: number,
): Promise<{ readonly micros: number; readonly percent: number }> {
  const start = performance.now();
  const watch = watchCpu(() => system.processes());
  await sleep(ms);
  const micros = total(watch.read());
  return { micros, percent: percentOfCore(micros, start) };
}

function total(cpu: readonly CpuUse[]): number {
  return sum(cpu.map(({ micros }) => micros));
}

function percentOfCore(micros: number, start: number): number {
  return micros / 10 / (performance.now() - start);
}
