/**
 * The data directory of one process: of one cluster and one member for ever, and with an incarnation
 * that grows durably with every start. The caller holds the directory's lock.
 *
 *   identity.json   {format, cluster, node, incarnation, disk, established,
 *                    cluster_id?, founders?, cluster_tag?, checksum?}
 *
 * `disk` is random and made with the directory: it tells this directory from a later one under the
 * same name. `cluster_id` and `founders` are set once the cluster is founded (`cluster_tag` in a
 * storage, which learns the cluster from its first mark). `established` is set before the member first
 * takes part: from then on its log and its term and vote must exist, and a directory without them is
 * damaged, not new.
 *
 * `checksum` is the CRC-32C of all other fields: a flipped bit in the name of one that may be missing would
 * make the member forget its cluster.
 *
 * The file is replaced atomically (temporary file, fsync, rename, fsync of the directory) before
 * anything of the new incarnation leaves the process.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { MemberHello } from '@kvstore/contract';
import {
  crc32c,
  type Disk,
  DiskError,
  decodeUtf8,
  DecodeError,
  encodeUtf8,
  type NodeId,
} from '@kvstore/std';
import { StartError } from '../start-error.ts';

export interface NodeIdentity {
  readonly cluster: string;
  readonly node: NodeId;
  readonly incarnation: number;
  readonly disk: string;
  /** The member has taken part before: its log must be there. */
  readonly established: boolean;
  readonly clusterId: string | undefined;
  readonly founders: MemberHello['founders'];
  readonly clusterTag: number | undefined;
}

const FORMAT = 1;
const IDENTITY = 'identity.json';
const SECRET = 'cluster-secret';
const SECRET_BYTES = 32;
const DISK_BYTES = 12;

const identitySchema = z.object({
  format: z.number(),
  cluster: z.string(),
  node: z.string(),
  incarnation: z.number().int().nonnegative().lt(Number.MAX_SAFE_INTEGER),
  established: z.boolean(),
  // Absent in directories of the first version, which were of one node each.
  disk: z.string().optional(),
  cluster_id: z.string().optional(),
  founders: z.record(z.string(), z.string()).optional(),
  cluster_tag: z.number().int().nonnegative().optional(),
  // Absent in what was written before there was one.
  checksum: z.number().optional(),
});

/** `identity.json` of one directory: read once, written at every change. */
export class DataDirectory {
  readonly #disk: Disk;
  #identity: NodeIdentity;

  private constructor(disk: Disk, identity: NodeIdentity) {
    this.#disk = disk;
    this.#identity = identity;
  }

  /**
   * Reads or creates the identity and begins the next incarnation, durably. Throws `StartError` when
   * the directory is another cluster's or member's.
   */
  static async open(
    disk: Disk,
    path: string,
    expected: { readonly cluster: string; readonly node: NodeId },
  ): Promise<DataDirectory> {
    const stored = await readIdentity(disk, path);
    if (stored !== undefined) refuseOthers(stored, path, expected);
    const directory = new DataDirectory(disk, {
      ...expected,
      incarnation: (stored?.incarnation ?? 0) + 1,
      disk: stored?.disk ?? randomBytes(DISK_BYTES).toString('hex'),
      established: stored?.established ?? false,
      clusterId: stored?.cluster_id,
      founders: stored?.founders,
      clusterTag: stored?.cluster_tag,
    });
    await directory.#write();
    return directory;
  }

  get identity(): NodeIdentity {
    return this.#identity;
  }

  /** The cluster is founded, and this disk is one of its founders. */
  async found(clusterId: string, founders: NonNullable<NodeIdentity['founders']>): Promise<void> {
    this.#identity = { ...this.#identity, clusterId, founders };
    await this.#write();
  }

  /** The member is about to take part: from now on a missing log is damage. */
  async establish(): Promise<void> {
    if (this.#identity.established) return;
    this.#identity = { ...this.#identity, established: true };
    await this.#write();
  }

  /** The cluster that what is stored here belongs to. */
  async learnCluster(clusterTag: number): Promise<void> {
    this.#identity = { ...this.#identity, clusterTag };
    await this.#write();
  }

  #write(): Promise<void> {
    const identity = this.#identity;
    const stored: z.infer<typeof identitySchema> = {
      format: FORMAT,
      cluster: identity.cluster,
      node: identity.node,
      incarnation: identity.incarnation,
      disk: identity.disk,
      established: identity.established,
      cluster_id: identity.clusterId,
      founders: identity.founders,
      cluster_tag: identity.clusterTag,
    };
    const text = JSON.stringify({ ...stored, checksum: checksumOf(stored) });
    return replaceFile(this.#disk, IDENTITY, encodeUtf8(`${text}\n`));
  }
}

type StoredIdentity = z.infer<typeof identitySchema>;

/** The cluster's secret: the configured one, else the one in `disk`, generated at first use. */
export async function clusterSecret(
  disk: Disk,
  configured: string | undefined,
): Promise<Uint8Array> {
  const existing = await configuredOrStored(disk, configured);
  if (existing !== undefined) return existing;
  const generated = encodeUtf8(randomBytes(SECRET_BYTES).toString('hex'));
  await replaceFile(disk, SECRET, generated);
  return generated;
}

/** For a process that shares its cluster with others and must not make a secret of its own. */
export async function existingClusterSecret(
  disk: Disk,
  configured: string | undefined,
): Promise<Uint8Array> {
  const existing = await configuredOrStored(disk, configured);
  if (existing !== undefined) return existing;
  throw new StartError(
    'CONFIGURATION',
    `cluster_secret is not set, and there is no ${SECRET} in the data directory`,
    'Give every process of the cluster the same secret, as KVSTORE_CLUSTER_SECRET_FILE.',
  );
}

async function configuredOrStored(
  disk: Disk,
  configured: string | undefined,
): Promise<Uint8Array | undefined> {
  if (configured !== undefined) return encodeUtf8(configured);
  const stored = await readFile(disk, SECRET);
  return stored !== undefined && stored.length >= SECRET_BYTES ? stored : undefined;
}

async function readIdentity(disk: Disk, path: string): Promise<StoredIdentity | undefined> {
  const bytes = await readFile(disk, IDENTITY);
  if (bytes === undefined) return undefined;
  try {
    const fields: unknown = JSON.parse(decodeUtf8(bytes));
    const stored = identitySchema.parse(fields);
    if (stored.checksum !== undefined && stored.checksum !== checksumOf(fields as object)) {
      throw new DecodeError('its checksum does not match');
    }
    return stored;
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

/** Of all fields in the order of their names, those that only a later version knows among them. */
function checksumOf(identity: object): number {
  const fields = Object.entries(identity).filter(
    ([name, value]) => name !== 'checksum' && value !== undefined,
  );
  const sorted = fields.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return crc32c(encodeUtf8(JSON.stringify(sorted)));
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
