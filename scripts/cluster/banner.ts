/** What `npm run cluster` prints when the cluster serves. */
import { relative } from 'node:path';
import type { ClusterOptions } from './arguments.ts';
import { App } from './cluster-file.ts';
import type { ClusterPlan } from './topology.ts';

export function banner(plan: ClusterPlan, { cluster }: ClusterOptions, seconds: number): string {
  const { processes, gateways, nats, dataDir } = plan;
  const nodes = processes.filter(({ app }) => app === App.consensus).length;
  const metricsOf = new Map(processes.map(({ name, metrics }) => [name, metrics]));
  const shown = relative(process.cwd(), dataDir);
  const flag = shown === 'data' ? '' : ` --data-dir ${dataDir}`;
  const count = `${counted(nodes, 'node')}, ${counted(gateways.length, 'gateway')}`;
  return [
    `kvstore cluster ${cluster} is ready after ${seconds.toFixed(1)} s: ${count}, ` +
      `${counted(nats.length, 'nats-server')}, data in ${dataDir}`,
    ...gateways.map(
      ({ name, http, grpc }) =>
        `  ${name}  REST ${http}  gRPC ${grpc}  metrics ${metricsOf.get(name) ?? '-'}`,
    ),
    ...nats.map(({ name, url }) => `  ${name}     ${url}`),
    `  try        curl -X PUT --data-binary 'hello' ${gateways[0]?.http}/api/v1/keys/greeting`,
    `  processes  npm run cluster -- status${flag} (also: start NAME, stop NAME, members, add, remove NODE, replace NODE, transfer NODE)`,
    '  stop       Ctrl-C',
    '',
  ].join('\n');
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
