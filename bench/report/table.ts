/** Tables on stderr: the first column to the left, the others to the right. */

export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const lines = [header, ...rows];
  const widths = header.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const text = lines.map((line) =>
    line
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  process.stderr.write(`${text.join('\n')}\n\n`);
}

/** A step of the run. */
export function progress(line: string): void {
  process.stderr.write(`  ${line}\n`);
}

/** What nobody should overlook. */
export function warn(line: string): void {
  process.stderr.write(`!! ${line}\n`);
}

/** `-` for what was not measured. */
export function cell(value: number | undefined, decimals = 0): string {
  return value === undefined || Number.isNaN(value) ? '-' : value.toFixed(decimals);
}
