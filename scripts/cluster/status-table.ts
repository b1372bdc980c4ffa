/** The processes of a cluster as a table for a terminal. */
import type { ClusterState, ProcessEntry } from './cluster-file.ts';

const HEADER = ['NAME', 'APP', 'NODE', 'PID', 'STATE', 'ADDRESS'];

export function statusTable(state: ClusterState): string {
  const rows = [HEADER, ...state.processes.map((each) => row(each, state))];
  const widths = HEADER.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

function row(entry: ProcessEntry, state: ClusterState): readonly string[] {
  const { name, app, node, exit } = entry;
  const pid = entry.state === 'running' ? String(entry.pid) : '-';
  const how = exit === null ? entry.state : `${entry.state} (${exit})`;
  return [name, app, node ?? '-', pid, how, address(entry, state)];
}

function address({ name, metrics }: ProcessEntry, { gateways, nats }: ClusterState): string {
  const gateway = gateways.find((each) => each.name === name);
  const server = nats.find((each) => each.name === name);
  return gateway?.http ?? server?.url ?? metrics ?? '-';
}
