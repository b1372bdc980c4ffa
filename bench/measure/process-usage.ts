/**
 * CPU and memory of processes, from /proc. CPU is user and system time of all threads of a process; a
 * tick is 10 ms, so that a window of seconds is exact to a percent.
 */
import { readFileSync } from 'node:fs';

const MICROS_PER_TICK = 10_000;

/** Positions in /proc/PID/stat, counted after the name (`man 5 proc`). */
const USER_TIME = 11;
const SYSTEM_TIME = 12;
const CHILDREN_USER_TIME = 13;
const CHILDREN_SYSTEM_TIME = 14;

export interface NamedProcess {
  readonly name: string;
  readonly pid: number;
}

/** CPU of a process since its start, in µs; throws when there is no such process. */
export function cpuMicros(pid: number): number {
  const fields = statFields(pid);
  return ticks(fields, USER_TIME) + ticks(fields, SYSTEM_TIME);
}

/** CPU of this process and of the children that have ended: of the load generators. */
export function loaderCpuMicros(): number {
  const fields = statFields(process.pid);
  const children = ticks(fields, CHILDREN_USER_TIME) + ticks(fields, CHILDREN_SYSTEM_TIME);
  return ticks(fields, USER_TIME) + ticks(fields, SYSTEM_TIME) + children;
}

/** CPU that all processes of the machine have used; without interrupts, which belong to none. */
export function machineCpuMicros(): number {
  const [, user, nice, system] = (readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '').split(
    /\s+/,
  );
  return (Number(user) + Number(nice) + Number(system)) * MICROS_PER_TICK;
}

export interface Memory {
  readonly residentMB: number;
  readonly peakMB: number;
}

export function memory(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (field: string): number =>
    Math.round(Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024);
  return { residentMB: megabytes('VmRSS'), peakMB: megabytes('VmHWM') };
}

export interface CpuUse {
  readonly name: string;
  readonly micros: number;
}

/** CPU of each process since the call. `read` throws when a process has ended or was replaced. */
export function watchCpu(list: () => readonly NamedProcess[]): { read(): readonly CpuUse[] } {
  const before = list().map((process) => ({ ...process, micros: cpuMicros(process.pid) }));
  return {
    read() {
      const now = new Map(list().map(({ name, pid }) => [name, pid]));
      return before.map(({ name, pid, micros }) => {
        if (now.get(name) !== pid) throw new Error(`${name} did not live through the measurement`);
        return { name, micros: cpuMicros(pid) - micros };
      });
    },
  };
}

function statFields(pid: number): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function ticks(fields: readonly string[], position: number): number {
  return Number(fields[position]) * MICROS_PER_TICK;
}
