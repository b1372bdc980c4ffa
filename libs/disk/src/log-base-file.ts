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
import { assert, ByteReader, ByteWriter, DecodeError, LOG_START } from '@kvstore/std';
import type { Disk, LogPosition } from '@kvstore/std';
import type { LogBase } from '@kvstore/raft';
import { decodeLogBase, encodeLogBase, LogError } from '@kvstore/sequencer';
import { createSlotFile, joinPath, SlotFile } from './slot-file.ts';
import type { Slot, SlotIdentity } from './slot-file.ts';

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
    await this.write(stored, [0, 1]);
    this.#stored = stored;
  }

  async write(stored: StoredBase, order: readonly (0 | 1)[]): Promise<void> {
    this.#generation += 1;
    const payload = encodeStored(stored);
    for (const slot of order) await this.#slots.write(slot, this.#generation, payload);
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
  const slots = new SlotFile(await disk.open(path), identityOf(label));
  try {
    const [first, second] = await slots.read();
    if (first.kind === 'foreign' || second.kind === 'foreign') {
      throw new LogError(
        'LOG_FOREIGN',
        `${path} belongs to another cluster or group, not ${label}`,
      );
    }
    const a = decodeSlot(first);
    const b = decodeSlot(second);
    const newest = b !== undefined && (a === undefined || b.generation > a.generation) ? b : a;
    if (newest === undefined) {
      throw new LogError(
        'LOG_CORRUPT',
        `both copies in ${path} are damaged: where the log begins is not known`,
      );
    }
    const { stored, generation } = newest;
    // Why not one more: the copy it was read from is written again with the same bytes.
    const file = new LogBaseFile(slots, generation - 1, stored);
    await file.write(stored, newest === a ? [0, 1] : [1, 0]);
    return file;
  } catch (error) {
    await slots.close();
    throw error;
  }
}

function identityOf(label: string): SlotIdentity {
  return { magic: 'KVLOGBAS', label, slotBytes: BASE_SLOT_BYTES };
}

export function encodeStored({ base, firstSequence }: StoredBase): Uint8Array {
  if (base === undefined) return new Uint8Array(0);
  return encodeLogBase(new ByteWriter().u64(firstSequence), base).finish();
}

interface DecodedSlot {
  readonly stored: StoredBase;
  readonly generation: number;
}

function decodeSlot(slot: Slot): DecodedSlot | undefined {
  if (slot.kind !== 'valid') return undefined;
  const { generation, payload } = slot;
  const stored = decodeStored(payload);
  return stored === undefined ? undefined : { stored, generation };
}

/** Undefined: it makes no sense. */
export function decodeStored(payload: Uint8Array): StoredBase | undefined {
  if (payload.length === 0) return NEVER_CUT;
  try {
    const reader = new ByteReader(payload);
    const firstSequence = reader.u64();
    const base = decodeLogBase(reader);
    reader.end();
    return { base, firstSequence };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
