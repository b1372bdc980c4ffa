/**
 * Runs the scripts in `testdata/*.txt`: commands, `----`, what happened. `REWRITE=1` writes what
 * happens now; look at every difference before it is kept.
 *
 * Time does not pass and messages do not move unless a command says so. The timeout of every replica
 * is 2 × 10 − 1 ticks, heartbeats leave every 2. Disks complete at once, except under `disk … slow`.
 *
 *   cluster 3 [append-bytes=] [inflight-bytes=] [uncommitted-bytes=] [tail-bytes=] [log.n1=1,1,2] [term.n1=3]
 *   campaign n1          others go past their protection of a leader, n1 past its timeout
 *   campaign n1 alone    time passes for n1 only
 *   tick n1|all [count]  ·  propose n1 body [count]  ·  read n1 context
 *   deliver [n1->n2 …]   everything under way, or on these links, once
 *   drop [n1->n2 …]      ·  repeat n1->n2: what was delivered last on a link comes again
 *   stabilize [n1 n2 …]  deliver among these (all) until nothing moves
 *   cut n1-n2 …|n1->n2   ·  heal: messages on a cut link are lost
 *   disk n1 slow|fast    ·  disk n1 write [count]: that many writes become durable
 *   crash n1  ·  start n1  ·  status [n1]  ·  log [n1]
 *
 * Commands on one line, joined by `;`, happen in one turn: what they make ready is taken once.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeUtf8, encodeUtf8, term, type NodeId } from '@kvstore/std';
import { logOf } from '../testdata/entries.ts';
import { nodeIds, positionAt, SimulatedReplica } from '../testdata/replica.ts';
import type { Entry } from './entry.ts';
import type { Message } from './message.ts';
import type { RaftNode } from './raft-node.ts';
import type { Ready } from './ready.ts';

const FOLDER = join(import.meta.dirname, '../testdata');
const ELECTION_TICKS = 10;
const NEVER = 1_000;

class Script {
  readonly #replicas = new Map<string, SimulatedReplica>();
  readonly #slow = new Set<string>();
  readonly #cut = new Set<string>();
  readonly #lastOn = new Map<string, Message>();
  #underWay: Message[] = [];
  #out: string[] = [];

  run(commands: readonly string[]): string {
    this.#out = [];
    for (const command of commands) {
      try {
        for (const part of command.split(';')) this.#execute(part.trim());
        this.#settle();
      } catch (error) {
        this.#say(`${command}: ${(error as Error).name}: ${(error as Error).message}`);
      }
    }
    return this.#out.length === 0 ? 'ok' : this.#out.join('\n');
  }

  #execute(command: string): void {
    const [verb = '', ...args] = command.split(/\s+/);
    const [first = '', second = ''] = args;
    switch (verb) {
      case 'cluster':
        return this.#cluster(Number(first), new Map(args.slice(1).map(option)));
      case 'campaign':
        return this.#campaign(first, second === 'alone');
      case 'tick':
        for (let i = 0; i < Number(args[1] ?? 1); i++) {
          for (const id of first === 'all' ? this.#running() : [first]) this.#node(id).tick();
          this.#settle();
        }
        return;
      case 'propose':
        for (let i = 0; i < Number(args[2] ?? 1); i++) {
          const outcome = this.#node(first).propose(encodeUtf8(second));
          if (outcome.kind === 'overloaded') this.#say(`${first} overloaded`);
          if (outcome.kind === 'not-leader')
            this.#say(`${first} not leader: ${outcome.leader ?? '-'}`);
        }
        return;
      case 'read': {
        const outcome = this.#node(first).requestRead(Number(second));
        if (outcome !== 'pending') this.#say(`${first} read ${second}: ${outcome}`);
        return;
      }
      case 'deliver':
        return this.#deliver(this.#take(args));
      case 'drop':
        for (const message of this.#take(args)) this.#say(`lost ${show(message)}`);
        return;
      case 'repeat':
        return this.#deliver([this.#lastOn.get(first) as Message]);
      case 'stabilize':
        return this.#stabilize(args);
      case 'cut':
        for (const link of args.flatMap(directions)) this.#cut.add(link);
        return;
      case 'heal':
        return this.#cut.clear();
      case 'disk':
        if (second === 'slow') this.#slow.add(first);
        if (second === 'fast') this.#slow.delete(first);
        if (second === 'write') {
          for (let i = 0; i < Number(args[2] ?? 1); i++) this.#replica(first).completeWrite();
        }
        return;
      case 'crash':
        return this.#replica(first).crash();
      case 'start':
        return this.#replica(first).start();
      case 'status':
        for (const id of args.length > 0 ? args : this.#running()) this.#status(id);
        return;
      case 'log':
        for (const id of args.length > 0 ? args : this.#replicas.keys()) this.#showLog(id);
        return;
      default:
        throw new Error(`unknown command ${verb}`);
    }
  }

  #cluster(count: number, options: ReadonlyMap<string, string>): void {
    const voters = nodeIds(count);
    for (const id of voters) {
      const replica = new SimulatedReplica(
        {
          id,
          voters,
          electionTicks: ELECTION_TICKS,
          heartbeatTicks: 2,
          random: { below: (bound) => bound - 1 },
          openingBody: () => new Uint8Array(0),
          appendBytesMax: Number(options.get('append-bytes') ?? 4096),
          inflightBytesMax: Number(options.get('inflight-bytes') ?? 65536),
          uncommittedBytesMax: Number(options.get('uncommitted-bytes') ?? 65536),
          tailBytesMax: Number(options.get('tail-bytes') ?? 65536),
        },
        { onReady: (of, ready) => this.#onReady(of.id, ready) },
      );
      for (const entry of logOf(...terms(options.get(`log.${id}`) ?? ''))) replica.disk.push(entry);
      const lastTerm = positionAt(replica.disk, replica.disk.length).term;
      replica.hardState = {
        term: term(Number(options.get(`term.${id}`) ?? lastTerm)),
        vote: undefined,
      };
      replica.start();
      this.#replicas.set(id, replica);
    }
  }

  #campaign(id: string, alone: boolean): void {
    for (const other of this.#running()) {
      if (other === id || alone) continue;
      const node = this.#node(other);
      for (let i = 0; i < ELECTION_TICKS && node.status().role !== 'leader'; i++) node.tick();
    }
    for (let i = 0; i < 2 * ELECTION_TICKS - 1; i++) this.#node(id).tick();
  }

  /** Takes every `Ready` and completes the writes and loads of fast disks, until nothing is left. */
  #settle(): void {
    for (let moved = true; moved;) {
      moved = false;
      for (const [id, replica] of this.#replicas) {
        replica.pump();
        while (replica.completeLoad()) moved = true;
        while (!this.#slow.has(id) && replica.completeWrite()) moved = true;
        replica.pump();
      }
    }
  }

  #onReady(id: NodeId, ready: Ready): void {
    this.#underWay.push(...ready.messages);
    const { softState, commitIndex, committed } = ready;
    if (softState !== undefined) {
      this.#say(`${id} ${softState.role} term=${softState.term} leader=${softState.leader ?? '-'}`);
    }
    for (const load of ready.loads) this.#say(`${id} load for ${load.to} from ${load.from}`);
    if (commitIndex !== undefined) {
      this.#say(
        `${id} commit ${commitIndex}${committed.length > 0 ? ` (${bodies(committed)})` : ''}`,
      );
    }
    for (const read of ready.reads) this.#say(`${id} read ${read.context} at ${read.index}`);
    for (const context of ready.abandonedReads) this.#say(`${id} read ${context} abandoned`);
  }

  #take(links: readonly string[]): Message[] {
    const wanted = (message: Message): boolean =>
      links.length === 0 || links.includes(`${message.from}->${message.to}`);
    const taken = this.#underWay.filter(wanted);
    this.#underWay = this.#underWay.filter((message) => !wanted(message));
    return taken;
  }

  #deliver(messages: readonly Message[]): void {
    for (const message of messages) {
      const link = `${message.from}->${message.to}`;
      const target = this.#replica(message.to).node;
      if (target === undefined || this.#cut.has(link)) {
        this.#say(`lost ${show(message)}`);
        continue;
      }
      this.#say(show(message));
      this.#lastOn.set(link, message);
      target.step(message);
      this.#settle();
    }
  }

  #stabilize(ids: readonly string[]): void {
    const among = (message: Message): boolean =>
      ids.length === 0 || (ids.includes(message.from) && ids.includes(message.to));
    for (let round = 0; round < NEVER; round++) {
      this.#settle();
      const batch = this.#underWay.filter(among);
      if (batch.length === 0) return;
      this.#underWay = this.#underWay.filter((message) => !among(message));
      this.#deliver(batch);
    }
    throw new Error('the cluster does not come to rest');
  }

  #status(id: string): void {
    const status = this.#node(id).status();
    const { role, leader, commitIndex, lastIndex, durableIndex } = status;
    const match = status.progress.map((of) => `${of.node}:${of.matchIndex}`).join(' ');
    this.#say(
      `${id} ${role} term=${status.term} leader=${leader ?? '-'} commit=${commitIndex} ` +
        `durable=${durableIndex} last=${lastIndex}${match === '' ? '' : ` match=${match}`}`,
    );
  }

  #showLog(id: string): void {
    const { log } = this.#replica(id);
    this.#say(`${id} ${log.map((entry) => `${entry.term}${body(entry)}`).join(' ') || 'empty'}`);
  }

  #running(): string[] {
    return [...this.#replicas.values()].filter((r) => r.node !== undefined).map((r) => r.id);
  }

  #replica(id: string): SimulatedReplica {
    const replica = this.#replicas.get(id);
    if (replica === undefined) throw new Error(`no replica ${id}`);
    return replica;
  }

  #node(id: string): RaftNode {
    const { node } = this.#replica(id);
    if (node === undefined) throw new Error(`${id} is crashed`);
    return node;
  }

  #say(line: string): void {
    this.#out.push(line);
  }
}

function option(text: string): [string, string] {
  const [name = '', value = ''] = text.split('=');
  return [name, value];
}

function directions(link: string): string[] {
  if (link.includes('->')) return [link];
  const [a = '', b = ''] = link.split('-');
  return [`${a}->${b}`, `${b}->${a}`];
}

/** `1,1,2`: entries of these terms. */
function terms(text: string): number[] {
  return text === '' ? [] : text.split(',').map(Number);
}

function body(entry: Entry): string {
  return entry.body.length === 0 ? '' : `:${decodeUtf8(entry.body)}`;
}

function bodies(entries: readonly Entry[]): string {
  return entries.map((entry) => `${entry.index}/${entry.term}${body(entry)}`).join(' ');
}

function show(message: Message): string {
  const head = `${message.from}->${message.to} t${message.term}`;
  switch (message.kind) {
    case 'pre-vote-request':
    case 'vote-request':
      return `${head} ${message.kind} last=${message.lastIndex}/${message.lastTerm}`;
    case 'pre-vote-response':
    case 'vote-response':
      return `${head} ${message.kind} ${message.granted ? 'granted' : 'rejected'}`;
    case 'append-request':
      return (
        `${head} append after ${message.previousIndex}/${message.previousTerm} ` +
        `[${bodies(message.entries)}] commit=${message.commitIndex}`
      );
    case 'append-response': {
      const { result } = message;
      if (result.kind === 'accepted') return `${head} accepted match=${result.matchIndex}`;
      return `${head} rejected ${result.rejectedIndex} hint=${result.hintIndex}/${result.hintTerm}`;
    }
    case 'heartbeat-request':
      return `${head} heartbeat commit=${message.commitIndex} round=${message.readRound}`;
    case 'heartbeat-response':
      return `${head} heartbeat-response round=${message.readRound}`;
  }
}

interface Block {
  readonly comments: readonly string[];
  readonly commands: readonly string[];
  readonly expected: string;
}

function parse(text: string): Block[] {
  const blocks: Block[] = [];
  for (const part of text.split(/\n\n+/).filter((block) => block.trim() !== '')) {
    const lines = part.trim().split('\n');
    const rule = lines.indexOf('----');
    const input = rule < 0 ? lines : lines.slice(0, rule);
    blocks.push({
      comments: input.filter((line) => line.startsWith('#')),
      commands: input.filter((line) => !line.startsWith('#')),
      expected: rule < 0 ? '' : lines.slice(rule + 1).join('\n'),
    });
  }
  return blocks;
}

describe('scripts of whole clusters', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

  test.each(files)('%s', (name) => {
    const path = join(FOLDER, name);
    const script = new Script();
    const blocks = parse(readFileSync(path, 'utf8'));
    expect(blocks.length).toBeGreaterThan(0);
    const rewritten: string[] = [];
    for (const { comments, commands, expected } of blocks) {
      const actual = commands.length === 0 ? '' : script.run(commands);
      const lines = commands.length === 0 ? comments : [...comments, ...commands, '----', actual];
      rewritten.push(lines.join('\n'));
      if (process.env['REWRITE'] === undefined) {
        expect({ commands, happened: actual }).toEqual({ commands, happened: expected });
      }
    }
    if (process.env['REWRITE'] !== undefined) writeFileSync(path, `${rewritten.join('\n\n')}\n`);
  });
});
