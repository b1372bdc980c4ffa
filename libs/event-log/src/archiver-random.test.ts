/**
 * Whatever interrupts archiver, connection, server and stream, in whatever order: at the end the
 * stream of the newest epoch holds exactly the committed log, and a reader gets it back.
 */
import { type LogEntry, Limits } from '@kvstore/contract';
import { logIndex, SeededRandom } from '@kvstore/std';
import { eventually, TcpProxy } from '@kvstore/testing';
import {
  Harness,
  type RunningArchiver,
  TestLog,
  type TestLeader,
} from './log-archive.test-support.ts';

const FIXED = [1, 2, 3, 4];
const seeds = process.env['SEED'] === undefined ? FIXED : [Number(process.env['SEED'])];
const STEPS = 25;

afterEach(() => TcpProxy.closeAll());

test.each(seeds)('random interruptions leave the newest stream whole (seed %i)', async (seed) => {
  const run = await Run.start(seed);
  try {
    for (let step = 0; step < STEPS; step++) await run.step();
    await run.settle();
  } finally {
    await run.end();
  }
});

interface Member {
  readonly leader: TestLeader;
  readonly running: RunningArchiver;
}

class Run {
  readonly harness: Harness;
  readonly #random: SeededRandom;
  readonly #log = new TestLog();
  readonly #proxy: TcpProxy;
  readonly #load: NodeJS.Timeout;
  #members: Member[] = [];

  private constructor(harness: Harness, proxy: TcpProxy, seed: number) {
    this.harness = harness;
    this.#proxy = proxy;
    this.#random = new SeededRandom(seed);
    this.#load = setInterval(() => this.#log.append(this.#random.below(20), 300), 3);
  }

  static async start(seed: number): Promise<Run> {
    const harness = await Harness.start();
    const run = new Run(harness, await TcpProxy.start(harness.server.port), seed);
    await run.#elect();
    return run;
  }

  async step(): Promise<void> {
    const actions = [
      () => this.#elect(),
      () => this.#killLeader(),
      () => this.#pauseLeader(),
      () => this.#restartServer(),
      () => this.#breakNetwork(),
      () => this.#breakNetwork(),
      () => this.#deleteStream(),
      () => this.#makeStreamAgain(),
      () => this.#writeForeignMessage(),
      () => this.#archiveForAnother(),
    ];
    await actions[this.#random.below(actions.length)]?.();
    await sleep(this.#random.below(60));
  }

  /** Ends every interruption and waits until one leader has archived everything. */
  async settle(): Promise<void> {
    clearInterval(this.#load);
    this.#proxy.heal();
    const leader = await this.#elect();
    await this.harness.level(leader, this.#log, 20_000);
    await this.harness.expectWhole(this.#log.epoch, this.#log);
    await this.#expectReadBack();
  }

  async end(): Promise<void> {
    clearInterval(this.#load);
    await this.harness.end();
  }

  async #expectReadBack(): Promise<void> {
    const { archive } = await this.harness.reader();
    const read: LogEntry[] = [];
    while (read.length < this.#log.entries.length) {
      const from = logIndex(read.length + 1);
      const entries = await archive.read(this.#log.epoch, from, Limits.entryBytesMax);
      expect(entries[0]?.index).toBe(from);
      read.push(...entries);
    }
    expect(read.map(({ chain }) => chain)).toEqual(this.#log.entries.map(({ chain }) => chain));
  }

  /** Those that led before go on believing it for a while, without seeing anything new. */
  async #elect(): Promise<RunningArchiver> {
    for (const { leader } of this.#members) if (leader.paused === undefined) leader.pause();
    const demoted = this.#members;
    this.#members = [];
    setTimeout(() => demoted.forEach(({ leader }) => (leader.leads = false)), 30);
    const leader = this.#log.elect();
    const config = { callTimeoutMs: 150, confirmLossMs: 60 };
    const running = await this.harness.archive(leader, { url: this.#proxy.url, config });
    this.#members.push({ leader, running });
    return running;
  }

  async #killLeader(): Promise<void> {
    await this.#members[0]?.running.kill();
    await this.#elect();
  }

  async #pauseLeader(): Promise<void> {
    const leader = this.#members[0]?.leader;
    leader?.pause();
    await sleep(this.#random.below(100));
    if (leader !== undefined) leader.paused = undefined;
  }

  async #restartServer(): Promise<void> {
    await this.harness.server.restart();
    await eventually('the admin is back', () =>
      this.harness.admin.flush().then(
        () => true,
        () => false,
      ),
    );
  }

  async #breakNetwork(): Promise<void> {
    const faults = [
      () => this.#proxy.blackHole(),
      () => this.#proxy.blackHole('to-client'),
      () => this.#proxy.blackHole('to-server'),
      () => this.#proxy.delay(this.#random.below(200)),
      () => this.#proxy.cut(),
    ];
    faults[this.#random.below(faults.length)]?.();
    await sleep(this.#random.below(300));
    this.#proxy.heal();
  }

  async #deleteStream(): Promise<void> {
    const name = this.harness.streamName(this.#log.epoch);
    await this.harness.manager.streams.delete(name).catch(() => undefined);
  }

  async #makeStreamAgain(): Promise<void> {
    const { epoch } = this.#log;
    await this.#deleteStream();
    const name = this.harness.streamName(epoch);
    const subjects = [this.harness.subject(epoch)];
    await this.harness.manager.streams.add({ name, subjects }).catch(() => undefined);
  }

  async #writeForeignMessage(): Promise<void> {
    const subject = this.harness.subject(this.#log.epoch);
    await this.harness.admin.request(subject, 'foreign', { timeout: 500 }).catch(() => undefined);
  }

  /** A valid append that no archiver here has made, as by a leader that was paused in the midst. */
  async #archiveForAnother(): Promise<void> {
    const { epoch, entries } = this.#log;
    const stored = await this.harness.messages(epoch).catch(() => []);
    if (stored.some(({ length }) => length === 0)) return;
    const next = stored.flat().at(-1)?.index ?? 0;
    const some = entries.slice(next, next + 1 + this.#random.below(50));
    if (stored.length === 0 || some.length === 0) return;
    await this.harness.append(epoch, some, stored.length).catch(() => undefined);
  }
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
