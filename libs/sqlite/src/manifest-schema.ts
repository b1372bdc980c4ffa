/**
 * The tables of the manifest as TypeORM sees them: one row per live segment, one row of state. The
 * schema is made by migrations only; `user_version` tells a release whether it may read it at all.
 */
import { EntitySchema, type MigrationInterface, type QueryRunner } from 'typeorm';

export const MANIFEST_FORMAT_VERSION = 2;
/** Version 1 had no labels of single segments: the migration adds them. */
export const MANIFEST_FORMAT_VERSION_MIN = 1;

export interface SegmentRow {
  readonly id: number;
  readonly file: string;
  readonly level: number;
  readonly formatVersion: number;
  readonly compression: number;
  readonly positionIndex: number;
  readonly positionTerm: number;
  readonly positionChain: number;
  readonly entries: number;
  readonly tombstones: number;
  readonly blocks: number;
  readonly firstKey: Buffer;
  readonly lastKey: Buffer;
  readonly bytes: number;
  readonly sha256: string;
  /** Of the storage that wrote the segment; empty: of the directory itself. */
  readonly label: string;
}

export interface StateRow {
  /** Always 1. */
  readonly id: number;
  readonly formatVersion: number;
  readonly label: string;
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  readonly appliedChain: number;
  /** SHA-256 over this row and all segment rows: SQLite has no checksums of its own. */
  readonly checksum: string;
}

const integer = (name: string) => ({ type: 'integer', name }) as const;
const text = (name: string) => ({ type: 'text', name }) as const;
const blob = (name: string) => ({ type: 'blob', name }) as const;

export const SegmentEntity = new EntitySchema<SegmentRow>({
  name: 'segment',
  columns: {
    id: { type: 'integer', primary: true },
    file: { ...text('file'), unique: true },
    level: integer('level'),
    formatVersion: integer('format_version'),
    compression: integer('compression'),
    positionIndex: integer('position_index'),
    positionTerm: integer('position_term'),
    positionChain: integer('position_chain'),
    entries: integer('entries'),
    tombstones: integer('tombstones'),
    blocks: integer('blocks'),
    firstKey: blob('first_key'),
    lastKey: blob('last_key'),
    bytes: integer('bytes'),
    sha256: text('sha256'),
    label: text('label'),
  },
});

export const StateEntity = new EntitySchema<StateRow>({
  name: 'state',
  columns: {
    id: { type: 'integer', primary: true },
    formatVersion: integer('format_version'),
    label: text('label'),
    appliedIndex: integer('applied_index'),
    appliedTerm: integer('applied_term'),
    appliedChain: integer('applied_chain'),
    checksum: text('checksum'),
  },
});

export class CreateManifest1764000000000 implements MigrationInterface {
  readonly name = 'CreateManifest1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE segment (
        id INTEGER PRIMARY KEY CHECK (id > 0), file TEXT NOT NULL UNIQUE, level INTEGER NOT NULL,
        format_version INTEGER NOT NULL, compression INTEGER NOT NULL,
        position_index INTEGER NOT NULL, position_term INTEGER NOT NULL,
        position_chain INTEGER NOT NULL, entries INTEGER NOT NULL, tombstones INTEGER NOT NULL,
        blocks INTEGER NOT NULL, first_key BLOB NOT NULL, last_key BLOB NOT NULL,
        bytes INTEGER NOT NULL, sha256 TEXT NOT NULL
      ) STRICT`);
    await runner.query(`
      CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1), format_version INTEGER NOT NULL,
        label TEXT NOT NULL, applied_index INTEGER NOT NULL, applied_term INTEGER NOT NULL,
        applied_chain INTEGER NOT NULL, checksum TEXT NOT NULL
      ) STRICT`);
    await runner.query('PRAGMA user_version = 1');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE segment');
    await runner.query('DROP TABLE state');
  }
}

export class AddSegmentLabels1764100000000 implements MigrationInterface {
  readonly name = 'AddSegmentLabels1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query("ALTER TABLE segment ADD COLUMN label TEXT NOT NULL DEFAULT ''");
    await runner.query(`PRAGMA user_version = ${MANIFEST_FORMAT_VERSION}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE segment DROP COLUMN label');
  }
}
