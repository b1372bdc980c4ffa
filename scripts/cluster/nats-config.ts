/**
 * The configuration of a nats-server: one account with JetStream, one user per process, and for each
 * user exactly the subjects that `busPermissions` lists. Without a user nobody gets in, and there is
 * no monitoring port. Several servers are a NATS cluster whose routes have a password of their own.
 */
import { busPermissions, type BusIdentity } from '@kvstore/contract';

export interface NatsUser extends BusIdentity {
  /** As it stands in the configuration: a quoted string, or the name of a variable. */
  readonly password: string;
}

export interface NatsServer {
  readonly name: string;
  readonly client: number;
  readonly route: number | undefined;
  readonly storeDir: string;
}

export interface NatsClusterConfig {
  readonly cluster: string;
  readonly servers: readonly NatsServer[];
  readonly users: readonly NatsUser[];
  readonly routePassword: string;
}

const LOOPBACK = '127.0.0.1';
const ROUTE_USER = 'route';

export function natsUserName({ role, name }: Pick<BusIdentity, 'role' | 'name'>): string {
  return `${role}-${name}`;
}

export function natsConfig(server: NatsServer, all: NatsClusterConfig): string {
  const lines = [
    '# Written by `npm run cluster` at every start.',
    `server_name: ${quote(server.name)}`,
    `listen: "${LOOPBACK}:${server.client}"`,
    'max_payload: 1048576',
    '# A client that takes nothing for so long is cut off; it reconnects.',
    'write_deadline: "2s"',
    `jetstream { store_dir: ${quote(server.storeDir)}, max_memory_store: 67108864 }`,
    natsAccounts(all.users),
  ];
  if (server.route !== undefined) lines.push(routes(server, all));
  return `${lines.join('\n')}\n`;
}

/** The part that says who may do what. */
export function natsAccounts(users: readonly NatsUser[]): string {
  return [
    'accounts {',
    '  kvstore {',
    '    jetstream: enabled',
    '    users: [',
    ...users.flatMap(userLines),
    '    ]',
    '  }',
    '}',
  ].join('\n');
}

function userLines(user: NatsUser): readonly string[] {
  const { publish, subscribe } = busPermissions(user);
  return [
    `      { user: ${quote(natsUserName(user))}, password: ${user.password}, permissions: {`,
    `          publish: { allow: [${publish.map(quote).join(', ')}] }`,
    `          subscribe: { allow: [${subscribe.map(quote).join(', ')}] } } }`,
  ];
}

function routes(
  server: NatsServer,
  { cluster, servers, routePassword }: NatsClusterConfig,
): string {
  const others = servers.filter((each) => each !== server);
  const credentials = `${ROUTE_USER}:${routePassword}`;
  return [
    'cluster {',
    `  name: ${quote(cluster)}`,
    `  listen: "${LOOPBACK}:${server.route}"`,
    '  no_advertise: true',
    `  authorization { user: ${quote(ROUTE_USER)}, password: ${quote(routePassword)} }`,
    '  routes: [',
    ...others.map(
      (each) => `    ${quote(`nats-route://${credentials}@${LOOPBACK}:${each.route}`)}`,
    ),
    '  ]',
    '}',
  ].join('\n');
}

/** NATS reads the escapes of JSON strings. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
