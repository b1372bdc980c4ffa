/**
 * The data directory of one node: locked for the life of the process, of one cluster and one member
 * for ever, and with an incarnation that grows durably with every start.
 *
 *   identity.json   {format, cluster, cluster_id, node, incarnation, established}
 *
 * `established` is set once the member has been ready for the first time: from then on its log and
 * its term and vote must exist, and a directory without them is damaged, not new.
 *
 * The file is replaced atomically (temporary file, fsync, rename, fsync of the directory) before
 * anything of the new incarnation leaves the process.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  type Disk,
  DiskError,
  decodeUtf8,
  DecodeError,
  encodeUtf8,
  type NodeId,
} from '@kvstore/std';
import { StartError } from './start-error.ts';

export interface NodeIdentity {
  readonly clusterId: string;
  readonly cluster: string;
  readonly node: NodeId;
  readonly incarnation: number;
  /** The member has been ready before: its log must be there. */
  readonly established: boolean;
}

const FORMAT = 1;
const IDENTITY = 'identity.json';
const SECRET = 'cluster-secret';
const SECRET_BYTES = 32;

const identitySchema = z.object({
  format: z.number(),
  cluster: z.string(),
  cluster_id: z.string(),
  node: z.string(),
  incarnation: z.number().int().nonnegative(),
  established: z.boolean(),
});
type StoredIdentity = z.infer<typeof identitySchema>;

/**
 * Reads or creates the identity and begins the next incarnation, durably. The caller holds the
 * directory's lock. Throws `StartError` when the directory is another cluster's or member's.
 */
export async function beginIncarnation(
  disk: Disk,
  path: string,
  expected: { readonly cluster: string; readonly node: NodeId },
): Promise<NodeIdentity> {
  const stored = await readIdentity(disk, path);
  if (stored !== undefined) refuseOthers(stored, path, expected);
  const next: StoredIdentity = {
    format: FORMAT,
    cluster: expected.cluster,
    cluster_id: stored?.cluster_id ?? randomUUID(),
    node: expected.node,
    incarnation: (stored?.incarnation ?? 0) + 1,
    established: stored?.established ?? false,
  };
  await writeIdentity(disk, next);
  return {
    clusterId: next.cluster_id,
    cluster: next.cluster,
    node: expected.node,
    incarnation: next.incarnation,
    established: next.established,
  };
}

/** The member has been ready: from now on a missing log is damage. */
export async function establish(disk: Disk, identity: NodeIdentity): Promise<void> {
  if (identity.established) return;
  await writeIdentity(disk, {
    format: FORMAT,
    cluster: identity.cluster,
    cluster_id: identity.clusterId,
    node: identity.node,
    incarnation: identity.incarnation,
    established: true,
  });
}

function writeIdentity(disk: Disk, identity: StoredIdentity): Promise<void> {
  return replaceFile(disk, IDENTITY, encodeUtf8(`${JSON.stringify(identity)}\n`));
}

/** The cluster's secret: the configured one, else the one in `disk`, generated at first use. */
export async function clusterSecret(
  disk: Disk,
  configured: string | undefined,
): Promise<Uint8Array> {
  if (configured !== undefined) return encodeUtf8(configured);
  const stored = await readFile(disk, SECRET);
  if (stored !== undefined && stored.length >= SECRET_BYTES) return stored;
  const generated = encodeUtf8(randomBytes(SECRET_BYTES).toString('hex'));
  await replaceFile(disk, SECRET, generated);
  return generated;
}

async function readIdentity(disk: Disk, path: string): Promise<StoredIdentity | undefined> {
  const bytes = await readFile(disk, IDENTITY);
  if (bytes === undefined) return undefined;
  try {
    return identitySchema.parse(JSON.parse(decodeUtf8(bytes)));
  } catch (error) {
    if (!(
      error instanceof SyntaxError ||
      error instanceof DecodeError ||
      error instanceof z.ZodError
    )) {
      throw error;
    }
    throw new StartError(
      'DATA_DIR_DAMAGED',
      `${path}/${IDENTITY} cannot be read`,
      'Restore the file, or move the directory away and start this member empty.',
      error,
    );
  }
}

function refuseOthers(
  stored: StoredIdentity,
  path: string,
  expected: { readonly cluster: string; readonly node: NodeId },
): void {
  if (stored.format !== FORMAT) {
    throw new StartError(
      'DATA_DIR_DAMAGED',
      `${path} has format ${stored.format}, this version reads ${FORMAT}`,
      'Start it with the version that wrote it.',
    );
  }
  if (stored.cluster === expected.cluster && stored.node === expected.node) return;
  throw new StartError(
    'DATA_DIR_OF_ANOTHER_CLUSTER',
    `${path} belongs to member ${stored.node} of cluster ${stored.cluster}, not to ` +
      `${expected.node} of ${expected.cluster}`,
    'Set cluster and node_id as they were, or use another data_dir.',
  );
}

async function readFile(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  try {
    const file = await disk.open(path);
    const bytes = await file.read(0, await file.size());
    await file.close();
    return bytes;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

async function replaceFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  if ((await disk.list('')).includes(temporary)) await disk.unlink(temporary);
  const file = await disk.create(temporary);
  await file.write(0, bytes);
  await file.sync();
  await file.close();
  await disk.rename(temporary, path);
  await disk.syncDirectory('');
}
