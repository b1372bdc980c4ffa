/**
 * A NATS user with every right in the account of a running cluster: somebody who can publish on all
 * subjects and delete streams. Its server is started again with that user in its configuration.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NatsBus } from '@kvstore/bus';
import type { ClusterProcess } from './cluster-process.ts';

export const ADMIN = { user: 'admin', password: 'a-user-with-every-right' };

/** Resolves with a connection of that user once the cluster serves again. */
export async function becomeAdmin(cluster: ClusterProcess, dataDir: string): Promise<NatsBus> {
  const path = join(dataDir, 'cluster/nats-1.conf');
  const user = `{ user: "${ADMIN.user}", password: "${ADMIN.password}" }`;
  const config = readFileSync(path, 'utf8');
  writeFileSync(path, config.replace('users: [', `users: [\n      ${user}`));
  await cluster.kill('nats-1');
  await cluster.startAgain('nats-1');
  const servers = cluster.file.nats.map(({ url }) => url);
  // Why this inbox: the services may answer a gateway and nobody else.
  const inboxPrefix = 'kv.dev.inbox.gateway.raw';
  const bus = await NatsBus.connect({ servers, name: 'admin', inboxPrefix, ...ADMIN });
  await cluster.untilReady();
  return bus;
}
