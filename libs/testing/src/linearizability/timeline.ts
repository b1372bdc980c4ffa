/** Operations as a text of fixed columns: who, what, the answer, and a bar for the time it took. */
import type { Operation, WriteCondition } from './history.ts';

const BAR_COLUMNS = 40;

/**
 * In the order of their calls; times in milliseconds since the first call. Those in `possible` are
 * marked with a question mark.
 */
export function renderTimeline(
  operations: readonly Operation[],
  possible: ReadonlySet<Operation> = new Set(),
): string {
  const sorted = operations.toSorted((a, b) => a.call - b.call);
  const start = sorted[0]?.call ?? 0;
  const scale = new Scale(start, Math.max(...sorted.map((each) => each.return)));
  const rows = sorted.map((each) => [
    `${possible.has(each) ? '?' : ' '} c${each.client}`,
    each.protocol,
    `${each.kind} "${each.key}"`,
    describeRequest(each),
    describeResult(each.result),
    (each.call - start).toFixed(3),
    each.result.kind === 'unknown' ? '?' : (each.return - start).toFixed(3),
    scale.bar(each),
  ]);
  const header = ['  client', 'via', 'operation', '', 'result', 'call', 'return', ''];
  return table([header, ...rows], new Set([5, 6]));
}

function describeRequest(operation: Operation): string {
  if (operation.kind === 'get') return '';
  const value = operation.kind === 'put' ? `= "${operation.value}"` : '';
  return `${value}${describeCondition(operation.condition)}`.trim();
}

function describeCondition(condition: WriteCondition | undefined): string {
  if (condition === undefined) return '';
  return condition.kind === 'absent' ? ' if absent' : ` if mod ${condition.modRevision}`;
}

function describeResult(result: Operation['result']): string {
  switch (result.kind) {
    case 'written':
      return `version ${result.version} mod ${result.revision}`;
    case 'deleted': {
      const existed = {
        true: 'deleted',
        false: 'nothing to delete',
        undefined: 'deleted or absent',
      };
      return `${existed[`${result.existed}`]} at ${result.revision}`;
    }
    case 'found': {
      const { value, version, modRevision, revision } = result;
      return `"${value}" version ${version} mod ${modRevision} at ${revision}`;
    }
    case 'not-found':
      return `not found at ${result.revision}`;
    case 'condition-failed': {
      const { version, modRevision, revision } = result;
      const actual = version === 0 ? 'absent' : `version ${version} mod ${modRevision}`;
      return `condition failed: ${actual} at ${revision}`;
    }
    case 'not-applied':
      return `not applied: ${result.code}`;
    case 'unknown':
      return `unknown: ${result.code}`;
    default:
      return result satisfies never;
  }
}

/** Times as columns of a bar. */
class Scale {
  readonly #start: number;
  readonly #perColumn: number;

  constructor(start: number, end: number) {
    this.#start = start;
    this.#perColumn = Math.max(end - start, Number.MIN_VALUE) / (BAR_COLUMNS - 1);
  }

  bar({ call, return: returned, result }: Operation): string {
    const from = this.#column(call);
    if (result.kind === 'unknown') return `${' '.repeat(from)}[`.padEnd(BAR_COLUMNS, '-') + '>';
    const to = this.#column(returned);
    const bar = to === from ? '|' : `[${'-'.repeat(to - from - 1)}]`;
    return ' '.repeat(from) + bar;
  }

  #column(time: number): number {
    return Math.round((time - this.#start) / this.#perColumn);
  }
}

/** Columns as wide as their widest cell, two spaces apart; those in `right` are aligned to the right. */
export function table(
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number> = new Set(),
): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) =>
        right.has(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}
