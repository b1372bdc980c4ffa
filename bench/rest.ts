/**
 * One durable node over REST, loaded by wrk from outside: PUT and linearizable GET of 128 B values,
 * 64 and 256 connections, the works alternating, medians over the rounds.
 *
 * CPU is the node process's user and system time over the measured seconds, divided by requests.
 */
import { prefill } from './load/prefill.ts';
import { requireTools } from './load/tool.ts';
import { restLoad } from './load/works.ts';
import { measure, type Measurement, useOver } from './measure/measurement.ts';
import { memory } from './measure/process-usage.ts';
import { median, round, sum } from './measure/statistics.ts';
import { parseOptions, profileDirectory } from './options.ts';
import { machine } from './report/machine.ts';
import { cell, printTable } from './report/table.ts';
import { KEYS, Operations, VALUE_BYTES } from './systems/dialect.ts';
import { startKvstoreNode } from './systems/kvstore-node.ts';
import type { System } from './systems/system.ts';
import { Teardown } from './teardown.ts';

const SECONDS = 8;
const WARM_UP_SECONDS = 3;
const ROUNDS = 3;
const CONNECTIONS = [64, 256];
const IDLE_MS = 2_000;

/** `--cpu-prof DIR` takes a profile of the node into DIR. */
export async function benchRest(args: readonly string[]): Promise<unknown> {
  const options = parseOptions(args, { 'cpu-prof': { type: 'string' } });
  requireTools(['wrk']);
  const teardown = new Teardown();
  try {
    const directory = teardown.temporaryDirectory();
    const profiles = profileDirectory(options['cpu-prof']);
    const node = await startKvstoreNode(directory, profiles, teardown);
    await prefill(node);
    return report(await runRounds(node, directory, teardown), node, directory);
  } finally {
    await teardown.run();
  }
}

type Samples = ReadonlyMap<string, readonly Measurement[]>;

async function runRounds(node: System, directory: string, teardown: Teardown): Promise<Samples> {
  const { percent: idlePercent } = await useOver(node, IDLE_MS);
  const surroundings = { known: () => node.processes(), idlePercent };
  const works = CONNECTIONS.flatMap((connections) =>
    Operations.map((operation) => ({
      name: `${operation.toUpperCase()} ${connections}`,
      load: restLoad(operation, connections, node, directory, teardown),
    })),
  );
  for (const { load } of works) await measure(node, load, WARM_UP_SECONDS, surroundings);
  const samples = new Map<string, Measurement[]>(works.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, load } of works) {
      samples.get(name)?.push(await measure(node, load, SECONDS, surroundings));
    }
  }
  return samples;
}

function report(samples: Samples, node: System, directory: string): unknown {
  const results = [...samples].map(([work, all]) => {
    const middle = (of: (one: Measurement) => number): number => round(median(all.map(of)));
    return {
      work,
      perSecond: Math.round(middle(({ perSecond }) => perSecond)),
      p50Ms: middle(({ latencyMs }) => latencyMs?.p50 ?? Number.NaN),
      p99Ms: middle(({ latencyMs }) => latencyMs?.p99 ?? Number.NaN),
      cpuMicrosPerRequest: middle(({ cpuMicros }) => sum(cpuMicros.map(({ micros }) => micros))),
      errors: sum(all.map(({ errors }) => errors)),
    };
  });
  printTable(
    ['work', '/s', 'p50 ms', 'p99 ms', 'CPU µs/request', 'errors'],
    results.map((row) => [
      row.work,
      cell(row.perSecond),
      ...[row.p50Ms, row.p99Ms, row.cpuMicrosPerRequest].map((value) => cell(value, 2)),
      cell(row.errors),
    ]),
  );
  return {
    benchmark: 'rest',
    machine: machine(directory),
    valueBytes: VALUE_BYTES,
    keys: KEYS,
    rounds: ROUNDS,
    secondsPerRound: SECONDS,
    residentMB: sum(node.processes().map(({ pid }) => memory(pid).residentMB)),
    results,
  };
}
