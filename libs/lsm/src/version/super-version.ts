/**
 * Everything a read looks at, as one immutable value (RocksDB's term): the active memtable, the
 * sealed ones and the live segments, each newest first. A reader holds one, and what seals or goes
 * live meanwhile makes another.
 *
 * Invariant: for every key, an earlier layer in this order holds the later write.
 */
import { assert } from '@kvstore/std';
import type { Cursor } from '../cursor.ts';
import { prefixEnd, sharesPrefix } from '../key-prefix.ts';
import type { Memtable } from '../memtable/memtable.ts';
import { MergeCursor } from '../merge-cursor.ts';
import { hashPrefix, type PrefixHash } from '../segment/bloom-filter.ts';
import type { SegmentReader } from '../segment/segment-reader.ts';
import type { FilterPrefixLength, Stored } from '../stored.ts';

export interface CursorBounds {
  /** Inclusive. */
  readonly from: Uint8Array;
  /** Exclusive; undefined: to the end. */
  readonly to: Uint8Array | undefined;
  readonly reverse: boolean;
  /** When every key in the bounds has the same filter prefix: its hash. */
  readonly prefix: PrefixHash | undefined;
}

export class SuperVersion {
  readonly active: Memtable;
  readonly sealed: readonly Memtable[];
  readonly segments: readonly SegmentReader[];

  constructor(active: Memtable, sealed: readonly Memtable[], segments: readonly SegmentReader[]) {
    this.active = active;
    this.sealed = sealed;
    this.segments = segments;
  }

  /** The active memtable becomes the newest sealed one. */
  seal(fresh: Memtable): SuperVersion {
    return new SuperVersion(fresh, [this.active, ...this.sealed], this.segments);
  }

  /** The oldest sealed memtable is replaced by its segment; by nothing when it was empty. */
  goLive(memtable: Memtable, segment: SegmentReader | undefined): SuperVersion {
    assert(this.sealed.at(-1) === memtable, 'memtables go live in the order they were sealed');
    const segments = segment === undefined ? this.segments : [segment, ...this.segments];
    return new SuperVersion(this.active, this.sealed.slice(0, -1), segments);
  }

  find(key: Uint8Array, filterPrefixLength: FilterPrefixLength): Stored | undefined {
    const newest = this.active.find(key);
    if (newest !== undefined) return newest;
    for (const memtable of this.sealed) {
      const stored = memtable.find(key);
      if (stored !== undefined) return stored;
    }
    return this.segments.length === 0 ? undefined : this.#findInSegments(key, filterPrefixLength);
  }

  #findInSegments(key: Uint8Array, filterPrefixLength: FilterPrefixLength): Stored | undefined {
    const prefixLength = filterPrefixLength(key);
    const prefix = prefixLength === 0 ? undefined : hashPrefix(key, prefixLength);
    for (const segment of this.segments) {
      if (!segment.covers(key)) continue;
      if (prefix !== undefined && !segment.mayContain(prefix)) continue;
      const stored = segment.find(key);
      if (stored !== undefined) return stored;
    }
    return undefined;
  }

  /**
   * The first entry at or after `from` with its first `prefixLength` bytes, out of the newest layer
   * that has one. Only for keys whose later writes sort first: then no older layer has an earlier one.
   * `filterPrefix`: of `from`, 0 without one.
   */
  newest(from: Uint8Array, prefixLength: number, filterPrefix: number): Stored | undefined {
    const within = filterPrefix <= prefixLength ? filterPrefix : 0;
    const active = this.active.first(from, prefixLength, within);
    if (active !== undefined) return active;
    for (const memtable of this.sealed) {
      const stored = memtable.first(from, prefixLength, within);
      if (stored !== undefined) return stored;
    }
    if (this.segments.length === 0) return undefined;
    const prefix = within > 0 ? hashPrefix(from, within) : undefined;
    const to = prefixEnd(from, prefixLength);
    for (const segment of this.segments) {
      if (!segment.overlaps(from, to)) continue;
      if (prefix !== undefined && !segment.mayContain(prefix)) continue;
      const stored = firstIn(segment, from, prefixLength);
      if (stored !== undefined) return stored;
    }
    return undefined;
  }

  /** The newest entry of every key within the bounds; tombstones are given too. */
  cursor(bounds: CursorBounds): Cursor {
    const { from, to, reverse, prefix } = bounds;
    const cursors: Cursor[] = [];
    for (const memtable of [this.active, ...this.sealed]) {
      cursors.push(reverse ? memtable.descend(to) : memtable.ascend(from));
    }
    for (const segment of this.segments) {
      if (!segment.overlaps(from, to)) continue;
      if (prefix !== undefined && !segment.mayContain(prefix)) continue;
      cursors.push(reverse ? segment.descend(to) : segment.ascend(from));
    }
    return new MergeCursor(cursors, reverse);
  }
}

function firstIn(layer: SegmentReader, from: Uint8Array, prefixLength: number): Stored | undefined {
  const cursor = layer.ascend(from);
  return !cursor.done && sharesPrefix(cursor.key, from, prefixLength) ? cursor.value : undefined;
}
