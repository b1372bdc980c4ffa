/**
 * How far the log was durable, kept apart from the log (`slot-file.ts`): the sequence of a record
 * that had been synced when this was written. It is what tells a rotten or missing tail from a torn
 * one when no later record can (`DESIGN.md`, crash points).
 *
 * Slots alternate, so a torn write leaves the mark before. Opening writes the newest slot again, the
 * same bytes, before the other one may be touched: it may have been in the page cache only. The
 * mark may lag behind the log; it is never ahead of it.
 */
import { ByteReader, ByteWriter, DecodeError } from '@kvstore/std';
import type { Disk } from '@kvstore/std';
import { LogError } from '@kvstore/sequencer';
import { createSlotFile, joinPath, SlotFile } from './slot-file.ts';
import type { Slot, SlotIdentity } from './slot-file.ts';

export const DURABLE_MARK_FILE = 'durable-mark';

export class DurableMark {
  readonly #slots: SlotFile;
  #next: 0 | 1;
  #generation: number;
  #sequence: number;

  constructor(slots: SlotFile, next: 0 | 1, generation: number, sequence: number) {
    this.#slots = slots;
    this.#next = next;
    this.#generation = generation;
    this.#sequence = sequence;
  }

  /** Every record up to this one was durable. */
  get sequence(): number {
    return this.#sequence;
  }

  /** One call at a time. */
  async save(sequence: number): Promise<void> {
    await this.#slots.write(this.#next, this.#generation + 1, encodeSequence(sequence));
    this.#next = this.#next === 0 ? 1 : 0;
    this.#generation += 1;
    this.#sequence = sequence;
  }

  /** The log was cut off below what was durable: both copies say so. */
  async reset(sequence: number): Promise<void> {
    await this.save(sequence);
    await this.save(sequence);
  }

  close(): Promise<void> {
    return this.#slots.close();
  }
}

export async function createDurableMark(
  disk: Disk,
  directory: string,
  label: string,
): Promise<DurableMark> {
  const slots = await createSlotFile(
    disk,
    directory,
    DURABLE_MARK_FILE,
    identityOf(label),
    encodeSequence(0),
  );
  return new DurableMark(slots, 0, 1, 0);
}

/** Rejects with LOG_CORRUPT when neither copy can be read. */
export async function openDurableMark(
  disk: Disk,
  directory: string,
  label: string,
): Promise<DurableMark> {
  const path = joinPath(directory, DURABLE_MARK_FILE);
  const slots = new SlotFile(await disk.open(path), identityOf(label));
  try {
    return await readNewest(slots, path, label);
  } catch (error) {
    await slots.close();
    throw error;
  }
}

async function readNewest(slots: SlotFile, path: string, label: string): Promise<DurableMark> {
  const [first, second] = await slots.read();
  if (first.kind === 'foreign' || second.kind === 'foreign') {
    throw new LogError('LOG_FOREIGN', `${path} belongs to another cluster or group, not ${label}`);
  }
  const a = decodeMark(first);
  const b = decodeMark(second);
  const newest = b === undefined || (a !== undefined && a.generation > b.generation) ? a : b;
  if (newest === undefined) {
    throw new LogError(
      'LOG_CORRUPT',
      `both copies in ${path} are damaged: how far the log was durable is not known`,
    );
  }
  const { generation, sequence } = newest;
  await slots.write(newest === a ? 0 : 1, generation, encodeSequence(sequence));
  return new DurableMark(slots, newest === a ? 1 : 0, generation, sequence);
}

function identityOf(label: string): SlotIdentity {
  return { magic: 'KVLOGMRK', label };
}

export function encodeSequence(sequence: number): Uint8Array {
  return new ByteWriter(8).u64(sequence).finish();
}

function decodeMark(
  slot: Slot,
): { readonly generation: number; readonly sequence: number } | undefined {
  if (slot.kind !== 'valid') return undefined;
  const sequence = decodeSequence(slot.payload);
  return sequence === undefined ? undefined : { generation: slot.generation, sequence };
}

/** Undefined: it makes no sense. */
export function decodeSequence(payload: Uint8Array): number | undefined {
  try {
    const reader = new ByteReader(payload);
    const sequence = reader.u64();
    reader.end();
    return sequence;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
