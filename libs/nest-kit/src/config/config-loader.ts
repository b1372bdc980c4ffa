/**
 * Reads the configuration: flags over `KVSTORE_` variables over `kvstore.yaml` over defaults.
 *
 * Nothing is ignored silently. A flag, variable or key that no option has is an error that names
 * the nearest one, and so is a value its option cannot have. All inputs come in through
 * `ConfigSources`, so that a test owns them; nothing is read when this module is imported.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { nearestName } from '../edit-distance.ts';
import { StartError } from '../start-error.ts';
import { errorCode } from '../system-error.ts';
import {
  configTable,
  flagOf,
  variableOf,
  variablesKnownElsewhere,
  yamlPath,
  type Config,
  type ConfigField,
  type OptionRow,
} from './config-table.ts';

export interface ConfigSources {
  /** Arguments after the script's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined when there is no such file; throws when it cannot be read. */
  readFile(path: string): string | undefined;
}

export type ConfigOutcome =
  | { readonly kind: 'config'; readonly config: Config }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

/** A value and where it was written, for error messages. */
interface Setting {
  readonly value: unknown;
  readonly origin: string;
}

type Settings = Map<ConfigField, Setting>;

const DEFAULT_FILE = 'kvstore.yaml';
const fields = Object.keys(configTable) as readonly ConfigField[];

export function processSources(): ConfigSources {
  return { argv: process.argv.slice(2), env: process.env, readFile: readIfPresent };
}

/** Throws `StartError` with code CONFIGURATION, one line that says what to correct. */
export async function loadConfig(sources: ConfigSources): Promise<ConfigOutcome> {
  const flags = readFlags(sources);
  if (flags.kind !== 'flags') return flags;
  const environment = readEnvironment(sources);
  const file = await readConfigFile(sources, flags.configPath ?? sources.env['KVSTORE_CONFIG']);
  const values: Partial<Record<ConfigField, unknown>> = {};
  for (const field of fields) {
    const setting = flags.settings.get(field) ?? environment.get(field) ?? file.get(field);
    const option: OptionRow<unknown> = configTable[field];
    if (setting !== undefined) values[field] = parse(option, setting);
    else if (option.default !== undefined) {
      values[field] = parse(option, { value: option.default, origin: 'the default' });
    } else values[field] = undefined;
  }
  return { kind: 'config', config: values as Config };
}

function parse(option: OptionRow<unknown>, setting: Setting): unknown {
  const result = option.type.schema.safeParse(setting.value);
  if (result.success) return result.data;
  const reason = result.error.issues[0]?.message ?? 'not valid';
  const shown = option.secret ? '' : ` ${JSON.stringify(setting.value)}`;
  throw configurationError(`${setting.origin} has the value${shown}: ${reason}`);
}

type Flags =
  | { readonly kind: 'flags'; readonly settings: Settings; readonly configPath: string | undefined }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

function readFlags(sources: ConfigSources): Flags {
  const byFlag = new Map(fields.map((field) => [flagOf(configTable[field]), field]));
  const settings: Settings = new Map();
  let configPath: string | undefined;
  const rest = [...sources.argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--help' || argument === '-h') return { kind: 'help' };
    if (argument === '--version') return { kind: 'version' };
    if (!argument.startsWith('--')) throw configurationError(`unexpected argument "${argument}"`);
    const equals = argument.indexOf('=');
    const flag = equals === -1 ? argument : argument.slice(0, equals);
    const field = byFlag.get(flag);
    if (field === undefined && flag !== '--config') {
      throw unknownName('flag', flag, [...byFlag.keys(), '--config', '--help', '--version']);
    }
    const value = equals === -1 ? rest.shift() : argument.slice(equals + 1);
    if (value === undefined) throw configurationError(`flag ${flag} needs a value`);
    if (field === undefined) configPath = value;
    else if (settings.has(field)) throw configurationError(`flag ${flag} is given twice`);
    else settings.set(field, settingOf(sources, field, value, `flag ${flag}`));
  }
  return { kind: 'flags', settings, configPath };
}

/** An empty variable counts as unset, as orchestrators pass it. */
function readEnvironment(sources: ConfigSources): Settings {
  const settings: Settings = new Map();
  const known = new Set<string>();
  for (const field of fields) {
    const option = configTable[field];
    const variable = variableOf(option);
    known.add(variable);
    const value = sources.env[variable];
    if (value !== undefined && value !== '') settings.set(field, { value, origin: variable });
    if (!option.secret) continue;
    const fileVariable = `${variable}_FILE`;
    known.add(fileVariable);
    const path = sources.env[fileVariable];
    if (path === undefined || path === '') continue;
    if (settings.has(field))
      throw configurationError(`both ${variable} and ${fileVariable} are set`);
    settings.set(field, readSecret(sources, path, fileVariable));
  }
  for (const variable of Object.keys(sources.env)) {
    if (!variable.startsWith('KVSTORE_') || known.has(variable) || isKnownElsewhere(variable))
      continue;
    throw unknownName('environment variable', variable, [...known, 'KVSTORE_CONFIG']);
  }
  return settings;
}

function isKnownElsewhere(variable: string): boolean {
  return variablesKnownElsewhere.some((known) =>
    typeof known === 'string' ? known === variable : known.test(variable),
  );
}

async function readConfigFile(sources: ConfigSources, path: string | undefined): Promise<Settings> {
  const settings: Settings = new Map();
  const content = readFile(sources, path ?? DEFAULT_FILE);
  if (content === undefined) {
    if (path === undefined) return settings;
    throw configurationError(`there is no configuration file ${path}`);
  }
  const byPath = new Map(fields.map((field) => [yamlPath(configTable[field]), field]));
  const sections = new Set(fields.map((field) => configTable[field].section));
  for (const [key, value] of await leaves(content, path ?? DEFAULT_FILE, sections)) {
    const field = byPath.get(key);
    if (field === undefined)
      throw unknownName(`key of ${path ?? DEFAULT_FILE}`, key, byPath.keys());
    settings.set(field, settingOf(sources, field, value, `${key} in ${path ?? DEFAULT_FILE}`));
  }
  return settings;
}

/** The file's values by path; a known section is opened, anything else is a value. */
async function leaves(
  content: string,
  path: string,
  sections: ReadonlySet<string | undefined>,
): Promise<readonly (readonly [string, unknown])[]> {
  // Why here: most nodes have no file, and the parser costs start time.
  const { parseDocument } = await import('yaml');
  const document = parseDocument(content);
  const fault = document.errors[0];
  if (fault !== undefined) throw configurationError(`${path}: ${fault.message.split('\n')[0]}`);
  const root: unknown = document.toJS({ maxAliasCount: 0 });
  if (root === null || root === undefined) return [];
  if (!isMapping(root)) throw configurationError(`${path} must be a mapping of options`);
  return Object.entries(root).flatMap(([key, value]): (readonly [string, unknown])[] => {
    if (!sections.has(key)) return [[key, value]];
    if (value === null) return [];
    if (!isMapping(value)) throw configurationError(`${key} in ${path} must be a mapping`);
    return Object.entries(value).map(([inner, leaf]) => [`${key}.${inner}`, leaf] as const);
  });
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Flags and file keys of a secret name a file; those of other options hold the value. */
function settingOf(
  sources: ConfigSources,
  field: ConfigField,
  value: unknown,
  origin: string,
): Setting {
  return configTable[field].secret ? readSecret(sources, String(value), origin) : { value, origin };
}

function readSecret(sources: ConfigSources, path: string, origin: string): Setting {
  const content = readFile(sources, path);
  if (content === undefined)
    throw configurationError(`${origin} names ${path}, which does not exist`);
  return { value: content.replace(/\r?\n$/, ''), origin: `${origin} (${path})` };
}

function readFile(sources: ConfigSources, path: string): string | undefined {
  try {
    return sources.readFile(path);
  } catch (error) {
    throw configurationError(`cannot read ${path}`, error);
  }
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(resolve(path), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function unknownName(what: string, given: string, known: Iterable<string>): StartError {
  const names = [...known];
  const nearest = names.find((name) => name.endsWith(`.${given}`)) ?? nearestName(given, names);
  const hint = nearest === undefined ? '' : `; the nearest is ${nearest}`;
  return configurationError(`unknown ${what} "${given}"${hint}`);
}

function configurationError(message: string, cause?: unknown): StartError {
  return new StartError('CONFIGURATION', message, 'See --help for the options.', cause);
}
