/**
 * A small durable value: two checksummed copies in two slots (4 KiB unless told otherwise) of one
 * file, written in place, so that writing needs no space and changes no metadata.
 *
 * Slot: magic (8) · label (1 + n) · generation (8) · payload (2 + n) · zeros · CRC-32C (4) over
 * all before it.
 *
 * The file is built under another name and renamed when complete: a file of this name always had
 * two whole slots. Which slots are written when, and what it means that none is whole, is the caller's.
 */
import {
  assert,
  ByteReader,
  ByteWriter,
  crc32c,
  DecodeError,
  encodeUtf8,
  equalBytes,
} from '@kvstore/std';
import type { Disk, DiskFile } from '@kvstore/std';
import { LogError } from '@kvstore/sequencer';

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
  /** Of one slot, a multiple of 4,096; default `SLOT_BYTES`. */
  readonly slotBytes?: number;
}

/** What a whole slot holds. */
export interface Copy<Value> {
  readonly value: Value;
  readonly generation: number;
  readonly slot: 0 | 1;
}

export class SlotFile {
  readonly #file: DiskFile;
  readonly #identity: SlotIdentity;

  constructor(file: DiskFile, identity: SlotIdentity) {
    this.#file = file;
    this.#identity = identity;
  }

  async read(): Promise<readonly [Slot, Slot]> {
    const slotBytes = slotBytesOf(this.#identity);
    const bytes = await this.#file.read(0, 2 * slotBytes);
    return [
      decodeSlot(bytes.subarray(0, slotBytes), this.#identity),
      decodeSlot(bytes.subarray(slotBytes), this.#identity),
    ];
  }

  /** Durable when it resolves. */
  async write(slot: 0 | 1, generation: number, payload: Uint8Array): Promise<void> {
    const bytes = encodeSlot(this.#identity, generation, payload);
    await this.#file.write(slot * bytes.length, bytes);
    await this.#file.sync();
  }

  /** Both, `first` first: whole in both when it resolves, and whole in one of them all the time. */
  async writeBoth(generation: number, payload: Uint8Array, first: 0 | 1 = 0): Promise<void> {
    await this.write(first, generation, payload);
    await this.write(first === 0 ? 1 : 0, generation, payload);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/**
 * Opens the file and has `use` make something of its newest whole copy; the file is closed when that fails.
 * `decode` throws `DecodeError` for what makes no sense, which is damage too. Rejects with LOG_FOREIGN.
 */
export async function openSlotFile<Value, Opened>(
  disk: Disk,
  path: string,
  identity: SlotIdentity,
  decode: (payload: Uint8Array) => Value,
  use: (slots: SlotFile, newest: Copy<Value> | undefined) => Promise<Opened>,
): Promise<Opened> {
  const slots = new SlotFile(await disk.open(path), identity);
  try {
    const both = await slots.read();
    if (both.some(({ kind }) => kind === 'foreign')) {
      const owner = `another cluster, group or node, not ${identity.label}`;
      throw new LogError('LOG_FOREIGN', `${path} belongs to ${owner}`);
    }
    const [first, second] = [copyOf(both[0], 0, decode), copyOf(both[1], 1, decode)];
    if (first === undefined || second === undefined) return await use(slots, first ?? second);
    return await use(slots, second.generation > first.generation ? second : first);
  } catch (error) {
    await slots.close();
    throw error;
  }
}

/** Undefined when it is damaged. */
function copyOf<Value>(
  slot: Slot,
  number: 0 | 1,
  decode: (payload: Uint8Array) => Value,
): Copy<Value> | undefined {
  if (slot.kind !== 'valid') return undefined;
  try {
    return { value: decode(slot.payload), generation: slot.generation, slot: number };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
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
  const both = new Uint8Array(2 * slot.length);
  both.set(slot);
  both.set(slot, slot.length);
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

function slotBytesOf({ slotBytes }: SlotIdentity): number {
  return slotBytes ?? SLOT_BYTES;
}

/** The payload fits its slot. */
export function encodeSlot(
  identity: SlotIdentity,
  generation: number,
  payload: Uint8Array,
): Uint8Array {
  const slotBytes = slotBytesOf(identity);
  const writer = new ByteWriter(slotBytes);
  writer.raw(encodeUtf8(identity.magic)).bytes8(encodeUtf8(identity.label));
  writer.u64(generation).bytes16(payload);
  assert(writer.length <= slotBytes - 4, 'the payload fits its slot');
  writer.raw(new Uint8Array(slotBytes - 4 - writer.length));
  return writer.u32(crc32c(writer.view())).finish();
}

/** Never throws. */
export function decodeSlot(bytes: Uint8Array, identity: SlotIdentity): Slot {
  const slotBytes = slotBytesOf(identity);
  if (bytes.length !== slotBytes) return { kind: 'bad' };
  const body = bytes.subarray(0, slotBytes - 4);
  if (new ByteReader(bytes.subarray(slotBytes - 4)).u32() !== crc32c(body)) return { kind: 'bad' };
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
