/**
 * The command line of `npm run cluster`: flags over `KVSTORE_` variables over defaults.
 *
 * Nothing is ignored silently: a flag or command that does not exist is an error that names the
 * nearest one, and so is a value that its option cannot have. Variables that are not the command's
 * own go on to the processes, which check them.
 */
import { resolve } from 'node:path';
import { isNodeId } from '@kvstore/std';
import { nearestName } from '../../libs/nest-kit/src/edit-distance.ts';
import { CommandError } from './command-error.ts';

export interface ClusterOptions {
  /** Absolute. */
  readonly dataDir: string;
  readonly cluster: string;
  /** Undefined: as many as the data directory was founded with, else 3. */
  readonly nodes: number | undefined;
  readonly gateways: number;
  readonly nats: number;
  readonly restart: boolean;
  /** What the ports of the services are bound to. */
  readonly host: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
  readonly natsPort: number;
}

export type Command =
  | { readonly kind: 'run'; readonly options: ClusterOptions }
  | { readonly kind: 'start' | 'stop'; readonly name: string; readonly dataDir: string }
  | MemberCommand
  | { readonly kind: 'status' | 'members'; readonly dataDir: string }
  | { readonly kind: 'help' };

/** `add` without a name takes the next one. */
export type MemberCommand =
  | { readonly kind: 'add'; readonly name: string | undefined; readonly dataDir: string }
  | {
      readonly kind: 'remove' | 'replace' | 'transfer';
      readonly name: string;
      readonly dataDir: string;
    };

export type Environment = Readonly<Record<string, string | undefined>>;

export const help = `npm run cluster [-- FLAGS]            a cluster in the foreground; Ctrl-C stops it
npm run cluster -- start|stop NAME    one process of the running cluster
npm run cluster -- status             its processes
npm run cluster -- members            its members, as its leader knows them
npm run cluster -- add [NODE]         a new member; returns when it votes
npm run cluster -- remove NODE        a member leaves for good; its data is kept aside
npm run cluster -- replace NODE       a new member for one that is lost
npm run cluster -- transfer NODE      that member leads

  --nodes N         consensus and storage processes: 1, 3, 5 or 7 (3)
  --gateways N      gateways, 1 to 16 (1)
  --nats N          nats-servers, 1 to 5 (1)
  --no-restart      a process that ends stays dead
  --data-dir D      KVSTORE_DATA_DIR, where everything is kept (./data)
  --cluster NAME    KVSTORE_CLUSTER, the name of the cluster (dev)
  --http-port P     KVSTORE_HTTP_PORT, of the first gateway; the next one has P + 1 (8080)
  --grpc-port P     KVSTORE_GRPC_PORT, likewise (9090)
  --metrics-port P  KVSTORE_METRICS_PORT, likewise; consensus and storage follow (2112)
  --nats-port P     of the first nats-server (4222)

A port of 0 gives every process a free one; cluster.json in the data directory has them all.
`;

const COMMANDS = [
  'start',
  'stop',
  'status',
  'members',
  'add',
  'remove',
  'replace',
  'transfer',
] as const;
const VALUE_FLAGS = [
  '--nodes',
  '--gateways',
  '--nats',
  '--data-dir',
  '--cluster',
  '--http-port',
  '--grpc-port',
  '--metrics-port',
  '--nats-port',
] as const;
type ValueFlag = (typeof VALUE_FLAGS)[number];

const NODES = [1, 3, 5, 7];
const GATEWAYS_MAX = 16;
const NATS_MAX = 5;
const PORT_MAX = 65_535;

/** Throws `CommandError`. */
export function parseCommand(argv: readonly string[], env: Environment): Command {
  const { words, values, switches } = readArguments(argv);
  if (switches.has('--help') || switches.has('-h')) return { kind: 'help' };
  const settings = new Settings(values, env);
  const [command, name, ...more] = words;
  if (command === undefined) return { kind: 'run', options: clusterOptions(settings, switches) };
  const known = COMMANDS.find((each) => each === command);
  if (known === undefined) throw unknown('command', command, COMMANDS);
  refuseOtherFlags(known, values, switches);
  const dataDir = settings.dataDir();
  const takesName = known !== 'status' && known !== 'members';
  const excess = takesName ? more[0] : name;
  if (excess !== undefined) throw new CommandError(`unexpected argument "${excess}"`);
  if (!takesName) return { kind: known, dataDir };
  if (known === 'add') return { kind: known, name, dataDir };
  if (name === undefined) {
    const what = known === 'start' || known === 'stop' ? 'process' : 'node';
    throw new CommandError(`${known} needs the name of a ${what}`);
  }
  return { kind: known, name, dataDir };
}

function clusterOptions(settings: Settings, switches: ReadonlySet<string>): ClusterOptions {
  return {
    dataDir: settings.dataDir(),
    cluster: settings.clusterName(),
    nodes: settings.nodes(),
    gateways: settings.integer('--gateways', 1, 1, GATEWAYS_MAX),
    nats: settings.integer('--nats', 1, 1, NATS_MAX),
    restart: !switches.has('--no-restart'),
    host: settings.host(),
    httpPort: settings.integer('--http-port', 8080, 0, PORT_MAX),
    grpcPort: settings.integer('--grpc-port', 9090, 0, PORT_MAX),
    metricsPort: settings.integer('--metrics-port', 2112, 0, PORT_MAX),
    natsPort: settings.integer('--nats-port', 4222, 0, PORT_MAX),
  };
}

interface Arguments {
  readonly words: readonly string[];
  readonly values: ReadonlyMap<ValueFlag, string>;
  readonly switches: ReadonlySet<string>;
}

const SWITCHES = ['--no-restart', '--help', '-h'];

function readArguments(argv: readonly string[]): Arguments {
  const words: string[] = [];
  const values = new Map<ValueFlag, string>();
  const switches = new Set<string>();
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (SWITCHES.includes(argument)) switches.add(argument);
    else if (argument.startsWith('-')) readValue(argument, rest, values);
    else words.push(argument);
  }
  return { words, values, switches };
}

function readValue(argument: string, rest: string[], values: Map<ValueFlag, string>): void {
  const equals = argument.indexOf('=');
  const given = equals === -1 ? argument : argument.slice(0, equals);
  const flag = VALUE_FLAGS.find((each) => each === given);
  if (flag === undefined) throw unknown('flag', given, [...VALUE_FLAGS, '--no-restart', '--help']);
  const value = equals === -1 ? rest.shift() : argument.slice(equals + 1);
  if (value === undefined) throw new CommandError(`flag ${flag} needs a value`);
  if (values.has(flag)) throw new CommandError(`flag ${flag} is given twice`);
  values.set(flag, value);
}

function refuseOtherFlags(
  command: string,
  values: ReadonlyMap<ValueFlag, string>,
  switches: ReadonlySet<string>,
): void {
  const other = [...values.keys(), ...switches].find((flag) => flag !== '--data-dir');
  if (other === undefined) return;
  throw new CommandError(`${command} takes no flag ${other}, only --data-dir`);
}

/** Values with where they were written, for error messages. */
class Settings {
  readonly #values: ReadonlyMap<ValueFlag, string>;
  readonly #env: Environment;

  constructor(values: ReadonlyMap<ValueFlag, string>, env: Environment) {
    this.#values = values;
    this.#env = env;
  }

  dataDir(): string {
    const { value, origin } = this.#find('--data-dir', './data');
    if (value.trim() === '') throw refused(origin, value, 'a path');
    return resolve(value);
  }

  clusterName(): string {
    const { value, origin } = this.#find('--cluster', 'dev');
    if (!isNodeId(value)) throw refused(origin, value, 'a name of [a-z0-9][a-z0-9-]{0,31}');
    return value;
  }

  host(): string {
    const host = this.#env['KVSTORE_HOST'];
    return host === undefined || host === '' ? '127.0.0.1' : host;
  }

  nodes(): number | undefined {
    const { value, origin } = this.#find('--nodes', '');
    if (value === '' && !this.#values.has('--nodes')) return undefined;
    const nodes = NODES.find((each) => String(each) === value);
    if (nodes === undefined) throw refused(origin, value, '1, 3, 5 or 7');
    return nodes;
  }

  integer(flag: ValueFlag, fallback: number, min: number, max: number): number {
    const { value, origin } = this.#find(flag, String(fallback));
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw refused(origin, value, `an integer of ${min}..${max}`);
  }

  #find(flag: ValueFlag, fallback: string): { readonly value: string; readonly origin: string } {
    const given = this.#values.get(flag);
    if (given !== undefined) return { value: given, origin: `flag ${flag}` };
    const variable = VARIABLES[flag];
    const value = variable === undefined ? undefined : this.#env[variable];
    if (variable === undefined || value === undefined || value === '') {
      return { value: fallback, origin: 'the default' };
    }
    return { value, origin: variable };
  }
}

const VARIABLES: Readonly<Partial<Record<ValueFlag, string>>> = {
  '--data-dir': 'KVSTORE_DATA_DIR',
  '--cluster': 'KVSTORE_CLUSTER',
  '--http-port': 'KVSTORE_HTTP_PORT',
  '--grpc-port': 'KVSTORE_GRPC_PORT',
  '--metrics-port': 'KVSTORE_METRICS_PORT',
};

function unknown(what: string, given: string, known: readonly string[]): CommandError {
  return new CommandError(
    `unknown ${what} "${given}"; the nearest is ${nearestName(given, known) ?? 'none'}`,
  );
}

function refused(origin: string, value: string, expected: string): CommandError {
  return new CommandError(`${origin} has the value ${JSON.stringify(value)}: expected ${expected}`);
}
