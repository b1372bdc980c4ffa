/**
 * Term and vote of one replica on disk: two checksummed copies in one file (`slot-file.ts`).
 *
 * A replica that forgets its vote can vote twice in a term, and one that forgets its term can
 * accept an old leader. So a damaged newest copy must never lead back to an older state that was
 * already acted upon. A checksum cannot tell a torn write from a copy that rotted later; the order
 * of the writes can.
 *
 * Invariants
 *   1. A save writes slot 0, syncs it, writes slot 1, syncs it, and only then resolves: every state
 *      that was acted upon is whole in BOTH slots.
 *   2. Therefore with one bad copy the other one is the newest released state, or a newer one:
 *      a bad slot 0 is a torn save that was never released (slot 1 is what was) or rot after a
 *      whole save (slot 1 is the same); a bad slot 1 leaves slot 0, which is never older.
 *   3. Opening writes what it found into both slots before it resolves, so that (1) holds again and
 *      what was read is on the disk, not only in the page cache of a killed process. First the slot
 *      it was read from, the same bytes: they are on the disk, and cannot be torn, or they are not,
 *      and then the other slot is whole and holds what was released.
 *   4. Terms do not go back, and a vote does not change within its term.
 */
import {
  assert,
  ByteReader,
  ByteWriter,
  DecodeError,
  DiskError,
  decodeUtf8,
  encodeUtf8,
  isNodeId,
  term,
} from '@kvstore/std';
import type { Disk, Term } from '@kvstore/std';
import type { HardState } from '@kvstore/raft';
import { LogError } from '@kvstore/sequencer';
import type { HardStateStore } from '@kvstore/sequencer';
import { createSlotFile, joinPath, openSlotFile } from './slot-file.ts';
import type { SlotFile, SlotIdentity } from './slot-file.ts';

export interface HardStateOptions {
  readonly disk: Disk;
  /** Made when it does not exist. */
  readonly directory: string;
  /** Cluster, group and node: a file of another one is refused. At most 255 bytes. */
  readonly label: string;
  /** True when this replica has run before: then a missing file is damage, not a first start. */
  readonly mustExist?: boolean;
}

export const HARD_STATE_FILE = 'hard-state';

/** Rejects with `LogError` HARD_STATE_CORRUPT or LOG_FOREIGN, or with `DiskError`. */
export async function openHardState(options: HardStateOptions): Promise<HardStateFile> {
  const { disk, directory } = options;
  const identity: SlotIdentity = { magic: 'KVHARDST', label: options.label };
  const path = joinPath(directory, HARD_STATE_FILE);
  await disk.makeDirectory(directory);
  const names = await disk.list(directory);
  if (!names.includes(HARD_STATE_FILE)) {
    if (options.mustExist === true) throw corrupt(path, 'the file is missing');
    const initial: Stored = { state: { term: term(0), vote: undefined }, repairTerm: term(0) };
    const created = await createSlotFile(
      disk,
      directory,
      HARD_STATE_FILE,
      identity,
      encodeStored(initial),
    );
    return new HardStateFile(created, path, initial, 1);
  }
  return openSlotFile(disk, path, identity, decodeStored, async (slots, newest) => {
    if (newest === undefined) throw corrupt(path, 'both copies are damaged');
    const { generation, slot, value } = newest;
    const file = new HardStateFile(slots, path, value, generation);
    await file.repair(slot);
    await disk.syncDirectory(directory);
    return file;
  });
}

export class HardStateFile implements HardStateStore {
  readonly #slots: SlotFile;
  readonly #path: string;
  #recovered: Stored;
  #state: HardState;
  #generation: number;
  #failure: LogError | undefined;
  #closed = false;
  #last: Promise<void> = Promise.resolve();

  constructor(slots: SlotFile, path: string, stored: Stored, generation: number) {
    this.#slots = slots;
    this.#path = path;
    this.#recovered = stored;
    this.#state = stored.state;
    this.#generation = generation;
  }

  get recovered(): HardState {
    return this.#recovered.state;
  }

  get repairTerm(): Term {
    return this.#recovered.repairTerm;
  }

  async beginRepair(): Promise<void> {
    assert(this.#state === this.#recovered.state, 'a repair begins before anything is saved');
    const repairTerm = term(this.#state.term + 1);
    this.#recovered = { state: { term: repairTerm, vote: undefined }, repairTerm };
    await this.save(this.#recovered.state);
  }

  save(state: HardState): Promise<void> {
    if (this.#closed) return Promise.reject(new LogError('LOG_CLOSED', `${this.#path} is closed`));
    assertFollows(this.#state, state);
    this.#state = state;
    this.#generation += 1;
    return this.#enqueue(state, this.#generation, 0);
  }

  /** Writes the recovered state into both slots, first into the one it was read from. */
  repair(source: 0 | 1): Promise<void> {
    return this.#enqueue(this.#state, this.#generation, source);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last.catch(() => undefined);
    await this.#slots.close();
  }

  #enqueue(state: HardState, generation: number, first: 0 | 1): Promise<void> {
    const payload = encodeStored({ state, repairTerm: this.repairTerm });
    const saved = this.#last.then(() => this.#write(payload, generation, first));
    this.#last = saved.catch(() => undefined);
    return saved;
  }

  async #write(payload: Uint8Array, generation: number, first: 0 | 1): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await this.#slots.writeBoth(generation, payload, first);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#failure = new LogError(
        'FSYNC_FAILED',
        `term and vote could not be made durable in ${this.#path}: ${error.message}`,
        error,
      );
      throw this.#failure;
    }
  }
}

function assertFollows(previous: HardState, next: HardState): void {
  assert(next.term >= previous.term, 'the term went back');
  const revoted =
    next.term === previous.term && previous.vote !== undefined && next.vote !== previous.vote;
  assert(!revoted, 'the vote changed within a term');
}

export interface Stored {
  readonly state: HardState;
  readonly repairTerm: Term;
}

/** u64 term · u8+vote (empty: none) · u64 repair term. */
export function encodeStored({ state, repairTerm }: Stored): Uint8Array {
  const vote = encodeUtf8(state.vote ?? '');
  return new ByteWriter(64).u64(state.term).bytes8(vote).u64(repairTerm).finish();
}

/** Throws `DecodeError`. */
export function decodeStored(payload: Uint8Array): Stored {
  const reader = new ByteReader(payload);
  const storedTerm = term(reader.u64());
  const vote = decodeUtf8(reader.bytes8());
  const repairTerm = term(reader.u64());
  reader.end();
  if (vote === '') return { state: { term: storedTerm, vote: undefined }, repairTerm };
  if (!isNodeId(vote)) throw new DecodeError('a vote for what is no node');
  return { state: { term: storedTerm, vote }, repairTerm };
}

function corrupt(path: string, what: string): LogError {
  return new LogError('HARD_STATE_CORRUPT', `term and vote in ${path}: ${what}`);
}
