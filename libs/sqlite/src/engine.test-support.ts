/** Engines on real directories, for tests: a model to compare with, and a disk that loses power. */
import { mkdtempSync, rmSync } from 'node:fs';
import { rename, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk } from '@kvstore/disk';
import type { LsmConfig, LsmStore } from '@kvstore/lsm';
import { DiskError, encodeUtf8, type Disk, type Random } from '@kvstore/std';
import { FaultyDisk, ManualTimers, positionAt, type DiskOperation } from '@kvstore/testing';
import { openLsmStore } from './open-lsm-store.ts';

export const DIRECTORY = 'g0/storage';
export const LABEL = 'cluster/g0/n1';

const roots: string[] = [];

/** A fresh directory, removed after the test file. */
export function temporaryRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'kvstore-sqlite-'));
  roots.push(root);
  return root;
}

export function removeTemporaryRoots(): void {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
}

export interface OpenOptions {
  readonly disk?: Disk;
  readonly label?: string;
  readonly setsAside?: boolean;
  readonly config?: Partial<LsmConfig>;
  readonly onFatal?: (error: Error) => void;
}

export function openEngine(root: string, options: OpenOptions = {}): Promise<LsmStore> {
  return openLsmStore({
    disk: options.disk ?? new NodeDisk(root),
    root,
    directory: DIRECTORY,
    label: options.label ?? LABEL,
    timers: new ManualTimers(),
    clock: { wallMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) },
    setsAside: options.setsAside ?? false,
    filterPrefixLength: (key) => key.length,
    config: options.config ?? {},
    onFatal:
      options.onFatal ??
      ((error) => {
        throw error;
      }),
  });
}

/** Entry `index` writes its own key, overwrites a shared one and deletes the key of the one before. */
export function writeEntry(engine: LsmStore): void {
  const index = engine.applied.index + 1;
  engine.put(encodeUtf8(`own/${String(index).padStart(6, '0')}`), encodeUtf8(`entry ${index}`));
  engine.put(encodeUtf8('shared'), encodeUtf8(String(index)));
  if (index > 1) engine.delete(encodeUtf8(`own/${String(index - 1).padStart(6, '0')}`));
  engine.endEntry(positionAt(index), 100);
}

/** What the engine must hold after entry `index`, as text. */
export function expectedAfter(index: number): string[] {
  if (index === 0) return [];
  return [`own/${String(index).padStart(6, '0')}=entry ${index}`, `shared=${index}`];
}

export function contents(engine: LsmStore): string[] {
  return Array.from(engine.scan({ from: new Uint8Array(0) }), ({ key, value }) =>
    [key, value].map((part) => Buffer.from(part).toString()).join('='),
  );
}

/**
 * A disk over a real directory that loses power before its k-th operation: every later operation
 * fails, and `cut` then takes back, by chance, what had not been synced: contents and names.
 */
export class PowerCutDisk {
  readonly disk: FaultyDisk;
  readonly #root: string;
  readonly #dirty = new Set<string>();
  #names: { readonly from: string | undefined; readonly to: string }[] = [];
  #countdown = Number.POSITIVE_INFINITY;
  off = false;

  constructor(root: string) {
    this.#root = root;
    const files = new RenamesNoted(root, (from, to) => void this.#names.push({ from, to }));
    this.disk = new FaultyDisk(files, (operation) => this.#before(operation));
  }

  /** Lets so many operations happen from here on. */
  cutAfter(operations: number): void {
    this.#countdown = operations;
  }

  async cut(random: Random): Promise<void> {
    this.off = true;
    for (const path of this.#dirty) {
      if (random.below(3) > 0) await truncate(join(this.#root, path), random.below(3) * 4_096);
    }
    for (const { from, to } of this.#names.toReversed()) {
      if (random.below(2) === 0) continue;
      if (from === undefined) await rm(join(this.#root, to), { force: true });
      else await rename(join(this.#root, to), join(this.#root, from));
    }
  }

  #before({ kind, path }: DiskOperation): void {
    if (this.off || this.#countdown <= 0) {
      this.off = true;
      throw new DiskError('NOT_WRITABLE', `no power: ${kind} ${path}`);
    }
    this.#countdown -= 1;
    if (kind === 'create') this.#names.push({ from: undefined, to: path });
    if (kind === 'write') this.#dirty.add(path);
    if (kind === 'sync') this.#dirty.delete(path);
    if (kind === 'syncDirectory') this.#names = [];
  }
}

class RenamesNoted extends NodeDisk {
  readonly #note: (from: string, to: string) => void;

  constructor(root: string, note: (from: string, to: string) => void) {
    super(root);
    this.#note = note;
  }

  override rename(from: string, to: string): Promise<void> {
    this.#note(from, to);
    return super.rename(from, to);
  }
}
