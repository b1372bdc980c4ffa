/** The command line of the simulator. */
import { parseArgs } from 'node:util';
import { FAULT_FAMILIES, type FaultFamily, type Reduction } from './world/sim-options.ts';

export const USAGE = `usage: npm run sim -- [options]
  --seeds N        run N seeds (default 100), from --seed on
  --seed S         the first seed (default 1); alone: this one seed
  --minutes M      stop after M minutes
  --log            print what happens in the seed, in columns
  --without F,G    leave out families of faults: ${FAULT_FAMILIES.join(' ')}
  --clients N      at most N clients
  --safety-ms N    end the faults after N simulated milliseconds
  --mutant ID      run with one seeded bug, until an invariant catches it
  --mutants        run every seeded bug; all must be caught
  --record         with --mutants: note which seed caught each of them
  --json           print the totals as one line of JSON
`;

export interface SimArguments {
  readonly seed: number;
  readonly seeds: number;
  readonly minutes: number;
  readonly log: boolean;
  readonly json: boolean;
  readonly mutants: boolean;
  readonly record: boolean;
  readonly mutant: string | undefined;
  readonly reduction: Reduction;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function parseArguments(args: readonly string[]): SimArguments {
  const { values } = parse(args);
  const seed = number(values.seed, 'seed') ?? 1;
  const seeds = number(values.seeds, 'seeds') ?? (values.seed === undefined ? 100 : 1);
  const clientsMax = number(values.clients, 'clients');
  const safetyMsMax = number(values['safety-ms'], 'safety-ms');
  return {
    seed,
    seeds,
    minutes: number(values.minutes, 'minutes') ?? Number.POSITIVE_INFINITY,
    log: values.log === true,
    json: values.json === true,
    mutants: values.mutants === true,
    record: values.record === true,
    mutant: values.mutant,
    reduction: {
      without: families(values.without),
      ...(clientsMax !== undefined && { clientsMax }),
      ...(safetyMsMax !== undefined && { safetyMsMax }),
    },
  };
}

/** The command that runs a seed so again. */
export function commandOf(seed: number, reduction: Reduction, mutant: string | undefined): string {
  const { without, clientsMax, safetyMsMax } = reduction;
  return [
    `npm run sim -- --seed ${seed}`,
    without.length > 0 ? `--without ${without.join(',')}` : '',
    clientsMax === undefined ? '' : `--clients ${clientsMax}`,
    safetyMsMax === undefined ? '' : `--safety-ms ${safetyMsMax}`,
    mutant === undefined ? '' : `--mutant ${mutant}`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: text,
        seeds: text,
        minutes: text,
        log: flag,
        json: flag,
        mutants: flag,
        record: flag,
        mutant: text,
        without: text,
        clients: text,
        'safety-ms': text,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function number(value: string | undefined, name: string): number | undefined {
  if (value === undefined) return undefined;
  const parsed = Number(value);
  if (!Number.isSafeInteger(parsed) || parsed < 0) throw new UsageError(`--${name} takes a count`);
  return parsed;
}

function families(value: string | undefined): readonly FaultFamily[] {
  return (value ?? '')
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      const family = FAULT_FAMILIES.find((each) => each === name);
      if (family === undefined) throw new UsageError(`no such family of faults: ${name}`);
      return family;
    });
}
