/** The archiver against a real JetStream: what is in the streams, whatever happens to them. */
import { eventually, NatsServer, TcpProxy } from '@kvstore/testing';
import { FrameKind, SenderRole } from '@kvstore/contract';
import { logIndex, term } from '@kvstore/std';
import { sealMessage } from './archive-message.ts';
import { framesOf, Harness, TestLog } from './log-archive.test-support.ts';

let harness: Harness;

afterEach(async () => {
  await TcpProxy.closeAll();
  await harness.end();
});

describe('with JetStream', () => {
  beforeEach(async () => {
    harness = await Harness.start();
  });

  test('the first epoch begins and its stream holds the log from its first entry on', async () => {
    const log = new TestLog();
    const leader = log.elect();
    log.append(20);
    const running = await harness.archive(leader);
    await harness.level(running, log);
    log.append(500);
    await harness.level(running, log);
    expect(log.epoch).toBe(1);
    await harness.expectWhole(1, log);
    expect(running.events.map(({ kind }) => kind)).toEqual(['stream-created']);
    expect(running.archiver.status()).toMatchObject({ epoch: 1, lagEntries: 0 });
    expect(running.archiver.counters.entries).toBe(log.entries.length);
  });

  test('what has gathered goes into few messages, each below the bound of frames', async () => {
    const log = new TestLog();
    const leader = log.elect();
    log.append(60, 100_000);
    log.append(1, 390_000);
    log.append(10_000, 0);
    const running = await harness.archive(leader);
    await harness.level(running, log);
    const messages = await harness.messages(1);
    const largest = Math.max(...messages.map(bytesOf));
    expect(largest).toBeGreaterThan(300_000);
    expect(largest).toBeLessThan(512 * 1024);
    expect(messages.length).toBeLessThan(60);
    expect(messages.flat()).toHaveLength(log.entries.length);
  });

  test('a new leader goes on where the one before it stopped', async () => {
    const log = new TestLog();
    for (let term = 1; term <= 4; term++) {
      const leader = log.elect();
      log.append(50);
      const running = await harness.archive(leader);
      await harness.level(running, log);
      await running.kill();
    }
    expect(log.epoch).toBe(1);
    await harness.expectWhole(1, log);
  });

  test('nothing is appended by a node that does not lead, and all of it once it leads again', async () => {
    const log = new TestLog();
    const leader = log.elect();
    const running = await harness.archive(leader);
    await harness.level(running, log);
    leader.leads = false;
    await eventually('it is idle', () => running.archiver.status().phase === 'idle');
    const { messages } = running.archiver.counters;
    log.append(10);
    const other = await harness.archive(log.elect());
    await harness.level(other, log);
    expect(running.archiver.counters.messages).toBe(messages);
    await other.kill();
    const again = log.elect();
    const third = await harness.archive(again);
    await harness.level(third, log);
    await harness.expectWhole(1, log);
  });

  test('a leader killed between a publish and its acknowledgement leaves no duplicate', async () => {
    const log = new TestLog();
    const proxy = await TcpProxy.start(harness.server.port);
    const running = await harness.archive(log.elect(), { url: proxy.url });
    await harness.level(running, log);
    proxy.blackHole('to-client');
    log.append(30);
    await eventually('the message is stored', async () => (await lastSequence(1)) === 2);
    await running.kill();
    log.append(10);
    const next = await harness.archive(log.elect());
    await harness.level(next, log);
    await harness.expectWhole(1, log);
  });

  test('a lost acknowledgement is looked up, not repeated', async () => {
    const log = new TestLog();
    const proxy = await TcpProxy.start(harness.server.port);
    const running = await harness.archive(log.elect(), {
      url: proxy.url,
      config: { callTimeoutMs: 100 },
    });
    await harness.level(running, log);
    proxy.blackHole('to-client');
    log.append(30);
    await eventually('the message is stored', async () => (await lastSequence(1)) === 2);
    log.append(5);
    await eventually('the call timed out', () => errors(running).includes('timeout'));
    proxy.heal();
    await harness.level(running, log);
    await harness.expectWhole(1, log);
    expect(running.events.map(({ kind }) => kind)).toEqual([
      'stream-created',
      'unavailable',
      'available',
    ]);
  });

  test('what another leader appended under the same id, and longer, is not overlapped', async () => {
    const log = new TestLog();
    const leader = log.elect();
    const running = await harness.archive(leader, { config: { confirmLossMs: 5_000 } });
    await harness.level(running, log);
    leader.pause();
    const from = log.entries.length;
    log.append(20);
    const sequence = await lastSequence(1);
    await harness.append(1, log.entries.slice(from, from + 15), sequence);
    leader.paused = { ...leader.now(), commitIndex: logIndex(from + 5) };
    await eventually('the id is known', () => running.archiver.counters.misplaced > 0);
    leader.paused = undefined;
    await harness.level(running, log);
    await harness.expectWhole(1, log);
    expect(log.epoch).toBe(1);
  });

  test('two archivers at once write every entry once and begin no epoch', async () => {
    const log = new TestLog();
    const first = await harness.archive(log.elect());
    await harness.level(first, log);
    const second = await harness.archive(log.elect());
    for (let round = 0; round < 60; round++) {
      log.append(1 + (round % 7));
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    await eventually('one of them is level', async () => {
      const stored = await harness.messages(1);
      return stored.flat().length === log.entries.length;
    });
    await harness.expectWhole(1, log);
    expect(log.epoch).toBe(1);
    const misplaced = [first, second].map(({ archiver }) => archiver.counters.misplaced);
    expect(Math.max(...misplaced)).toBeGreaterThan(0);
    expect(first.archiver.counters.losses + second.archiver.counters.losses).toBe(0);
  });

  test('a leader that was paused and leads no longer begins no epoch', async () => {
    const log = new TestLog();
    const old = log.elect();
    const stale = await harness.archive(old, { config: { confirmLossMs: 500 } });
    await harness.level(stale, log);
    old.pause();
    log.append(30);
    const successor = await harness.archive(log.elect());
    await harness.level(successor, log);
    await eventually('it sees a longer stream', () => stale.archiver.status().phase === 'lost');
    old.leads = false;
    await eventually('it is idle', () => stale.archiver.status().phase === 'idle');
    expect(old.proposedAtMs).toHaveLength(1);
    await harness.expectWhole(1, log);
  });

  test('an idle archiver notices that its stream is gone', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    await harness.level(running, log);
    await harness.manager.streams.delete(harness.streamName(1));
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(running, log);
    await harness.expectWhole(2, log);
    expect(losses(running)).toEqual(['missing']);
  });

  test('a stream deleted under load is written anew, from the first entry, in a new epoch', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    const load = setInterval(() => log.append(20, 1_000), 2);
    try {
      await eventually('some is archived', () => running.archiver.counters.entries > 500);
      await harness.manager.streams.delete(harness.streamName(1));
      await eventually('a second epoch', () => log.epoch === 2);
      await eventually('more is archived', () => running.archiver.status().archivedIndex > 1_000);
    } finally {
      clearInterval(load);
    }
    await harness.level(running, log);
    await harness.expectWhole(2, log);
    expect(log.epoch).toBe(2);
  });

  test('a stream that somebody made again under its name is not used', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    log.append(10);
    await harness.level(running, log);
    await makeAgain(1);
    log.append(10);
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(running, log);
    await harness.expectWhole(2, log);
    expect(losses(running)).toEqual(['recreated']);
    expect(await lastSequence(1)).toBe(0);
  });

  test('one made again with as many messages is known by the next leader too', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect(), { config: { inspectPeriodMs: 60_000 } });
    await harness.level(running, log);
    expect(await lastSequence(1)).toBe(1);
    await makeAgain(1);
    await harness.admin.request(harness.subject(1), 'not a frame', { timeout: 1_000 });
    log.append(10);
    await harness.level(running, log);
    expect(await lastSequence(1)).toBe(2);
    await running.kill();
    const next = await harness.archive(log.elect());
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(next, log);
    await harness.expectWhole(2, log);
    expect(losses(next)).toEqual(['recreated']);
  });

  test('a new leader does not use an empty stream either', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    await harness.level(running, log);
    await running.kill();
    await makeAgain(1);
    const next = await harness.archive(log.elect());
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(next, log);
    await harness.expectWhole(2, log);
    expect(losses(next)).toEqual(['emptied']);
  });

  test('the server purges and deletes nothing of a stream, and an emptied one is not used', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    log.append(10);
    await harness.level(running, log);
    const { streams } = harness.manager;
    await expect(streams.purge(harness.streamName(1))).rejects.toMatchObject({ code: 10_110 });
    await expect(streams.deleteMessage(harness.streamName(1), 1)).rejects.toMatchObject({
      code: 10_057,
    });
    await running.kill();
    await makeAgain(1, await harness.messages(1));
    await streams.purge(harness.streamName(1));
    const next = await harness.archive(log.elect());
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(next, log);
    await harness.expectWhole(2, log);
    expect(losses(next)).toEqual(['emptied']);
  });

  test.each([
    ['a message in the midst', (last: number) => Math.ceil(last / 2)],
    ['the first message', () => 1],
    ['the last message', (last: number) => last],
  ])('a stream that lacks %s is not used', async (_, sequenceOf) => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    for (let i = 0; i < 5; i++) {
      log.append(10);
      await harness.level(running, log);
    }
    await running.kill();
    await makeAgain(1, await harness.messages(1));
    const sequence = sequenceOf(await lastSequence(1));
    await harness.manager.streams.deleteMessage(harness.streamName(1), sequence);
    const next = await harness.archive(log.elect());
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(next, log);
    await harness.expectWhole(2, log);
    expect(losses(next)).toEqual(['holes']);
  });

  test('a stream in which somebody else has written is not used', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    await harness.level(running, log);
    await harness.admin.request(harness.subject(1), 'not a frame', { timeout: 1_000 });
    log.append(10);
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(running, log);
    await harness.expectWhole(2, log);
    expect(losses(running)).toEqual(['foreign-message']);
  });

  test('a message of ours that somebody copied to the end is not taken for the end', async () => {
    const log = new TestLog();
    const leader = log.elect();
    log.append(20);
    const running = await harness.archive(leader);
    await harness.level(running, log);
    log.append(20);
    await harness.level(running, log);
    const [old] = await harness.messages(1);
    // Under an id of its own: by its own one the server would drop it as a duplicate.
    await harness.append(1, old ?? [], await lastSequence(1), 'copied');
    log.append(20);
    await harness.level(running, log);
    expect(log.epoch).toBe(2);
    expect(losses(running)).toEqual(['foreign-message']);
    await harness.expectWhole(2, log);
  });

  test('an authentic frame of another kind, or of another cluster, is somebody else’s', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    await harness.level(running, log);
    const frames = framesOf(SenderRole.consensus, 'node-2');
    const live = frames.seal(FrameKind.live, term(1), new Uint8Array(10));
    await harness.admin.request(harness.subject(1), live, { timeout: 1_000 });
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(running, log);
    expect(losses(running)).toEqual(['foreign-message']);
  });

  test('the streams of a cluster of the same name with another history are left alone', async () => {
    const before = new TestLog(1);
    const first = await harness.archive(before.elect());
    before.append(5);
    await harness.level(first, before);
    await first.kill();
    const held = await harness.messages(1);

    const log = new TestLog(2);
    const leader = log.elect();
    log.append(50);
    const running = await harness.archive(leader);
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(running, log);
    await harness.expectWhole(2, log);
    expect(losses(running)).toEqual(['other-chain']);
    expect(await harness.messages(1)).toEqual(held);
  });

  test('a stream that goes on beyond the committed log is not used', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    await harness.level(running, log);
    await running.kill();
    const future = log.entries.length + 100;
    const entries = [{ ...log.entries.at(-1), index: future }] as typeof log.entries;
    await harness.append(1, entries, await lastSequence(1));
    const next = await harness.archive(log.elect());
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(next, log);
    expect(losses(next)).toEqual(['ahead']);
  });

  test('a stream whose subject was taken away is not used', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    await harness.level(running, log);
    await harness.manager.streams.update(harness.streamName(1), { subjects: ['elsewhere'] });
    log.append(10);
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(running, log);
    await harness.expectWhole(2, log);
    expect(losses(running)).toEqual(['diverted']);
  });

  test('the name of a new epoch that is taken costs one epoch more', async () => {
    const log = new TestLog();
    await harness.manager.streams.add({
      name: harness.streamName(1),
      subjects: ['somebody.elses'],
    });
    const running = await harness.archive(log.elect());
    await eventually('a second epoch', () => log.epoch === 2);
    await harness.level(running, log);
    await harness.expectWhole(2, log);
    expect(losses(running)).toEqual(['diverted']);
  });

  test('a server killed and started again costs neither an epoch nor an entry', async () => {
    const log = new TestLog();
    const running = await harness.archive(log.elect());
    const load = setInterval(() => log.append(20, 1_000), 2);
    try {
      for (let kill = 0; kill < 3; kill++) {
        const { entries } = running.archiver.counters;
        await eventually(
          'more is archived',
          () => running.archiver.counters.entries > entries + 200,
        );
        await harness.server.restart();
      }
    } finally {
      clearInterval(load);
    }
    await harness.level(running, log);
    await harness.expectWhole(1, log);
    expect(running.archiver.counters.losses).toBe(0);
  });

  test('whatever destroys every stream makes it begin no epoch before the pause is over', async () => {
    const log = new TestLog();
    const leader = log.elect();
    const running = await harness.archive(leader, {
      config: { epochPauseMsMin: 300, epochPauseMsMax: 100_000 },
    });
    for (let epoch = 1; epoch <= 3; epoch++) {
      await eventually(`epoch ${epoch} is in force`, () => log.epoch === epoch);
      await harness.level(running, log);
      await harness.manager.streams.delete(harness.streamName(epoch));
    }
    const [first = 0, second = 0, third = 0] = leader.proposedAtMs;
    expect(second - first).toBeGreaterThan(250);
    expect(third - second).toBeGreaterThan(550);
  });

  test('stopping is quick, also while a call is under way', async () => {
    const log = new TestLog();
    const proxy = await TcpProxy.start(harness.server.port);
    const running = await harness.archive(log.elect(), {
      url: proxy.url,
      config: { callTimeoutMs: 20_000 },
    });
    await harness.level(running, log);
    proxy.blackHole();
    const { messages } = running.archiver.counters;
    const { outMsgs } = running.connection.stats();
    log.append(1);
    await eventually('it calls', () => running.connection.stats().outMsgs > outMsgs);
    const before = performance.now();
    await running.archiver.stop();
    expect(performance.now() - before).toBeLessThan(1_500);
    expect(running.archiver.status().phase).toBe('stopped');
    expect(running.archiver.counters.messages).toBe(messages);
  });
});

test('a JetStream without space is awaited: no epoch is begun and nothing is lost', async () => {
  const limited = (bytes: number): string =>
    `jetstream { max_file_store: ${bytes}, max_memory_store: 1048576 }`;
  harness = await Harness.start({ config: limited(1024 * 1024) });
  const log = new TestLog();
  const leader = log.elect();
  log.append(40, 100_000);
  const running = await harness.archive(leader);
  await eventually('it is full', () => (running.archiver.counters.errors.get('refused') ?? 0) > 3);
  const { archivedIndex } = running.archiver.status();
  log.append(10);
  await eventually('tried again', () => (running.archiver.counters.errors.get('refused') ?? 0) > 6);
  expect(running.archiver.status()).toMatchObject({ phase: 'unavailable' });
  expect(running.events.map(({ kind }) => kind)).toEqual(['stream-created', 'unavailable']);
  expect(log.epoch).toBe(1);
  const { archive } = await harness.reader();
  const read = await archive.read(1, logIndex(1), 1_000_000);
  expect(read.length).toBeGreaterThan(0);
  expect(read.length).toBeLessThanOrEqual(archivedIndex + 10);
  expect(running.archiver.counters.losses).toBe(0);
});

test('without JetStream it says so once, begins no epoch, and archives when there is one', async () => {
  harness = await Harness.start({ jetstream: false });
  const log = new TestLog();
  const running = await harness.archive(log.elect());
  await eventually(
    'it tried often',
    () => (running.archiver.counters.errors.get('not-enabled') ?? 0) > 5,
  );
  expect(running.events).toMatchObject([{ kind: 'unavailable', error: 'not-enabled' }]);
  expect(log.epoch).toBe(0);
  expect(running.archiver.status().phase).toBe('unavailable');

  const { port } = harness.server;
  await harness.server.kill();
  const replacement = await NatsServer.start({ jetstream: true, port });
  await harness.level(running, log);
  await replacement.end();
  expect(running.events.map(({ kind }) => kind)).toEqual([
    'unavailable',
    'available',
    'stream-created',
  ]);
  expect(log.epoch).toBe(1);
});

async function lastSequence(epoch: number): Promise<number> {
  const { state } = await harness.manager.streams.info(harness.streamName(epoch));
  return state.last_seq;
}

/** Deletes the stream and makes one that looks like it, with these messages, and lets anyone purge it. */
async function makeAgain(
  epoch: number,
  messages: Awaited<ReturnType<Harness['messages']>> = [],
): Promise<void> {
  const { streams } = harness.manager;
  const name = harness.streamName(epoch);
  await streams.delete(name);
  await streams.add({ name, subjects: [harness.subject(epoch)] });
  const frames = framesOf(SenderRole.consensus, 'node-1');
  for (const entries of messages) {
    const frame = sealMessage(frames, term(1), entries);
    await harness.admin.request(harness.subject(epoch), frame, { timeout: 1_000 });
  }
}

type Running = Awaited<ReturnType<Harness['archive']>>;

function losses({ events }: Running): readonly string[] {
  return events.flatMap((event) => (event.kind === 'stream-lost' ? [event.loss] : []));
}

function errors({ archiver }: Running): readonly string[] {
  return [...archiver.counters.errors.keys()];
}

function bytesOf(entries: readonly { readonly body: Uint8Array }[]): number {
  return entries.reduce((bytes, { body }) => bytes + body.length + 29, 200);
}
