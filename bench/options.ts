/** Options of a benchmark: what `parseArgs` of Node reads, with errors that say how it is meant. */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** What the person who called has to mend; nothing was measured. */
export class UsageError extends Error {}

export function parseOptions<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    const known = Object.keys(options).map((name) => `--${name}`);
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${reason}; options: ${known.join(' ')}`);
  }
}

export function positiveInteger(name: string, text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} takes a positive whole number, not "${text}"`);
}

/** `--cpu-prof DIR`, made when it is missing; absolute. */
export function profileDirectory(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  mkdirSync(path, { recursive: true });
  return resolve(path);
}
