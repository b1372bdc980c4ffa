/**
 * The manifest: TypeORM over one SQLite database, `manifest.db`.
 *
 * Invariants
 *   1. all access goes through one queue: a TypeORM data source on this driver has one connection,
 *      and two overlapping transactions on it would corrupt each other
 *   2. when `commit` resolves, the segment and the position are durable, together
 *   3. the state row's checksum covers every row, so that a damaged one is noticed at open
 * After a failed commit the connection is thrown away: the next one reads what is true.
 */
import {
  ManifestError,
  type Manifest,
  type ManifestState,
  type SegmentMetadata,
} from '@kvstore/lsm';
import { LOG_START, type LogPosition } from '@kvstore/std';
import type { DataSource } from 'typeorm';
import {
  isKnownFormat,
  isRetryableCommit,
  MANIFEST_FILE,
  manifestFailure,
  openManifestSource,
} from './manifest-connection.ts';
import { checksum, segmentRow, stateOf, stateRow } from './manifest-rows.ts';
import { MANIFEST_FORMAT_VERSION, SegmentEntity, StateEntity } from './manifest-schema.ts';

export interface ManifestOptions {
  /** Absolute. */
  readonly path: string;
  /** Names the cluster, group and node; a manifest with another one is refused. */
  readonly label: string;
  /** Whether the directory has segment files: a manifest that is new beside them is a lost one. */
  readonly hasSegments: boolean;
}

export class SqliteManifest implements Manifest {
  readonly #options: ManifestOptions;
  #source: DataSource | undefined;
  #state: ManifestState;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: ManifestOptions, source: DataSource, state: ManifestState) {
    this.#options = options;
    this.#source = source;
    this.#state = state;
  }

  /** Opens or creates; rejects with `ManifestError`, or `DiskError` when it cannot be reached. */
  static async open(options: ManifestOptions): Promise<SqliteManifest> {
    const { source, state } = await openChecked(options);
    return new SqliteManifest(options, source, state);
  }

  /** As of the last commit. */
  get state(): ManifestState {
    return this.#state;
  }

  commit(position: LogPosition, segment: SegmentMetadata | undefined): Promise<void> {
    return this.#inTurn(async () => {
      const source = await this.#connected();
      if (this.#state.position.index === position.index) return;
      const added = segment === undefined ? [] : [segment];
      const next = { position, segments: [...this.#state.segments, ...added] };
      await this.#write(source, next, { added, all: false });
    });
  }

  replace(state: ManifestState): Promise<void> {
    return this.#inTurn(async () => {
      const source = await this.#connected();
      await this.#write(source, state, { added: state.segments, all: true });
    });
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#source?.destroy();
      this.#source = undefined;
    });
  }

  async #write(source: DataSource, next: ManifestState, change: SegmentChange): Promise<void> {
    try {
      await writeState(source, this.#options.label, next, change);
    } catch (error) {
      this.#source = undefined;
      await source.destroy().catch(() => undefined);
      if (isRetryableCommit(error)) throw manifestFailure(error);
      throw new ManifestError('COMMIT_FAILED', MANIFEST_FILE, 'a commit failed', error);
    }
    this.#state = next;
  }

  async #connected(): Promise<DataSource> {
    if (this.#source === undefined) {
      const { source, state } = await openChecked(this.#options);
      this.#source = source;
      this.#state = state;
    }
    return this.#source;
  }

  #inTurn<Result>(step: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(step);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

interface SegmentChange {
  readonly added: readonly SegmentMetadata[];
  /** They are all there is: what was listed before goes. */
  readonly all: boolean;
}

async function openChecked(
  options: ManifestOptions,
): Promise<{ readonly source: DataSource; readonly state: ManifestState }> {
  const source = await openManifestSource(options.path);
  try {
    return { source, state: await readState(source, options) };
  } catch (error) {
    await source.destroy().catch(() => undefined);
    throw manifestFailure(error);
  }
}

async function readState(
  source: DataSource,
  { label, hasSegments }: ManifestOptions,
): Promise<ManifestState> {
  const row = await source.getRepository(StateEntity).findOneBy({ id: 1 });
  const segments = await source.getRepository(SegmentEntity).find({ order: { id: 'ASC' } });
  if (row === null) {
    if (hasSegments || segments.length > 0) {
      const detail = 'there are segment files, but the manifest that listed them is gone';
      throw new ManifestError('MANIFEST_MISSING', MANIFEST_FILE, detail);
    }
    const fresh = { position: LOG_START, segments: [] };
    await writeState(source, label, fresh, { added: [], all: false });
    return fresh;
  }
  if (row.checksum !== checksum(row, segments)) {
    throw new ManifestError('MANIFEST_CORRUPT', MANIFEST_FILE, 'its rows fail their checksum');
  }
  if (!isKnownFormat(row.formatVersion)) {
    const detail = `format version ${row.formatVersion} is not ${MANIFEST_FORMAT_VERSION}`;
    throw new ManifestError('UNKNOWN_FORMAT', MANIFEST_FILE, detail);
  }
  if (row.label !== label) {
    const detail = `belongs to "${row.label}", not to "${label}"`;
    throw new ManifestError('WRONG_LABEL', MANIFEST_FILE, detail);
  }
  return stateOf(row, segments);
}

async function writeState(
  source: DataSource,
  label: string,
  state: ManifestState,
  { added, all }: SegmentChange,
): Promise<void> {
  await source.transaction(async (manager) => {
    if (all) await manager.createQueryBuilder().delete().from(SegmentEntity).execute();
    for (const segment of added) await manager.insert(SegmentEntity, segmentRow(segment, label));
    await manager.upsert(StateEntity, stateRow(label, state), ['id']);
  });
}
