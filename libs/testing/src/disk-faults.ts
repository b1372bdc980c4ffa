/**
 * A `Disk` that misbehaves on command, around any other: every operation is numbered and shown to
 * a hook before it is carried out, and can be failed, stalled, or refused for want of space.
 *
 * Space is counted as the growth of file sizes made through this disk: overwriting is free, as on
 * a file system that writes in place.
 */
import { DiskError } from '@kvstore/std';
import type { Disk, DiskErrorCode, DiskFile } from '@kvstore/std';

export type DiskOperationKind =
  | keyof Pick<
      Disk,
      'open' | 'create' | 'rename' | 'unlink' | 'syncDirectory' | 'list' | 'makeDirectory'
    >
  | keyof Pick<DiskFile, 'size' | 'read' | 'write' | 'truncate' | 'sync' | 'close'>;

export interface DiskOperation {
  /** From 1, over all operations of the disk. */
  readonly number: number;
  readonly kind: DiskOperationKind;
  readonly path: string;
  /** Where a read or write begins, and its bytes; the new length of a truncate; else 0. */
  readonly offset: number;
  readonly bytes: number;
}

/** Called before an operation is carried out; throws to fail it, may wait to stall it. */
export type DiskHook = (operation: DiskOperation) => void | Promise<void>;

export class FaultyDisk implements Disk {
  readonly #inner: Disk;
  #hook: DiskHook | undefined;
  #operations = 0;
  #spaceBytes = Number.POSITIVE_INFINITY;
  readonly #sizes = new Map<string, { bytes: number }>();

  constructor(inner: Disk, hook?: DiskHook) {
    this.#inner = inner;
    this.#hook = hook;
  }

  /** Operations begun so far. */
  get operations(): number {
    return this.#operations;
  }

  /** Replaces the hook; undefined ends all misbehaviour but the space limit. */
  setHook(hook: DiskHook | undefined): void {
    this.#hook = hook;
  }

  /** Bytes by which files may still grow; Infinity lifts the limit. */
  setSpace(bytes: number): void {
    this.#spaceBytes = bytes;
  }

  get spaceBytes(): number {
    return this.#spaceBytes;
  }

  async open(path: string): Promise<DiskFile> {
    await this.#begin('open', path);
    const file = await this.#inner.open(path);
    const size = this.#sizes.get(path) ?? { bytes: await file.size() };
    this.#sizes.set(path, size);
    return new FaultyFile(file, this.#gates(path, size));
  }

  async create(path: string): Promise<DiskFile> {
    await this.#begin('create', path);
    const file = await this.#inner.create(path);
    const size = { bytes: 0 };
    this.#sizes.set(path, size);
    return new FaultyFile(file, this.#gates(path, size));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#begin('rename', from);
    await this.#inner.rename(from, to);
    const size = this.#sizes.get(from);
    this.#sizes.delete(from);
    if (size !== undefined) this.#sizes.set(to, size);
  }

  async unlink(path: string): Promise<void> {
    await this.#begin('unlink', path);
    const bytes = this.#sizes.get(path)?.bytes ?? (await this.#sizeOf(path));
    await this.#inner.unlink(path);
    this.#sizes.delete(path);
    this.#spaceBytes += bytes;
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#begin('syncDirectory', directory);
    await this.#inner.syncDirectory(directory);
  }

  async list(directory: string): Promise<readonly string[]> {
    await this.#begin('list', directory);
    return this.#inner.list(directory);
  }

  async makeDirectory(directory: string): Promise<void> {
    await this.#begin('makeDirectory', directory);
    await this.#inner.makeDirectory(directory);
  }

  async #sizeOf(path: string): Promise<number> {
    const file = await this.#inner.open(path);
    const size = await file.size();
    await file.close();
    return size;
  }

  async #begin(kind: DiskOperationKind, path: string, offset = 0, bytes = 0): Promise<void> {
    const number = ++this.#operations;
    await this.#hook?.({ number, kind, path, offset, bytes });
  }

  #gates(path: string, size: { bytes: number }): FileGates {
    return {
      begin: (kind, offset, bytes) => this.#begin(kind, path, offset, bytes),
      grow: (end) => {
        const growth = Math.max(0, end - size.bytes);
        const granted = Math.min(growth, this.#spaceBytes);
        this.#spaceBytes -= granted;
        size.bytes += granted;
        return growth - granted;
      },
      resize: (length) => {
        this.#spaceBytes -= length - size.bytes;
        size.bytes = length;
      },
    };
  }
}

interface FileGates {
  begin(kind: DiskOperationKind, offset?: number, bytes?: number): Promise<void>;
  /** Takes the space for a file that reaches `end`; returns the bytes that there was no space for. */
  grow(end: number): number;
  resize(length: number): void;
}

class FaultyFile implements DiskFile {
  readonly path: string;
  readonly #inner: DiskFile;
  readonly #gates: FileGates;

  constructor(inner: DiskFile, gates: FileGates) {
    this.path = inner.path;
    this.#inner = inner;
    this.#gates = gates;
  }

  async size(): Promise<number> {
    await this.#gates.begin('size');
    return this.#inner.size();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    await this.#gates.begin('read', offset, length);
    return this.#inner.read(offset, length);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#gates.begin('write', offset, bytes.length);
    const missing = this.#gates.grow(offset + bytes.length);
    const fitting = Math.max(0, bytes.length - missing);
    await this.#inner.write(offset, missing === 0 ? bytes : bytes.subarray(0, fitting));
    if (missing > 0) throw new DiskError('DISK_FULL', `no space left for ${this.path}`);
  }

  async truncate(length: number): Promise<void> {
    await this.#gates.begin('truncate', length);
    await this.#inner.truncate(length);
    this.#gates.resize(length);
  }

  async sync(): Promise<void> {
    await this.#gates.begin('sync');
    await this.#inner.sync();
  }

  async close(): Promise<void> {
    await this.#gates.begin('close');
    await this.#inner.close();
  }
}

/** A hook that fails the operation of this number, once. */
export function failOperation(number: number, code: DiskErrorCode): DiskHook {
  return (operation) => {
    if (operation.number === number) throw new DiskError(code, `injected at operation ${number}`);
  };
}

/** Fails the next operation of a kind (on paths that contain `pathPart`), once. */
export function failNext(kind: DiskOperationKind, code: DiskErrorCode, pathPart = ''): DiskHook {
  let done = false;
  return (operation) => {
    if (done || operation.kind !== kind || !operation.path.includes(pathPart)) return;
    done = true;
    throw new DiskError(code, `injected at the next ${kind}`);
  };
}

/** Holds back whoever waits at it while it is closed. */
export class Gate {
  #waiting: (() => void)[] = [];
  #closed = false;

  close(): void {
    this.#closed = true;
  }

  open(): void {
    this.#closed = false;
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** How many are held back. */
  get waiting(): number {
    return this.#waiting.length;
  }

  async pass(): Promise<void> {
    while (this.#closed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** Stalls every sync of files whose path contains `pathPart` while the gate is closed. */
export function stallSyncs(gate: Gate, pathPart = ''): DiskHook {
  return async (operation) => {
    if (operation.kind === 'sync' && operation.path.includes(pathPart)) await gate.pass();
  };
}
