/** Between the manifest's rows and the engine's values, and the checksum over all rows. */
import { createHash } from 'node:crypto';
import { Compression, type ManifestState, type SegmentMetadata } from '@kvstore/lsm';
import { assert, chain, logIndex, term, type LogPosition } from '@kvstore/std';
import { MANIFEST_FORMAT_VERSION, type SegmentRow, type StateRow } from './manifest-schema.ts';

/** `label`: of the directory; a segment of another storage keeps its own. */
export function segmentRow(segment: SegmentMetadata, label: string): SegmentRow {
  return {
    id: segment.id,
    file: segment.file,
    level: segment.level,
    formatVersion: segment.formatVersion,
    compression: segment.compression,
    positionIndex: segment.position.index,
    positionTerm: segment.position.term,
    positionChain: segment.position.chain,
    entries: segment.entries,
    tombstones: segment.tombstones,
    blocks: segment.blocks,
    firstKey: Buffer.from(segment.firstKey),
    lastKey: Buffer.from(segment.lastKey),
    bytes: segment.bytes,
    sha256: segment.sha256,
    label: segment.label === label ? '' : segment.label,
  };
}

export function segmentOf(row: SegmentRow, label: string): SegmentMetadata {
  assert(row.compression === Compression.none, 'unknown compression');
  return {
    id: row.id,
    file: row.file,
    level: row.level,
    formatVersion: row.formatVersion,
    compression: Compression.none,
    label: row.label === '' ? label : row.label,
    position: positionOf(row.positionIndex, row.positionTerm, row.positionChain),
    entries: row.entries,
    tombstones: row.tombstones,
    blocks: row.blocks,
    firstKey: new Uint8Array(row.firstKey),
    lastKey: new Uint8Array(row.lastKey),
    bytes: row.bytes,
    sha256: row.sha256,
  };
}

export function stateRow(label: string, state: ManifestState): StateRow {
  const row = {
    id: 1,
    formatVersion: MANIFEST_FORMAT_VERSION,
    label,
    appliedIndex: state.position.index,
    appliedTerm: state.position.term,
    appliedChain: state.position.chain,
  };
  return {
    ...row,
    checksum: checksum(
      row,
      state.segments.map((segment) => segmentRow(segment, label)),
    ),
  };
}

export function stateOf(row: StateRow, segments: readonly SegmentRow[]): ManifestState {
  return {
    position: positionOf(row.appliedIndex, row.appliedTerm, row.appliedChain),
    segments: segments.map((segment) => segmentOf(segment, row.label)),
  };
}

/** SHA-256 over every field of every row, in the order of the ids. */
export function checksum(
  state: Omit<StateRow, 'checksum'>,
  segments: readonly SegmentRow[],
): string {
  const hash = createHash('sha256');
  const { id, formatVersion, appliedIndex, appliedTerm, appliedChain } = state;
  const position = [appliedIndex, appliedTerm, appliedChain];
  hash.update(JSON.stringify([id, formatVersion, state.label, ...position]));
  for (const { firstKey, lastKey, label, ...rest } of segments) {
    // Why without an empty one: version 1 had none, and its checksums must still be right.
    const own = label === '' ? rest : { ...rest, label };
    const fields = Object.entries(own).sort(([a], [b]) => (a < b ? -1 : 1));
    hash.update(JSON.stringify([fields, firstKey.toString('hex'), lastKey.toString('hex')]));
  }
  return hash.digest('hex');
}

function positionOf(index: number, atTerm: number, atChain: number): LogPosition {
  return { index: logIndex(index), term: term(atTerm), chain: chain(atChain) };
}
