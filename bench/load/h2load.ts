/**
 * gRPC unary load by h2load: 8 connections with 32 streams each. It sends one body again and again, so
 * the load is on one key, and it does not read the status in the trailers: `hiddenFailures` does that
 * from the server's side. Latencies come from a log that costs a system call per request: ask for them
 * in a run of their own.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { percentiles } from '../measure/statistics.ts';
import { type Dialect, keyName, KEYS, type Operation } from '../systems/dialect.ts';
import type { Teardown } from '../teardown.ts';
import type { LoadResult } from './load.ts';
import { runTool } from './tool.ts';

const CONNECTIONS = 8;
const STREAMS = 32;
const HOT_KEY = keyName(KEYS / 2);

/** Writes the framed message of one work; returns its path. */
export function grpcBody(
  directory: string,
  name: string,
  dialect: Dialect,
  operation: Operation,
): string {
  const path = join(directory, `${name}-${operation}.grpc`);
  writeFileSync(path, framed(dialect.grpc(operation).encode(HOT_KEY)));
  return path;
}

/** A flag, not compressed, and the length, before the message. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export interface H2loadRun {
  readonly body: string;
  /** Of the method, at the server. */
  readonly url: string;
  readonly seconds: number;
  /** Writes the log: percentiles in the result, at the price of some throughput. */
  readonly withLatencies: boolean;
}

export async function runH2load(run: H2loadRun, teardown: Teardown): Promise<LoadResult> {
  const { body, url, seconds, withLatencies } = run;
  const log = `${body}.log`;
  const args = [
    ...['-t1', `-c${CONNECTIONS}`, `-m${STREAMS}`, `-D${seconds}`, '-d', body],
    ...['-H', 'content-type: application/grpc', '-H', 'te: trailers'],
    ...(withLatencies ? [`--log-file=${log}`] : []),
    url,
  ];
  const result = parseH2load(await runTool('h2load', args, teardown));
  if (!withLatencies) return result;
  const latencies = parseLatencies(readFileSync(log, 'latin1'));
  rmSync(log);
  return { ...result, latencyMs: percentiles(latencies) };
}

export function parseH2load(output: string): LoadResult {
  const number = (pattern: RegExp): number => {
    const found = pattern.exec(output)?.[1];
    if (found === undefined) throw new Error(`h2load gave no result: ${output}`);
    return Number(found);
  };
  const succeeded = number(/(\d+) 2xx/);
  return {
    succeeded,
    errors: number(/(\d+) failed/) + number(/(\d+) 3xx/),
    perSecond: number(/finished in [^,]+, ([\d.]+) req\/s/),
    latencyMs: undefined,
  };
}

/** Milliseconds of the good requests; a line is start in µs, status, duration in µs. */
export function parseLatencies(log: string): readonly number[] {
  return log.split('\n').flatMap((line) => {
    const [, status, micros] = line.split('\t');
    return status === '200' ? [Number(micros) / 1000] : [];
  });
}
