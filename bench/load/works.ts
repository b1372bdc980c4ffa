/**
 * The works of the comparison and how each is loaded: closed loops over REST and gRPC, and one client
 * alone. Both systems get the same keys, values, connections and tools.
 */
import type { Operation } from '../systems/dialect.ts';
import { Operations } from '../systems/dialect.ts';
import type { System } from '../systems/system.ts';
import type { Teardown } from '../teardown.ts';
import { type Caller, grpcCaller, restCaller } from './calls.ts';
import { grpcBody, runH2load } from './h2load.ts';
import type { Load } from './load.ts';
import { runSingleClient } from './single-client.ts';
import type { Tool } from './tool.ts';
import { runWrk, wrkScript } from './wrk.ts';

export const WORK_GROUPS = ['rest-put', 'rest-get', 'grpc-put', 'grpc-get', 'latency'] as const;
export type WorkGroup = (typeof WORK_GROUPS)[number];

export interface Work {
  /** `rest-put`; with one client `rest-put-1`. */
  readonly name: string;
  readonly group: WorkGroup;
  readonly kind: 'throughput' | 'one-client';
  readonly protocol: 'rest' | 'grpc';
  readonly operation: Operation;
}

export const REST_CONNECTIONS = 64;

/** In the order in which they run. */
export const works: readonly Work[] = (['throughput', 'one-client'] as const).flatMap((kind) =>
  (['rest', 'grpc'] as const).flatMap((protocol) =>
    Operations.map((operation): Work => {
      const name = `${protocol}-${operation}` as const;
      return kind === 'throughput'
        ? { name, group: name, kind, protocol, operation }
        : { name: `${name}-1`, group: 'latency', kind, protocol, operation };
    }),
  ),
);

export function toolsOf(selected: readonly Work[]): readonly Tool[] {
  const loaded = selected.filter(({ kind }) => kind === 'throughput');
  const tools = loaded.map(({ protocol }): Tool => (protocol === 'rest' ? 'wrk' : 'h2load'));
  return [...new Set(tools)];
}

export interface WorkLoad {
  readonly load: Load;
  /** A run of its own for the latencies, when the generator cannot tell them at full speed. */
  readonly latencies: Load | undefined;
}

/** `directory` takes the files that the generators read. */
export function workLoad(
  work: Work,
  system: System,
  directory: string,
  teardown: Teardown,
): WorkLoad {
  if (work.kind === 'one-client') return { load: oneClient(work, system), latencies: undefined };
  if (work.protocol === 'rest') {
    const load = restLoad(work.operation, REST_CONNECTIONS, system, directory, teardown);
    return { load, latencies: undefined };
  }
  const body = grpcBody(directory, system.name, system.dialect, work.operation);
  const h2load =
    (withLatencies: boolean): Load =>
    async (seconds) => {
      const { grpc } = await system.endpoints();
      const url = `http://${grpc}${system.dialect.grpc(work.operation).path}`;
      return runH2load({ body, url, seconds, withLatencies }, teardown);
    };
  return { load: h2load(false), latencies: h2load(true) };
}

export function restLoad(
  operation: Operation,
  connections: number,
  system: System,
  directory: string,
  teardown: Teardown,
): Load {
  const script = wrkScript(directory, system.name, system.dialect, operation);
  return async (seconds) => {
    const { http: url } = await system.endpoints();
    return runWrk({ script, url, connections, seconds }, teardown);
  };
}

function oneClient({ protocol, operation }: Work, system: System): Load {
  return async (seconds) => {
    const caller: Caller = await (protocol === 'rest' ? restCaller(system, 1) : grpcCaller(system));
    try {
      return await runSingleClient(caller, operation, seconds);
    } finally {
      caller.close();
    }
  };
}
