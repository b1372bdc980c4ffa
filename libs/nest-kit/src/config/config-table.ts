/**
 * Every option of the services, once: key, type, default, meaning. Flags, environment variables,
 * file paths, validation, `--help` and the reference page are derived from this table. An option
 * stands here only when something uses it.
 */
import {
  byteSize,
  integer,
  name,
  names,
  natsUrls,
  oneOf,
  port,
  secret,
  text,
  type OptionType,
} from './option-type.ts';

export interface OptionRow<T> {
  /** Name in the file and base of the flag and the variable: `http_port`. */
  readonly key: string;
  /** The mapping of `kvstore.yaml` that holds it; undefined: the top level. */
  readonly section: string | undefined;
  readonly type: OptionType<T>;
  /** As a user would write it; undefined: no default, the option may stay unset. */
  readonly default: string | undefined;
  /** Never on a command line, where every process of the machine can read it. */
  readonly secret: boolean;
  readonly doc: string;
}

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

export const configTable = {
  dataDir: row(
    'data_dir',
    text('path'),
    './data',
    'Directory of the data; each process uses a folder of its own below it.',
  ),
  cluster: row(
    'cluster',
    name,
    'dev',
    'Name of the cluster; a data directory belongs to one cluster for ever.',
  ),
  clusterSecret: secretRow(
    'cluster_secret',
    'Key of the message authentication between the processes of a cluster; generated into the data directory when unset.',
  ),
  nodeId: row('node_id', name, 'node-1', 'Name of this member, unique in the cluster.'),
  gatewayName: row(
    'gateway_name',
    name,
    'gateway-1',
    'Name of this gateway, unique in the cluster.',
  ),
  initialCluster: row(
    'initial_cluster',
    names,
    'node-1,node-2,node-3',
    'The members that found the cluster, comma-separated, the same on each; a node that is not listed asks them and waits to be added. One node alone ignores it.',
  ),
  natsUrl: row(
    'nats_url',
    natsUrls,
    'nats://127.0.0.1:4222',
    'Addresses of the nats-servers, comma-separated; one node alone needs none.',
  ),
  natsUser: optionalRow('nats_user', text('user'), 'User at the nats-server; unset: none.'),
  natsPassword: secretRow('nats_password', 'Password of nats_user.'),
  host: row('host', text('address'), '127.0.0.1', 'Address that all ports are bound to.'),
  httpPort: row('http_port', port, '8080', 'Port of the REST API; 0 takes a free one.'),
  grpcPort: row('grpc_port', port, '9090', 'Port of the gRPC API; 0 takes a free one.'),
  metricsPort: row('metrics_port', port, '2112', 'Port of /metrics; 0 takes a free one.'),
  logLevel: row(
    'log_level',
    oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace']),
    'info',
    'Least severe level that is logged.',
  ),
  logReserve: row(
    'log_reserve',
    byteSize(0, 1024 * GiB),
    '256MB',
    'Consensus log that is always kept; the rest is cut off once a majority of storages holds it durably.',
  ),
  logLagLimit: row(
    'log_lag_limit',
    byteSize(0, 1024 * GiB),
    '1GB',
    'Consensus log that is kept for a member or an archive that lags; beyond it they start anew from a snapshot.',
  ),
  logLimit: row(
    'log_limit',
    byteSize(64 * MiB, 1024 * GiB),
    '8GB',
    'Consensus log at which writes are refused, because a majority of storages does not let it be cut.',
  ),
  memtableSize: badgerRow(
    'memtable_size',
    byteSize(MiB, 1024 * MiB),
    '64MB',
    'Size at which a memtable is sealed and flushed; of several members each seals at another part of it, 60 to 100 %.',
  ),
  numMemtables: badgerRow(
    'num_memtables',
    integer('integer', 1, 64),
    '5',
    'Sealed memtables that may wait for their flush before writes wait too.',
  ),
  blockCacheSize: badgerRow(
    'block_cache_size',
    byteSize(0, 64 * 1024 * MiB),
    '256MB',
    'Memory for decoded blocks of segments.',
  ),
} as const;

type Table = typeof configTable;
export type ConfigField = keyof Table;

type ValueOf<Row> = Row extends OptionRow<infer T> ? T : never;

/** The validated configuration. Options without a default are undefined when unset. */
export type Config = {
  readonly [Field in Exclude<ConfigField, OptionalField>]: ValueOf<Table[Field]>;
} & { readonly [Field in OptionalField]: string | undefined };
type OptionalField = 'clusterSecret' | 'natsUser' | 'natsPassword';

/** `KVSTORE_` variables that others read (scripts, tests, an orchestrator): not errors here. */
export const variablesKnownElsewhere: readonly (string | RegExp)[] = [
  'KVSTORE_CONFIG',
  'KVSTORE_NATS_BIN',
  // Kubernetes injects these into every pod beside a service named "kvstore".
  /^KVSTORE_(SERVICE_(HOST|PORT)|PORT)(_|$)/,
];

/** What an option is called in each place, and what it means: for `--help` and the reference. */
export interface OptionDescription {
  readonly key: string;
  readonly yamlPath: string;
  readonly variable: string;
  /** Of a secret: the flag and the key that name a file. */
  readonly flag: string;
  readonly type: string;
  readonly default: string | undefined;
  readonly doc: string;
}

export function describeConfig(): readonly OptionDescription[] {
  return Object.values(configTable).map((option) => ({
    key: option.key,
    yamlPath: yamlPath(option),
    variable: variableOf(option),
    flag: flagOf(option),
    type: option.type.label,
    default: option.default,
    doc: option.doc,
  }));
}

type AnyRow = Pick<OptionRow<unknown>, 'key' | 'section' | 'secret'>;

export function yamlPath(option: AnyRow): string {
  const key = option.secret ? `${option.key}_file` : option.key;
  return option.section === undefined ? key : `${option.section}.${key}`;
}

export function variableOf(option: AnyRow): string {
  return `KVSTORE_${option.key.toUpperCase()}`;
}

export function flagOf(option: AnyRow): string {
  const key = option.secret ? `${option.key}_file` : option.key;
  return `--${key.replaceAll('_', '-')}`;
}

function row<T>(key: string, type: OptionType<T>, defaultText: string, doc: string): OptionRow<T> {
  return { key, section: undefined, type, default: defaultText, secret: false, doc };
}

function optionalRow<T>(key: string, type: OptionType<T>, doc: string): OptionRow<T> {
  return { key, section: undefined, type, default: undefined, secret: false, doc };
}

function badgerRow<T>(
  key: string,
  type: OptionType<T>,
  defaultText: string,
  doc: string,
): OptionRow<T> {
  return { ...row(key, type, defaultText, doc), section: 'badger_config' };
}

function secretRow(key: string, doc: string): OptionRow<string> {
  return { key, section: undefined, type: secret, default: undefined, secret: true, doc };
}
