/** Options of `npm run chaos`. */
import { parseArgs } from 'node:util';
import { type Scenario, scenarios } from './scenarios.ts';

/** What the person who called has to mend; nothing was run. */
export class UsageError extends Error {}

export interface ChaosOptions {
  readonly scenarios: readonly Scenario[];
  /** Of each scenario; undefined: as many as it has by itself. */
  readonly trials: number | undefined;
  readonly seed: number;
  readonly out: string | undefined;
}

const SEED_DEFAULT = 1;
const USAGE = 'usage: npm run chaos -- [--trials N] [--only NAME] [--seed S] [--out DIR]';

/** Throws `UsageError`. */
export function parseChaosOptions(args: readonly string[]): ChaosOptions {
  const { trials, only, seed, out } = parse(args);
  return {
    scenarios: chosen(only),
    trials: trials === undefined ? undefined : wholeNumber('--trials', trials),
    seed: seed === undefined ? SEED_DEFAULT : wholeNumber('--seed', seed),
    out,
  };
}

function parse(args: readonly string[]) {
  const option = { type: 'string' } as const;
  try {
    const options = { trials: option, only: option, seed: option, out: option };
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

/** By the whole name, else by its beginning: `stop-leader` is all three of them. */
function chosen(only: string | undefined): readonly Scenario[] {
  if (only === undefined) return scenarios;
  const exact = scenarios.filter(({ name }) => name === only);
  const found = exact.length > 0 ? exact : scenarios.filter(({ name }) => name.startsWith(only));
  if (found.length > 0) return found;
  const names = scenarios.map(({ name }) => name).join(', ');
  throw new UsageError(`no scenario begins with "${only}"; there are ${names}`);
}

function wholeNumber(name: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`${name} takes a positive whole number, not "${text}"\n${USAGE}`);
}
