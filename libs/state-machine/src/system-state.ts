/**
 * The positions and counters of the state, in one system record: read when the machine is made,
 * written once at the end of every entry, together with everything else that the entry wrote.
 *
 * Invariants
 *   1. every field only grows, except `keys` and `bytes`
 *   2. watermark <= revision; openedAt <= logTime
 */
import {
  ByteReader,
  ByteWriter,
  DecodeError,
  logIndex,
  type LogIndex,
  logTimeMs,
  type LogTimeMs,
  revision,
  type Revision,
  term,
  type Term,
} from '@kvstore/std';
import { META_KEY } from './ordered-keys.ts';
import type { OrderedStore } from './ordered-store.ts';

/** Raised through the log once every member supports more. */
const FEATURE_LEVEL = 1;
const META_BYTES = 66;

export class SystemState {
  /** The last entry applied. Equal to what the store says of itself, or the store is torn. */
  appliedIndex: LogIndex = logIndex(0);
  appliedTerm: Term = term(0);
  revision: Revision = revision(0);
  logTime: LogTimeMs = logTimeMs(0);
  /** Log time of the last opening of a term: sessions live at least min(ttl, 5 s) beyond it. */
  openedAt: LogTimeMs = logTimeMs(0);
  /** History below this revision is gone. Nothing moves it yet. */
  watermark: Revision = revision(0);
  /** Live keys: those whose newest version is a value. */
  keys = 0;
  /** Bytes of live keys and their values. */
  bytes = 0;

  /** Throws `DecodeError`, also for the state of a build of another feature level. */
  static load(store: OrderedStore): SystemState {
    const state = new SystemState();
    const stored = store.get(META_KEY);
    if (stored === undefined) return state;
    const reader = new ByteReader(stored);
    const level = reader.u16();
    if (level !== FEATURE_LEVEL) {
      throw new DecodeError(
        `the state has feature level ${level}, this build has ${FEATURE_LEVEL}`,
      );
    }
    state.appliedIndex = logIndex(reader.u64());
    state.appliedTerm = term(reader.u64());
    state.revision = revision(reader.u64());
    state.logTime = logTimeMs(reader.u64());
    state.openedAt = logTimeMs(reader.u64());
    state.watermark = revision(reader.u64());
    state.keys = reader.u64();
    state.bytes = reader.u64();
    reader.end();
    return state;
  }

  save(store: OrderedStore): void {
    const writer = new ByteWriter(META_BYTES).u16(FEATURE_LEVEL);
    writer
      .u64(this.appliedIndex)
      .u64(this.appliedTerm)
      .u64(this.revision)
      .u64(this.logTime)
      .u64(this.openedAt);
    writer.u64(this.watermark).u64(this.keys).u64(this.bytes);
    store.put(META_KEY, writer.finish());
  }

  advanceRevision(): Revision {
    this.revision = revision(this.revision + 1);
    return this.revision;
  }
}
