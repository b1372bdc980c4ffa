/**
 * What a cluster costs that nobody uses: CPU of all its processes over 20 s, from 5 s after it is ready,
 * in percent of one core, and their memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { memory, watchCpu } from './measure/process-usage.ts';
import { round, sum } from './measure/statistics.ts';
import { parseOptions } from './options.ts';
import { machine } from './report/machine.ts';
import { cell, printTable } from './report/table.ts';
import { startKvstoreCluster } from './systems/kvstore-cluster.ts';
import { Teardown } from './teardown.ts';

const CALM_MS = 5_000;
const WINDOW_MS = 20_000;

export async function benchIdle(args: readonly string[]): Promise<unknown> {
  parseOptions(args, {});
  const teardown = new Teardown();
  try {
    const directory = teardown.temporaryDirectory();
    const cluster = await startKvstoreCluster(directory, teardown);
    await sleep(CALM_MS);
    const start = performance.now();
    const watch = watchCpu(() => cluster.processes());
    await sleep(WINDOW_MS);
    const used = watch.read();
    const elapsedMs = performance.now() - start;
    const pids = new Map(cluster.processes().map(({ name, pid }) => [name, pid]));
    const processes = used.map(({ name, micros }) => ({
      name,
      cpuPercent: round(micros / 10 / elapsedMs),
      residentMB: memory(pids.get(name) as number).residentMB,
    }));
    return report(processes, directory);
  } finally {
    await teardown.run();
  }
}

interface IdleProcess {
  readonly name: string;
  readonly cpuPercent: number;
  readonly residentMB: number;
}

function report(processes: readonly IdleProcess[], directory: string): unknown {
  const all: IdleProcess = {
    name: 'all',
    cpuPercent: round(sum(processes.map(({ cpuPercent }) => cpuPercent))),
    residentMB: sum(processes.map(({ residentMB }) => residentMB)),
  };
  printTable(
    ['process', '% of a core', 'resident MB'],
    [...processes, all].map((row) => [row.name, cell(row.cpuPercent, 2), cell(row.residentMB)]),
  );
  return {
    benchmark: 'idle',
    machine: machine(directory),
    seconds: WINDOW_MS / 1000,
    cpuPercent: all.cpuPercent,
    residentMB: all.residentMB,
    processes,
  };
}
