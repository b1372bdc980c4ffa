/** Seeded bugs of the sequencer, the replica, the state machine and the client. */
import type { Mutant } from './mutant.ts';

export const SERVICE_MUTANTS: readonly Mutant[] = [
  {
    id: 'M34',
    title: 'time is the local clock instead of log time',
    edits: [
      {
        file: 'libs/replica/src/replica.ts',
        find: 'this.#applier.apply(entry)',
        replace: 'this.#applier.apply(entry, this.#options.clock.wallMs())',
      },
      {
        file: 'libs/replica/src/applier.ts',
        find: 'apply(entry: LogEntry): Applied {',
        replace: 'apply(entry: LogEntry, nowMs: number): Applied {',
      },
      {
        file: 'libs/replica/src/applier.ts',
        find: '      stamp,\n      batches,',
        replace: '      stamp: stamp && (nowMs as typeof stamp),\n      batches,',
      },
    ],
  },
  {
    id: 'M36',
    title: 'a batch that is there already is applied again',
    edits: [
      {
        file: 'libs/state-machine/src/session-table.ts',
        find: 'if (stored !== undefined) return stored.slice();\n    }\n    const doneBelow',
        replace: '}\n    const doneBelow',
      },
    ],
  },
  {
    id: 'M39',
    title: 'a cache decides the order in which batches are applied',
    edits: [
      {
        file: 'libs/state-machine/src/state-machine.ts',
        find: 'for (const batch of entry.batches) {',
        replace:
          'const warm = (this as unknown as { warm?: number }).warm ?? 0;\n    (this as unknown as { warm: number }).warm = warm + 1;\n    for (const batch of warm < 5 ? [...entry.batches].reverse() : entry.batches) {',
      },
    ],
  },
  {
    id: 'B3',
    title: 'sessions are kept in memory only',
    edits: [
      {
        file: 'libs/state-machine/src/session-table.ts',
        find: 'this.#store.put(sessionKey(session.id), encodeSession(session));',
        replace: 'encodeSession(session);',
      },
    ],
  },
  {
    id: 'B4',
    title: 'outcomes of batches are kept in memory only',
    edits: [
      {
        file: 'libs/state-machine/src/session-table.ts',
        find: 'const stored = this.#store.get(sessionBatchKey(session.id, batchNo));',
        replace:
          'const stored = (this.#kept ??= new Map<string, Uint8Array>()).get(`${session.id} ${batchNo}`);',
      },
      {
        file: 'libs/state-machine/src/session-table.ts',
        find: 'this.#store.put(sessionBatchKey(session.id, batch.batchNo), outcomes);',
        replace:
          '(this.#kept ??= new Map<string, Uint8Array>()).set(`${session.id} ${batch.batchNo}`, outcomes);',
      },
      {
        file: 'libs/state-machine/src/session-table.ts',
        find: 'readonly #changed: Session[] = [];',
        replace:
          'readonly #changed: Session[] = [];\n  #kept: Map<string, Uint8Array> | undefined;',
      },
    ],
  },
  {
    id: 'B5',
    title: 'entries above the own commit index are served to storages',
    edits: [
      {
        file: 'libs/sequencer/src/committed-log.ts',
        find: 'logIndex(Math.min(status.commitIndex, status.durableIndex))',
        replace: 'logIndex(Math.max(status.commitIndex, status.lastIndex))',
      },
    ],
  },
  {
    id: 'B16',
    title: 'logs are cut at what is committed, whatever storages hold',
    edits: [
      {
        file: 'libs/sequencer/src/log-cutter.ts',
        find: 'Math.min(this.#cutPoint, commitIndex, this.#options.raft.durableIndex)',
        replace: 'Math.min(commitIndex, this.#options.raft.durableIndex)',
      },
    ],
  },
  {
    id: 'B6',
    title: 'live is taken for the guarantee: marks ask for nothing',
    edits: [
      {
        file: 'libs/replica/src/replica.ts',
        find: 'this.#catchUp.need(mark.commitIndex);',
        replace: '',
      },
    ],
  },
  {
    id: 'B7',
    title: 'an entry behind a gap is applied',
    edits: [
      {
        file: 'libs/replica/src/replica.ts',
        find: 'if (live.entry.index === applied.index + 1 && !this.#options.store.stalled) {',
        replace: 'if (live.entry.index > applied.index && !this.#options.store.stalled) {',
      },
      {
        file: 'libs/replica/src/applier.ts',
        find: 'if (entry.index !== before.index + 1 || entry.chain !== expected) {',
        replace: 'if (entry.index <= before.index) {',
      },
    ],
  },
  {
    id: 'B8',
    title: 'a refusal takes back every copy of a batch',
    edits: [
      {
        file: 'libs/cluster-client/src/writer.ts',
        find: "case 'not-leader':\n        batch.copies -= 1;",
        replace: "case 'not-leader':\n        batch.copies = 0;",
      },
    ],
  },
  {
    id: 'B9',
    title: 'a read waits for no index',
    edits: [
      {
        file: 'libs/replica/src/read-server.ts',
        find: 'if (awaited.index <= now.index && awaited.revision <= now.revision) {',
        replace: 'if (awaited.revision <= now.revision) {',
      },
    ],
  },
  {
    id: 'B10',
    title: 'a batch is sent again under a new number',
    edits: [
      {
        file: 'libs/cluster-client/src/writer.ts',
        find: 'if (batch.committedAt === undefined) this.#propose(batch);\n    else this.#query(batch, this.#session);',
        replace:
          'if (batch.committedAt === undefined) {\n      const again = batch.waiting.filter((each) => each !== undefined);\n      this.#end(batch);\n      this.#heldBytes += bytesOf(again);\n      this.#queue.push(...again);\n      this.#scheduleFlush();\n    } else this.#query(batch, this.#session);',
      },
    ],
  },
];
