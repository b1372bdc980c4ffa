import { configurationOf, type Entry, type HardState, RaftNode } from '@kvstore/raft';
import { LOG_START, nodeId, SeededRandom, term } from '@kvstore/std';
import { makeBase, makeEntries, MemoryHardState, MemoryLogStore } from '@kvstore/testing';
import { LogWriter } from './log-writer.ts';

const self = nodeId('node-1');

/** A core that only counts what it is told; the writer asks it for nothing but its durable index. */
function coreThatListens(told: string[]): RaftNode {
  const core = new RaftNode(
    {
      id: self,
      electionTicks: 10,
      heartbeatTicks: 1,
      tickMs: 25,
      yieldTicks: 0,
      random: new SeededRandom(1),
      openingBody: () => new Uint8Array(0),
      configurations: { encode: () => new Uint8Array(0), decode: () => undefined },
      appendBytesMax: 1000,
      inflightAppendsMax: 1,
      inflightBytesMax: 1000,
      uncommittedBytesMax: 1000,
      tailBytesMax: 1000,
    },
    {
      hardState: { term: term(0), vote: undefined },
      repairTerm: term(0),
      base: {
        position: LOG_START,
        configuration: configurationOf([self]),
        note: new Uint8Array(0),
      },
      last: LOG_START,
      spans: [],
      configurations: [],
    },
  );
  core.hardStatePersisted = (state: HardState) => void told.push(`term ${state.term}`);
  core.persisted = (index) => void told.push(`entry ${index}`);
  return core;
}

function write(writer: LogWriter, append: readonly Entry[], hardState?: HardState): void {
  writer.write({ hardState, install: undefined, append });
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('the log writer', () => {
  test('puts a base in place behind the appends under way, and what follows behind it', async () => {
    const told: string[] = [];
    const [log, hardStates] = [new MemoryLogStore(), new MemoryHardState()];
    const callbacks = { onDurable: () => undefined, onFatal: fail };
    const writer = new LogWriter(coreThatListens(told), { log, hardStates }, callbacks);
    log.gate.close();
    write(writer, makeEntries(undefined, 1, [new Uint8Array(1), new Uint8Array(1)]));
    const leader = makeEntries(
      undefined,
      2,
      Array.from({ length: 9 }, () => new Uint8Array(3)),
    );
    const install = makeBase(leader[6] as Entry);
    const hardState: HardState = { term: term(2), vote: undefined };
    writer.write({ hardState, install, append: leader.slice(7, 8) });
    write(writer, leader.slice(8));
    await settled();
    expect(told).toEqual(['term 2']);
    log.gate.open();
    await writer.idle();
    expect(told).toEqual(['term 2', 'entry 2', 'entry 7', 'entry 8', 'entry 9']);
    expect(log.crash().recovered).toMatchObject({ base: install, last: { index: 9 } });
  });

  test('writes entries only after the term and vote of the same effects are durable', async () => {
    const told: string[] = [];
    const [log, hardStates] = [new MemoryLogStore(), new MemoryHardState()];
    const callbacks = { onDurable: () => undefined, onFatal: fail };
    const writer = new LogWriter(coreThatListens(told), { log, hardStates }, callbacks);
    hardStates.gate.close();
    write(writer, makeEntries(undefined, 1, [new Uint8Array(1)]), { term: term(1), vote: self });
    await settled();
    expect(told).toEqual([]);
    expect(log.sizeBytes).toBe(0);
    hardStates.gate.open();
    await writer.idle();
    expect(told).toEqual(['term 1', 'entry 1']);
  });

  test('keeps the order of what is handed out while a save is under way', async () => {
    const told: string[] = [];
    const [log, hardStates] = [new MemoryLogStore(), new MemoryHardState()];
    const entries = makeEntries(
      undefined,
      1,
      [1, 2, 3].map((n) => new Uint8Array(n)),
    );
    const more: (readonly Entry[])[] = [entries.slice(2)];
    const writer: LogWriter = new LogWriter(
      coreThatListens(told),
      { log, hardStates },
      {
        // The core hands out more as soon as it hears of the save: it must come last.
        onDurable: () => {
          const next = more.pop();
          if (next !== undefined) write(writer, next);
        },
        onFatal: fail,
      },
    );
    hardStates.gate.close();
    write(writer, [], { term: term(1), vote: self });
    write(writer, entries.slice(0, 1));
    write(writer, entries.slice(1, 2));
    hardStates.gate.open();
    await writer.idle();
    expect(told).toEqual(['term 1', 'entry 1', 'entry 2', 'entry 3']);
  });

  test('a failed sync is fatal and tells the core nothing', async () => {
    const told: string[] = [];
    const fatal: unknown[] = [];
    const [log, hardStates] = [new MemoryLogStore(), new MemoryHardState()];
    const callbacks = {
      onDurable: () => undefined,
      onFatal: (error: unknown) => fatal.push(error),
    };
    const writer = new LogWriter(coreThatListens(told), { log, hardStates }, callbacks);
    log.failSync();
    write(writer, makeEntries(undefined, 1, [new Uint8Array(1)]));
    await writer.idle();
    expect(fatal).toMatchObject([{ code: 'FSYNC_FAILED' }]);
    expect(told).toEqual([]);
  });
});

function fail(error: unknown): void {
  throw error;
}
