/** Seeded bugs of the files under the log, and of the storage engine. */
import type { Edit, Mutant } from './mutant.ts';

const inDisk = (file: string, find: string, replace: string): Edit => ({
  file: `libs/disk/src/${file}.ts`,
  find,
  replace,
});

export const DISK_MUTANTS: readonly Mutant[] = [
  {
    id: 'M1',
    title: 'term and vote are written without an fsync',
    edits: [inDisk('slot-file', 'await this.#file.sync();', '')],
  },
  {
    id: 'M3',
    title: 'a term without a vote is not saved',
    edits: [
      inDisk(
        'hard-state-file',
        'assertFollows(this.#state, state);',
        'if (state.vote === undefined) return Promise.resolve();',
      ),
    ],
  },
  {
    id: 'M25',
    title: 'recovery skips truncations',
    edits: [
      inDisk(
        'log-recovery',
        'this.#index.add(record.entry, segment, this.#offset, record.bytes);',
        'if (record.entry.index > this.#index.last.index) this.#index.add(record.entry, segment, this.#offset, record.bytes);',
      ),
    ],
  },
  {
    id: 'M28',
    title: 'a failed fsync is ignored',
    edits: [
      inDisk(
        'segmented-log',
        'await active.file.sync();',
        'await active.file.sync().catch(() => undefined);',
      ),
    ],
  },
  {
    id: 'M29',
    title: 'damage in the middle of the log is cut off like a torn tail',
    edits: [
      inDisk(
        'log-recovery',
        'if (proof !== undefined) {',
        'if (proof !== undefined && this.#offset < 0) {',
      ),
      inDisk(
        'log-recovery',
        'if (this.#nextSequence <= this.#markSequence) {\n      throw this.#corrupt(segment.path',
        'if (this.#offset < 0) {\n      throw this.#corrupt(segment.path',
      ),
      inDisk(
        'log-recovery',
        'if (this.#nextSequence <= this.#markSequence) {\n      throw this.#corrupt(this.#directory',
        'if (this.#offset < 0) {\n      throw this.#corrupt(this.#directory',
      ),
      inDisk(
        'log-recovery',
        'if (this.#acknowledged > this.#index.last.index) {',
        'if (this.#offset < 0) {',
      ),
    ],
  },
  {
    id: 'M35',
    title: 'an append is called durable when its first entry is',
    edits: [
      inDisk(
        'append-queue',
        'if (append.durable < append.entries.length) break;',
        'if (append.durable < append.entries.length) {\n        append.resolve();\n        break;\n      }',
      ),
    ],
  },
  {
    id: 'M24',
    title: 'files of a log that is cut go before the base that stands for them is durable',
    edits: [
      inDisk(
        'segment-files',
        'await this.#save(base, first.firstSequence);\n    onDurable(first);\n    await this.#dropBefore(first.firstSequence);',
        'onDurable(first);\n    await this.#dropBefore(first.firstSequence);\n    await this.#save(base, first.firstSequence);',
      ),
    ],
  },
  {
    id: 'B1',
    title: 'the log is written without an fsync',
    edits: [inDisk('segmented-log', 'await active.file.sync();', '')],
  },
  {
    id: 'M26',
    title: 'the applied index is stored apart from the data: it lags behind',
    edits: [
      {
        file: 'libs/lsm/src/flusher.ts',
        find: 'await this.#options.manifest.commit(sealed.position, segment?.metadata);',
        replace:
          'await this.#options.manifest.commit({ ...sealed.position, index: (sealed.position.index - 1) as typeof sealed.position.index }, segment?.metadata);',
      },
    ],
  },
  {
    id: 'B2',
    title: 'memtables go live in another order than they were sealed',
    edits: [
      {
        file: 'libs/lsm/src/flusher.ts',
        find: 'const sealed = this.#queue[0];',
        replace: 'const sealed = this.#queue[this.#queue.length - 1];',
      },
      {
        file: 'libs/lsm/src/flusher.ts',
        find: 'this.#queue.shift();',
        replace: 'this.#queue.splice(this.#queue.indexOf(sealed), 1);',
      },
      {
        file: 'libs/lsm/src/lsm-engine.ts',
        find: "assert(sealed.position.index > this.#durable.index, 'durable grows');",
        replace: '',
      },
    ],
  },
];
