/**
 * How long a new cluster takes, already built: from spawning the command to `/readyz` of the gateway
 * answering 200, and to the first acknowledged write; five times, each in an empty directory.
 */
import { restCaller } from './load/calls.ts';
import { median, round } from './measure/statistics.ts';
import { parseOptions } from './options.ts';
import { machine } from './report/machine.ts';
import { cell, printTable } from './report/table.ts';
import { keyName } from './systems/dialect.ts';
import { startKvstoreCluster } from './systems/kvstore-cluster.ts';
import { Teardown } from './teardown.ts';

const STARTS = 5;
const POLL_MS = 5;

interface Start {
  readonly readyMs: number;
  readonly firstWriteMs: number;
}

export async function benchStart(args: readonly string[]): Promise<unknown> {
  parseOptions(args, {});
  const teardown = new Teardown();
  try {
    const starts: Start[] = [];
    for (let start = 0; start < STARTS; start++) starts.push(await startOnce(teardown));
    return report(starts, teardown.temporaryDirectory());
  } finally {
    await teardown.run();
  }
}

async function startOnce(teardown: Teardown): Promise<Start> {
  const directory = teardown.temporaryDirectory();
  const begin = performance.now();
  const cluster = await startKvstoreCluster(directory, teardown, { pollMs: POLL_MS });
  const readyMs = performance.now() - begin;
  const caller = await restCaller(cluster, 1);
  await caller.call('put', keyName(0));
  const firstWriteMs = performance.now() - begin;
  caller.close();
  await cluster.stop();
  return { readyMs: round(readyMs, 0), firstWriteMs: round(firstWriteMs, 0) };
}

function report(starts: readonly Start[], directory: string): unknown {
  const middle: Start = {
    readyMs: median(starts.map(({ readyMs }) => readyMs)),
    firstWriteMs: median(starts.map(({ firstWriteMs }) => firstWriteMs)),
  };
  printTable(
    ['start', 'ready ms', 'first write ms'],
    [
      ...starts.map((start, at) => [String(at + 1), start] as const),
      ['median', middle] as const,
    ].map(([name, { readyMs, firstWriteMs }]) => [name, cell(readyMs), cell(firstWriteMs)]),
  );
  return { benchmark: 'start', machine: machine(directory), median: middle, starts };
}
