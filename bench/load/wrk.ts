/**
 * REST load by wrk with one thread. The requests, one per key, are written out before the start and
 * picked at random, so that the generator spends as little as possible of the cores that it shares.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Dialect, keyName, KEYS, type Operation } from '../systems/dialect.ts';
import type { Teardown } from '../teardown.ts';
import type { LoadResult } from './load.ts';
import { runTool } from './tool.ts';

/** Writes the script of one work; returns its path. */
export function wrkScript(
  directory: string,
  name: string,
  dialect: Dialect,
  operation: Operation,
): string {
  const requests = Array.from({ length: KEYS }, (_, at) => dialect.rest(operation, keyName(at)));
  const list = join(directory, `${name}-${operation}.requests`);
  writeFileSync(list, requests.map(({ path, body }) => `${path}\t${body}\n`).join(''));
  const script = join(directory, `${name}-${operation}.lua`);
  writeFileSync(script, lua(list, requests[0]?.method ?? 'GET'));
  return script;
}

export interface WrkRun {
  readonly script: string;
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
}

export async function runWrk(run: WrkRun, teardown: Teardown): Promise<LoadResult> {
  const { script, url, connections, seconds } = run;
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url];
  return parseWrk(await runTool('wrk', args, teardown));
}

const RESULT = 'result: ';

/** `done` sees what wrk prints, and the percentiles that it does not print. */
function lua(list: string, method: string): string {
  return `
local requests = {}
function init(args)
  for line in io.lines(${JSON.stringify(list)}) do
    local path, body = line:match("([^\\t]*)\\t(.*)")
    requests[#requests + 1] = wrk.format("${method}", path, nil, body ~= "" and body or nil)
  end
end
function request()
  return requests[math.random(#requests)]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '${RESULT}{"requests":%d,"micros":%d,"errors":%d,"status":%d,"p50":%d,"p95":%d,"p99":%d}\\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
`;
}

interface Summary {
  readonly requests: number;
  readonly micros: number;
  /** Of connections: no answer. */
  readonly errors: number;
  /** Answers of 400 and above, which count as requests too. */
  readonly status: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export function parseWrk(output: string): LoadResult {
  const line = output.split('\n').find((each) => each.startsWith(RESULT));
  if (line === undefined) throw new Error(`wrk gave no result: ${output}`);
  const summary = JSON.parse(line.slice(RESULT.length)) as Summary;
  const succeeded = summary.requests - summary.status;
  return {
    succeeded,
    errors: summary.errors + summary.status,
    perSecond: (succeeded / summary.micros) * 1e6,
    latencyMs: { p50: summary.p50 / 1000, p95: summary.p95 / 1000, p99: summary.p99 / 1000 },
  };
}
