/**
 * What stands before the first entry of a log, and with which record its first segment begins: two
 * checksummed copies in one file (`slot-file.ts`), made with the log, so that cutting it needs no
 * space.
 *
 * Invariants
 *   1. A save writes slot 0, syncs it, writes slot 1, syncs it, and only then resolves, before
 *      anything below the new base is deleted: one damaged copy never leads back to a base whose
 *      entries are gone.
 *   2. Opening writes what it found into both slots before it resolves, first into the one it was
 *      read from: it may have been in the page cache only.
 *
 * Payload: u64 first sequence · the base (`encodeLogBase`); empty for a log that was never cut.
 */
import { assert, ByteReader, ByteWriter, LOG_START } from '@kvstore/std';
import type { Disk, LogPosition } from '@kvstore/std';
import type { LogBase } from '@kvstore/raft';
import { decodeLogBase, encodeLogBase, LogError } from '@kvstore/sequencer';
import { createSlotFile, joinPath, openSlotFile } from './slot-file.ts';
import type { SlotFile, SlotIdentity } from './slot-file.ts';

export const LOG_BASE_FILE = 'base';
/** Holds the largest configuration that there can be. */
const BASE_SLOT_BYTES = 32 << 10;

export interface StoredBase {
  /** Undefined: the log begins at LOG_START. */
  readonly base: LogBase | undefined;
  /** Of the first record that belongs to the log; segments before it are what a crash left. */
  readonly firstSequence: number;
}

const NEVER_CUT: StoredBase = { base: undefined, firstSequence: 1 };

export function basePosition({ base }: StoredBase): LogPosition {
  return base?.position ?? LOG_START;
}

export class LogBaseFile {
  readonly #slots: SlotFile;
  #generation: number;
  #stored: StoredBase;

  constructor(slots: SlotFile, generation: number, stored: StoredBase) {
    this.#slots = slots;
    this.#generation = generation;
    this.#stored = stored;
  }

  get stored(): StoredBase {
    return this.#stored;
  }

  get bytes(): number {
    return 2 * BASE_SLOT_BYTES;
  }

  /** One call at a time. Durable in both copies when it resolves. */
  async save(stored: StoredBase): Promise<void> {
    assert(basePosition(stored).index > basePosition(this.#stored).index, 'the base goes back');
    assert(stored.firstSequence >= this.#stored.firstSequence, 'the first segment goes back');
    this.#generation += 1;
    await this.#slots.writeBoth(this.#generation, encodeStored(stored));
    this.#stored = stored;
  }

  close(): Promise<void> {
    return this.#slots.close();
  }
}

export async function createLogBase(
  disk: Disk,
  directory: string,
  label: string,
): Promise<LogBaseFile> {
  const payload = encodeStored(NEVER_CUT);
  const slots = await createSlotFile(disk, directory, LOG_BASE_FILE, identityOf(label), payload);
  return new LogBaseFile(slots, 1, NEVER_CUT);
}

/** Rejects with LOG_CORRUPT when neither copy can be read. */
export async function openLogBase(
  disk: Disk,
  directory: string,
  label: string,
): Promise<LogBaseFile> {
  const path = joinPath(directory, LOG_BASE_FILE);
  return openSlotFile(disk, path, identityOf(label), decodeStored, async (slots, newest) => {
    if (newest === undefined) {
      throw new LogError(
        'LOG_CORRUPT',
        `both copies in ${path} are damaged: where the log begins is not known`,
      );
    }
    const { generation, slot, value } = newest;
    await slots.writeBoth(generation, encodeStored(value), slot);
    return new LogBaseFile(slots, generation, value);
  });
}

function identityOf(label: string): SlotIdentity {
  return { magic: 'KVLOGBAS', label, slotBytes: BASE_SLOT_BYTES };
}

export function encodeStored({ base, firstSequence }: StoredBase): Uint8Array {
  if (base === undefined) return new Uint8Array(0);
  return encodeLogBase(new ByteWriter().u64(firstSequence), base).finish();
}

/** Throws `DecodeError`. */
export function decodeStored(payload: Uint8Array): StoredBase {
  if (payload.length === 0) return NEVER_CUT;
  const reader = new ByteReader(payload);
  const firstSequence = reader.u64();
  const base = decodeLogBase(reader);
  reader.end();
  return { base, firstSequence };
}
