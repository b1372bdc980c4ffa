/** What an operator may tune, with the name it has in the configuration file. */
import { assert } from '@kvstore/std';

export interface LsmConfig {
  /** `memtable_size`: a memtable is sealed after the entry that fills it to this many bytes. */
  readonly memtableBytes: number;
  /** A memtable is sealed, too, once it stands for this many bytes of log: it bounds replay. */
  readonly memtableLogBytes: number;
  /** …and once its first entry is this old. */
  readonly memtableAgeMs: number;
  /** `num_memtables`: sealed memtables that may wait to be flushed, 1 or more. */
  readonly numMemtables: number;
  /** `block_size`: bytes after which a block of a segment is closed. */
  readonly blockBytes: number;
  /** `block_cache_size`; 0: none. */
  readonly blockCacheBytes: number;
  /** `index_cache_size`: for block indexes and filters. */
  readonly indexCacheBytes: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LSM_CONFIG: LsmConfig = {
  memtableBytes: 64 * MIB,
  memtableLogBytes: 32 * MIB,
  memtableAgeMs: 5 * 60_000,
  numMemtables: 5,
  blockBytes: 16 * KIB,
  blockCacheBytes: 64 * MIB,
  indexCacheBytes: 128 * MIB,
};

/** The defaults, with `overrides` in their place; throws `InvariantError` on one out of range. */
export function lsmConfig(overrides: Partial<LsmConfig> = {}): LsmConfig {
  const config = { ...DEFAULT_LSM_CONFIG, ...overrides };
  const integer = (value: number, min: number, max: number): boolean =>
    Number.isSafeInteger(value) && value >= min && value <= max;
  assert(integer(config.memtableBytes, 1, 1024 * MIB), 'memtable_size out of range');
  assert(integer(config.memtableLogBytes, 1, 1024 * MIB), 'memtable log bytes out of range');
  assert(integer(config.memtableAgeMs, 1, 24 * 3_600_000), 'memtable age out of range');
  assert(integer(config.numMemtables, 1, 64), 'num_memtables out of range');
  assert(integer(config.blockBytes, 1, 16 * MIB), 'block_size out of range');
  assert(integer(config.blockCacheBytes, 0, Number.MAX_SAFE_INTEGER), 'block_cache_size');
  assert(integer(config.indexCacheBytes, 0, Number.MAX_SAFE_INTEGER), 'index_cache_size');
  return config;
}
