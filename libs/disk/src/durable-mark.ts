/**
 * How far the log was durable, kept apart from the log (`slot-file.ts`): the sequence of a record
 * that had been synced when this was written. It is what tells a rotten or missing tail from a torn
 * one when no later record can (`DESIGN.md`, crash points).
 *
 * Slots alternate, so a torn write leaves the mark before. Opening writes the newest slot again, the
 * same bytes, before the other one may be touched: it may have been in the page cache only. The
 * mark may lag behind the log; it is never ahead of it.
 */
import { ByteReader, ByteWriter } from '@kvstore/std';
import type { Disk } from '@kvstore/std';
import { LogError } from '@kvstore/sequencer';
import { createSlotFile, joinPath, openSlotFile } from './slot-file.ts';
import type { SlotFile, SlotIdentity } from './slot-file.ts';

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
  return openSlotFile(disk, path, identityOf(label), decodeSequence, async (slots, newest) => {
    if (newest === undefined) {
      throw new LogError(
        'LOG_CORRUPT',
        `both copies in ${path} are damaged: how far the log was durable is not known`,
      );
    }
    const { generation, slot, value } = newest;
    await slots.write(slot, generation, encodeSequence(value));
    return new DurableMark(slots, slot === 0 ? 1 : 0, generation, value);
  });
}

function identityOf(label: string): SlotIdentity {
  return { magic: 'KVLOGMRK', label };
}

export function encodeSequence(sequence: number): Uint8Array {
  return new ByteWriter(8).u64(sequence).finish();
}

/** Throws `DecodeError`. */
export function decodeSequence(payload: Uint8Array): number {
  const reader = new ByteReader(payload);
  const sequence = reader.u64();
  reader.end();
  return sequence;
}
