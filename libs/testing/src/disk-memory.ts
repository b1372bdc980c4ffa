/**
 * A disk in memory that knows what would survive a power cut: the memory implementation of the
 * `Disk` port, and the source of crash images.
 *
 * Contents and names are kept twice, as seen and as durable. A write changes what is seen and
 * marks its 4 KiB blocks; `sync` makes the marked blocks and the size of that file durable. Created,
 * renamed and unlinked names wait for `syncDirectory`; each of them survives or vanishes alone (a
 * rename never by halves), which is harsher than a journaling file system. Directories are durable
 * at once, as the port promises.
 */
import { assert, DiskError } from '@kvstore/std';
import type { Disk, DiskFile, Random } from '@kvstore/std';

/**
 * What happens to unsynced blocks and names: none survives, all survive, each by chance, or each
 * 512-byte sector of a block by chance.
 */
export type UnsyncedFate = 'lost' | 'kept' | 'random' | 'torn';
export const UNSYNCED_FATES: readonly UnsyncedFate[] = ['lost', 'kept', 'random', 'torn'];

const BLOCK = 4096;
const SECTOR = 512;

interface Inode {
  bytes: Uint8Array;
  size: number;
  durable: Uint8Array;
  durableSize: number;
  readonly dirty: Set<number>;
}

type NameChange =
  | { readonly kind: 'link'; readonly name: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly name: string }
  | {
      readonly kind: 'rename';
      readonly from: string;
      readonly name: string;
      readonly inode: Inode;
    };

interface Directory {
  readonly names: Map<string, Inode>;
  readonly durable: Map<string, Inode>;
  readonly changes: NameChange[];
}

export class MemoryDisk implements Disk {
  readonly #directories = new Map<string, Directory>([['', emptyDirectory()]]);
  #syncFails = false;

  async open(path: string): Promise<DiskFile> {
    const [directory, name] = this.#locate(path);
    const inode = directory?.names.get(name);
    if (inode === undefined) throw new DiskError('NOT_FOUND', `no such file: ${path}`);
    return this.#file(path, inode);
  }

  async create(path: string): Promise<DiskFile> {
    const [directory, name] = this.#locate(path);
    if (directory === undefined) throw new DiskError('NOT_FOUND', `no such directory: ${path}`);
    if (directory.names.has(name)) throw new DiskError('EXISTS', `file exists: ${path}`);
    const inode = emptyInode();
    directory.names.set(name, inode);
    directory.changes.push({ kind: 'link', name, inode });
    return this.#file(path, inode);
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, fromName] = this.#locate(from);
    const [target, toName] = this.#locate(to);
    const inode = source?.names.get(fromName);
    if (source === undefined || target === undefined || inode === undefined) {
      throw new DiskError('NOT_FOUND', `no such file: ${from}`);
    }
    source.names.delete(fromName);
    target.names.set(toName, inode);
    if (source === target) {
      source.changes.push({ kind: 'rename', from: fromName, name: toName, inode });
    } else {
      target.changes.push({ kind: 'link', name: toName, inode });
      source.changes.push({ kind: 'unlink', name: fromName });
    }
  }

  async unlink(path: string): Promise<void> {
    const [directory, name] = this.#locate(path);
    if (directory?.names.delete(name) !== true) {
      throw new DiskError('NOT_FOUND', `no such file: ${path}`);
    }
    directory.changes.push({ kind: 'unlink', name });
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = this.#directories.get(normalize(path));
    if (directory === undefined) throw new DiskError('NOT_FOUND', `no such directory: ${path}`);
    for (const change of directory.changes) applyChange(directory.durable, change);
    directory.changes.length = 0;
  }

  async list(path: string): Promise<readonly string[]> {
    const key = normalize(path);
    const names = new Set(this.#directories.get(key)?.names.keys());
    const prefix = key === '' ? '' : `${key}/`;
    for (const other of this.#directories.keys()) {
      if (other === '' || !other.startsWith(prefix) || other === key) continue;
      const rest = other.slice(prefix.length);
      if (!rest.includes('/')) names.add(rest);
    }
    return [...names].sort();
  }

  async makeDirectory(path: string): Promise<void> {
    const parts = normalize(path).split('/');
    for (let depth = 1; depth <= parts.length; depth++) {
      const key = parts.slice(0, depth).join('/');
      if (!this.#directories.has(key)) this.#directories.set(key, emptyDirectory());
    }
  }

  /**
   * What a machine finds after a power cut at this moment. This disk goes on unchanged. With
   * 'kept', 'random' and 'torn' what survived counts as durable in the image.
   */
  crashImage(random: Random, options: { readonly unsynced: UnsyncedFate }): MemoryDisk {
    const image = new MemoryDisk();
    const copies = new Map<Inode, Inode>();
    for (const [path, directory] of this.#directories) {
      const names = new Map(directory.durable);
      for (const change of directory.changes) {
        if (survives(options.unsynced, random)) applyChange(names, change);
      }
      const copied = emptyDirectory();
      for (const [name, inode] of names) {
        let copy = copies.get(inode);
        if (copy === undefined) {
          copy = crashInode(inode, options.unsynced, random);
          copies.set(inode, copy);
        }
        copied.names.set(name, copy);
        copied.durable.set(name, copy);
      }
      image.#directories.set(path, copied);
    }
    return image;
  }

  /** What a restart finds after the process was killed now: all as seen, and still not durable. */
  killImage(): MemoryDisk {
    const image = new MemoryDisk();
    const copies = new Map<Inode, Inode>();
    const copy = (inode: Inode): Inode => {
      const known = copies.get(inode) ?? copyInode(inode);
      copies.set(inode, known);
      return known;
    };
    for (const [path, directory] of this.#directories) {
      const copied = emptyDirectory();
      for (const [name, inode] of directory.names) copied.names.set(name, copy(inode));
      for (const [name, inode] of directory.durable) copied.durable.set(name, copy(inode));
      for (const change of directory.changes) {
        const isUnlink = change.kind === 'unlink';
        copied.changes.push(isUnlink ? change : { ...change, inode: copy(change.inode) });
      }
      image.#directories.set(path, copied);
    }
    return image;
  }

  /**
   * The next sync fails as Linux does it: the error is told once, the pages stay readable and count
   * as clean, and no later sync brings them to the disk ("Can Applications Recover from fsync
   * Failures?", ATC 2020).
   */
  failNextSync(): void {
    this.#syncFails = true;
  }

  /** Paths of all files, sorted. */
  files(): readonly string[] {
    const paths: string[] = [];
    for (const [directory, { names }] of this.#directories) {
      for (const name of names.keys()) paths.push(directory === '' ? name : `${directory}/${name}`);
    }
    return paths.sort();
  }

  /** Contents as seen, for tests that damage or compare files. */
  peek(path: string): Uint8Array {
    const inode = this.#inode(path);
    return inode.bytes.slice(0, inode.size);
  }

  /** Files that a power cut leaves when nothing unsynced survives: views, by path. */
  *durableFiles(): Generator<readonly [path: string, bytes: Uint8Array]> {
    for (const [directory, { durable }] of this.#directories) {
      for (const [name, inode] of durable) {
        const path = directory === '' ? name : `${directory}/${name}`;
        yield [path, inode.durable.subarray(0, inode.durableSize)];
      }
    }
  }

  /** Replaces contents, durably: bit rot, a lost block, a restored old copy. */
  damage(path: string, bytes: Uint8Array): void {
    const inode = this.#inode(path);
    inode.bytes = bytes.slice();
    inode.size = bytes.length;
    inode.durable = bytes.slice();
    inode.durableSize = bytes.length;
    inode.dirty.clear();
  }

  #inode(path: string): Inode {
    const [directory, name] = this.#locate(path);
    const inode = directory?.names.get(name);
    assert(inode !== undefined, `no such file: ${path}`);
    return inode;
  }

  #locate(path: string): [Directory | undefined, string] {
    const normal = normalize(path);
    const slash = normal.lastIndexOf('/');
    return [
      this.#directories.get(slash < 0 ? '' : normal.slice(0, slash)),
      normal.slice(slash + 1),
    ];
  }

  #file(path: string, inode: Inode): DiskFile {
    return new MemoryFile(path, inode, () => {
      const fails = this.#syncFails;
      this.#syncFails = false;
      return fails;
    });
  }
}

class MemoryFile implements DiskFile {
  readonly path: string;
  readonly #inode: Inode;
  readonly #takeSyncFailure: () => boolean;
  #closed = false;

  constructor(path: string, inode: Inode, takeSyncFailure: () => boolean) {
    this.path = path;
    this.#inode = inode;
    this.#takeSyncFailure = takeSyncFailure;
  }

  async size(): Promise<number> {
    this.#assertOpen();
    return this.#inode.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#assertOpen();
    const inode = this.#inode;
    return inode.bytes.slice(Math.min(offset, inode.size), Math.min(offset + length, inode.size));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#assertOpen();
    if (bytes.length === 0) return;
    const inode = this.#inode;
    const end = offset + bytes.length;
    inode.bytes = grown(inode.bytes, end);
    inode.bytes.set(bytes, offset);
    markDirty(inode, Math.min(offset, inode.size), end);
    inode.size = Math.max(inode.size, end);
  }

  async truncate(length: number): Promise<void> {
    this.#assertOpen();
    const inode = this.#inode;
    inode.bytes = grown(inode.bytes, length);
    const [low, high] = length < inode.size ? [length, inode.size] : [inode.size, length];
    inode.bytes.fill(0, low, high);
    markDirty(inode, low, high);
    inode.size = length;
  }

  async sync(): Promise<void> {
    this.#assertOpen();
    const inode = this.#inode;
    if (this.#takeSyncFailure()) {
      inode.dirty.clear();
      throw new DiskError('IO', `sync of ${this.path} failed`);
    }
    inode.durable = grown(inode.durable, inode.size);
    for (const block of inode.dirty) {
      const end = Math.min((block + 1) * BLOCK, inode.bytes.length);
      if (block * BLOCK < end) {
        inode.durable = grown(inode.durable, end);
        inode.durable.set(inode.bytes.subarray(block * BLOCK, end), block * BLOCK);
      }
    }
    inode.durableSize = inode.size;
    inode.dirty.clear();
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #assertOpen(): void {
    if (this.#closed) throw new DiskError('IO', `${this.path} is closed`);
  }
}

function crashInode(inode: Inode, fate: UnsyncedFate, random: Random): Inode {
  const size = survives(fate, random) ? inode.size : inode.durableSize;
  const bytes = new Uint8Array(size);
  bytes.set(inode.durable.subarray(0, Math.min(size, inode.durableSize)));
  for (const block of inode.dirty) {
    const step = fate === 'torn' ? SECTOR : BLOCK;
    const end = Math.min((block + 1) * BLOCK, size, inode.size);
    for (let at = block * BLOCK; at < end; at += step) {
      if (!survives(fate, random)) continue;
      bytes.set(inode.bytes.subarray(at, Math.min(at + step, end)), at);
    }
  }
  return { bytes, size, durable: bytes.slice(), durableSize: size, dirty: new Set() };
}

function copyInode(inode: Inode): Inode {
  const { size, durableSize } = inode;
  const [bytes, durable] = [inode.bytes.slice(), inode.durable.slice()];
  return { bytes, size, durable, durableSize, dirty: new Set(inode.dirty) };
}

function survives(fate: UnsyncedFate, random: Random): boolean {
  return fate === 'kept' || (fate !== 'lost' && random.below(2) === 1);
}

function applyChange(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'unlink') {
    names.delete(change.name);
    return;
  }
  if (change.kind === 'rename') names.delete(change.from);
  names.set(change.name, change.inode);
}

function markDirty(inode: Inode, from: number, end: number): void {
  for (let block = Math.floor(from / BLOCK); block * BLOCK < end; block++) inode.dirty.add(block);
}

function grown(bytes: Uint8Array, length: number): Uint8Array {
  if (length <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.max(length, Math.min(bytes.length * 2, 1 << 26)));
  larger.set(bytes);
  return larger;
}

function normalize(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function emptyInode(): Inode {
  return {
    bytes: new Uint8Array(0),
    size: 0,
    durable: new Uint8Array(0),
    durableSize: 0,
    dirty: new Set(),
  };
}

function emptyDirectory(): Directory {
  return { names: new Map(), durable: new Map(), changes: [] };
}
