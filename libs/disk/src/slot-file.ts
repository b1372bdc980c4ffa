/**
 * A small durable value: two checksummed copies in two 4 KiB slots of one file, written in place,
 * so that writing needs no space and changes no metadata.
 *
 * Slot: magic (8) · label (1 + n) · generation (8) · payload (2 + n) · zeros · CRC-32C (4) over
 * all before it.
 *
 * The file is built under another name and renamed when complete: a file of this name always had
 * two whole slots. Which slots are written when, and what a bad one means, is the caller's.
 */
import { ByteReader, ByteWriter, crc32c, DecodeError, encodeUtf8, equalBytes } from '@kvstore/std';
import type { Disk, DiskFile } from '@kvstore/std';

export const SLOT_BYTES = 4096;

export type Slot =
  | { readonly kind: 'valid'; readonly generation: number; readonly payload: Uint8Array }
  /** Whole, but of another cluster, group or node. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'bad' };

export interface SlotIdentity {
  /** Eight ASCII characters: what is stored here. */
  readonly magic: string;
  /** Whose it is; at most 255 bytes of UTF-8. */
  readonly label: string;
}

export class SlotFile {
  readonly #file: DiskFile;
  readonly #identity: SlotIdentity;

  constructor(file: DiskFile, identity: SlotIdentity) {
    this.#file = file;
    this.#identity = identity;
  }

  async read(): Promise<readonly [Slot, Slot]> {
    const bytes = await this.#file.read(0, 2 * SLOT_BYTES);
    return [
      decodeSlot(bytes.subarray(0, SLOT_BYTES), this.#identity),
      decodeSlot(bytes.subarray(SLOT_BYTES), this.#identity),
    ];
  }

  /** Durable when it resolves. */
  async write(slot: 0 | 1, generation: number, payload: Uint8Array): Promise<void> {
    await this.#file.write(slot * SLOT_BYTES, encodeSlot(this.#identity, generation, payload));
    await this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Creates the file durably, with `payload` in both slots. `directory` holds it. */
export async function createSlotFile(
  disk: Disk,
  directory: string,
  name: string,
  identity: SlotIdentity,
  payload: Uint8Array,
): Promise<SlotFile> {
  const path = joinPath(directory, name);
  const unfinished = `${path}.tmp`;
  const names = await disk.list(directory);
  if (names.includes(`${name}.tmp`)) await disk.unlink(unfinished);
  const slot = encodeSlot(identity, 1, payload);
  const both = new Uint8Array(2 * SLOT_BYTES);
  both.set(slot);
  both.set(slot, SLOT_BYTES);
  const file = await disk.create(unfinished);
  try {
    await file.write(0, both);
    await file.sync();
    await disk.rename(unfinished, path);
    await disk.syncDirectory(directory);
  } catch (error) {
    await file.close();
    throw error;
  }
  return new SlotFile(file, identity);
}

export function joinPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

function encodeSlot(identity: SlotIdentity, generation: number, payload: Uint8Array): Uint8Array {
  const writer = new ByteWriter(SLOT_BYTES);
  writer.raw(encodeUtf8(identity.magic)).bytes8(encodeUtf8(identity.label));
  writer.u64(generation).bytes16(payload);
  writer.raw(new Uint8Array(SLOT_BYTES - 4 - writer.length));
  return writer.u32(crc32c(writer.view())).finish();
}

function decodeSlot(bytes: Uint8Array, identity: SlotIdentity): Slot {
  if (bytes.length !== SLOT_BYTES) return { kind: 'bad' };
  const body = bytes.subarray(0, SLOT_BYTES - 4);
  if (new ByteReader(bytes.subarray(SLOT_BYTES - 4)).u32() !== crc32c(body)) return { kind: 'bad' };
  try {
    const reader = new ByteReader(body);
    const magic = reader.raw(8);
    const label = reader.bytes8();
    const generation = reader.u64();
    const payload = reader.bytes16();
    const ours =
      equalBytes(magic, encodeUtf8(identity.magic)) &&
      equalBytes(label, encodeUtf8(identity.label));
    return ours ? { kind: 'valid', generation, payload } : { kind: 'foreign' };
  } catch (error) {
    if (error instanceof DecodeError) return { kind: 'bad' };
    throw error;
  }
}
