/**
 * The language of the scripts in `testdata/*.txt`: commands on whole clusters, and what they say.
 *
 * Time does not pass and messages do not move unless a command says so. The timeout of every replica
 * is 2 × 10 − 1 ticks of 10 ms, heartbeats leave every 2. Disks complete at once, except under
 * `disk … slow`.
 *
 *   cluster 3 [append-bytes=] [inflight-bytes=] [inflight-appends=] [uncommitted-bytes=] [tail-bytes=]
 *             [yield-ticks=] [voters=n1,n2] [learners=] [joining=] [priority.n1=5]
 *             [log.n1=1,1,2] [term.n1=3]
 *   add-node n4          a replica with an empty disk that was told of no configuration
 *   campaign n1          others go past their protection of a leader, n1 past its timeout
 *   campaign n1 alone    time passes for n1 only
 *   tick n1|all [count]  ·  propose n1 body [count]  ·  read n1 context  ·  lease n1
 *   change n1 add-voter n4, remove n3  ·  change n1 promote n4  ·  transfer n1 n2
 *   storage n1|all n4 7  the storage of n4 holds 7 durably, as n1 is told
 *   compact n1 7         the log of n1 is cut up to 7
 *   deliver [n1->n2 …]   everything under way, or on these links, once
 *   drop [n1->n2 …]      ·  repeat n1->n2: what was delivered last on a link comes again
 *   stabilize [n1 n2 …]  deliver among these (all) until nothing moves
 *   quiet …              what the command says is not shown, but for errors
 *   cut n1-n2 …|n1->n2   ·  heal: messages on a cut link are lost
 *   disk n1 slow|fast    ·  disk n1 write [count]: that many writes become durable
 *   damage n1 4          n1, which is down, has lost what is above 4
 *   crash n1  ·  start n1  ·  status [n1]  ·  log [n1]  ·  config [n1]  ·  dropped n1
 *
 * Commands on one line, joined by `;`, happen in one turn: what they make ready is taken once.
 */
import { decodeUtf8, encodeUtf8, logIndex, nodeId, term, type NodeId } from '@kvstore/std';
import { EntryKind, NO_CONFIGURATION } from '../src/index.ts';
import type { Change, Configuration, Entry, Message, RaftNode, Ready } from '../src/index.ts';
import { jsonConfigurations, showConfiguration } from './configurations.ts';
import { ELECTION_TICKS, testConfig, TICK_MS } from './driven-node.ts';
import { logOf } from './entries.ts';
import { nodeIds, SimulatedReplica } from './replica.ts';

const NEVER = 1_000;

export class Script {
  readonly #replicas = new Map<string, SimulatedReplica>();
  readonly #slow = new Set<string>();
  readonly #cut = new Set<string>();
  readonly #lastOn = new Map<string, Message>();
  #options: ReadonlyMap<string, string> = new Map();
  #underWay: Message[] = [];
  #out: string[] = [];
  #nowMs = 0;

  run(commands: readonly string[]): string {
    this.#out = [];
    for (const line of commands) {
      const isQuiet = line.startsWith('quiet ');
      const before = this.#out.length;
      try {
        for (const part of line.replace('quiet ', '').split(';')) this.#execute(part.trim());
        this.#settle();
        if (isQuiet) this.#out.length = before;
      } catch (error) {
        this.#say(`${line}: ${(error as Error).name}: ${(error as Error).message}`);
      }
    }
    return this.#out.length === 0 ? 'ok' : this.#out.join('\n');
  }

  #execute(command: string): void {
    const [verb = '', ...args] = command.split(/\s+/);
    const [first = '', second = '', third = ''] = args;
    switch (verb) {
      case 'cluster':
        this.#options = new Map(args.slice(1).map(option));
        return this.#cluster(Number(first));
      case 'add-node':
        return this.#addNode(nodeId(first), NO_CONFIGURATION);
      case 'campaign':
        return this.#campaign(first, second === 'alone');
      case 'tick':
        return this.#ticks(first, Number(args[1] ?? 1));
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
        return this.#disk(first, second, Number(args[2] ?? 1));
      case 'compact':
        return this.#replica(first).cutTo(Number(second));
      case 'crash':
        return this.#replica(first).crash();
      case 'damage':
        return this.#replica(first).damage(Number(second));
      case 'start':
        return this.#replica(first).start();
      case 'storage':
        for (const id of this.#which(first)) {
          this.#node(id).storageDurable(nodeId(second), logIndex(Number(third)));
        }
        return;
      default:
        if (!this.#ask(verb, args) && !this.#show(verb, args)) {
          throw new Error(`unknown command ${verb}`);
        }
    }
  }

  /** What a node is asked to do. Returns false for other commands. */
  #ask(verb: string, args: readonly string[]): boolean {
    const [id = '', second = '', third] = args;
    switch (verb) {
      case 'propose':
        for (let i = 0; i < Number(third ?? 1); i++) this.#propose(id, second);
        return true;
      case 'read': {
        const outcome = this.#node(id).requestRead(Number(second));
        if (outcome !== 'pending') this.#say(`${id} read ${second}: ${outcome}`);
        return true;
      }
      case 'lease': {
        const index = this.#node(id).leaseRead(this.#nowMs);
        this.#say(`${id} ${index === undefined ? 'has no lease' : `lease read at ${index}`}`);
        return true;
      }
      case 'change': {
        const changes = args.slice(1).join(' ').split(', ').map(changeOf);
        const outcome = this.#node(id).changeMembers(changes);
        if (outcome.kind === 'refused') this.#say(`${id} change refused: ${outcome.reason}`);
        if (outcome.kind === 'not-leader') this.#say(`${id} not leader: ${outcome.leader ?? '-'}`);
        return true;
      }
      case 'transfer': {
        const outcome = this.#node(id).transferLeadership(nodeId(second));
        if (outcome !== 'started') this.#say(`${id} transfer refused: ${outcome}`);
        return true;
      }
      default:
        return false;
    }
  }

  #show(verb: string, args: readonly string[]): boolean {
    const ids = args.length > 0 ? args : this.#running();
    switch (verb) {
      case 'status':
        for (const id of ids) this.#status(id);
        return true;
      case 'log':
        for (const id of args.length > 0 ? args : this.#replicas.keys()) this.#showLog(id);
        return true;
      case 'config':
        for (const id of ids) {
          const { index, configuration } = this.#node(id).status().configuration;
          this.#say(`${id} since ${index}: ${showConfiguration(configuration)}`);
        }
        return true;
      case 'dropped':
        for (const id of ids) {
          const dropped = Object.entries(this.#node(id).status().dropped);
          const counts = dropped.filter(([, count]) => count > 0);
          this.#say(`${id} dropped ${counts.map((each) => each.join('=')).join(' ') || 'nothing'}`);
        }
        return true;
      default:
        return false;
    }
  }

  #propose(id: string, text: string): void {
    const outcome = this.#node(id).propose(encodeUtf8(text));
    if (outcome.kind === 'overloaded') this.#say(`${id} overloaded`);
    if (outcome.kind === 'not-leader') this.#say(`${id} not leader: ${outcome.leader ?? '-'}`);
    if (outcome.kind === 'transferring') this.#say(`${id} transferring to ${outcome.to}`);
  }

  #disk(id: string, what: string, count: number): void {
    if (what === 'slow') this.#slow.add(id);
    if (what === 'fast') this.#slow.delete(id);
    if (what === 'write') for (let i = 0; i < count; i++) this.#replica(id).completeWrite();
  }

  #cluster(count: number): void {
    const ids = nodeIds(count);
    const list = (name: string): readonly NodeId[] =>
      this.#options.get(name)?.split(',').map(nodeId) ?? [];
    const voters = this.#options.has('voters') ? list('voters') : ids;
    const configuration: Configuration = {
      voters,
      outgoing: [],
      learners: list('learners'),
      joining: list('joining'),
      removed: [],
      priorities: ids.flatMap((node) => {
        const priority = Number(this.#options.get(`priority.${node}`) ?? 0);
        return priority === 0 ? [] : [{ node, priority }];
      }),
      disks: [],
    };
    for (const id of ids) this.#addNode(id, configuration);
  }

  #addNode(id: NodeId, configuration: Configuration): void {
    const number = (name: string, otherwise: number): number =>
      Number(this.#options.get(name) ?? otherwise);
    const replica = new SimulatedReplica(
      {
        ...testConfig(id),
        heartbeatTicks: 2,
        random: { below: (bound) => bound - 1 },
        yieldTicks: number('yield-ticks', 0),
        appendBytesMax: number('append-bytes', 4096),
        inflightBytesMax: number('inflight-bytes', 65_536),
        inflightAppendsMax: number('inflight-appends', 1000),
        uncommittedBytesMax: number('uncommitted-bytes', 65_536),
        tailBytesMax: number('tail-bytes', 65_536),
      },
      configuration,
      { onReady: (of, ready) => this.#onReady(of.id, ready) },
    );
    replica.disk.entries.push(...logOf(...terms(this.#options.get(`log.${id}`) ?? '')));
    const hardTerm = number(`term.${id}`, replica.disk.last.term);
    replica.hardState = { term: term(hardTerm), vote: undefined };
    replica.start();
    this.#replicas.set(id, replica);
  }

  #ticks(which: string, count: number): void {
    for (let i = 0; i < count; i++) {
      this.#nowMs += TICK_MS;
      for (const id of this.#which(which)) this.#node(id).tick(this.#nowMs);
      this.#settle();
    }
  }

  #which(which: string): readonly string[] {
    return which === 'all' ? this.#running() : [which];
  }

  #campaign(id: string, alone: boolean): void {
    for (const other of this.#running()) {
      if (other === id || alone) continue;
      const node = this.#node(other);
      for (let i = 0; i < ELECTION_TICKS && node.status().role !== 'leader'; i++) {
        node.tick(this.#nowMs);
      }
    }
    for (let i = 0; i < 2 * ELECTION_TICKS - 1; i++) this.#node(id).tick(this.#nowMs);
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
    const { softState, commitIndex, committed, install, configuration } = ready;
    if (softState !== undefined) {
      this.#say(`${id} ${softState.role} term=${softState.term} leader=${softState.leader ?? '-'}`);
    }
    if (install !== undefined) this.#say(`${id} installs ${showPosition(install.position)}`);
    if (configuration !== undefined) {
      const { index, configuration: of } = configuration;
      this.#say(`${id} configuration ${index}: ${showConfiguration(of)}`);
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
    const base = status.baseIndex === 0 ? '' : ` base=${status.baseIndex}`;
    const cut = status.cutPoint === 0 ? '' : ` cut-point=${status.cutPoint}`;
    this.#say(
      `${id} ${role} term=${status.term} leader=${leader ?? '-'} commit=${commitIndex} ` +
        `durable=${durableIndex} last=${lastIndex}${base}${cut}${match === '' ? '' : ` match=${match}`}` +
        (status.isUnderRepair ? ' under-repair' : ''),
    );
  }

  #showLog(id: string): void {
    const { base, entries } = this.#replica(id).log;
    const shown = entries.map((entry) => `${entry.term}${body(entry)}`);
    if (base.position.index > 0) shown.unshift(`after ${showPosition(base.position)}`);
    this.#say(`${id} ${shown.join(' ') || 'empty'}`);
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

/** `add-voter n4`, `set-priority n4 7`. */
function changeOf(text: string): Change {
  const [kind = '', id = '', priority = ''] = text.split(' ');
  const node = nodeId(id);
  if (kind === 'set-priority') return { kind, node, priority: Number(priority) };
  if (kind === 'add-voter' || kind === 'add-learner' || kind === 'remove' || kind === 'promote')
    return { kind, node };
  throw new Error(`unknown change ${text}`);
}

function showPosition({ index, term: of }: { readonly index: number; readonly term: number }) {
  return `${index}/${of}`;
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
  if (entry.kind === EntryKind.configuration) {
    const configuration = jsonConfigurations.decode(entry.body);
    return configuration === undefined ? '?' : `{${showConfiguration(configuration)}}`;
  }
  return entry.body.length === 0 ? '' : `:${decodeUtf8(entry.body)}`;
}

function bodies(entries: readonly Entry[]): string {
  return entries.map((entry) => `${entry.index}/${entry.term}${body(entry)}`).join(' ');
}

function show(message: Message): string {
  const head = `${message.from}->${message.to} t${message.term}`;
  switch (message.kind) {
    case 'pre-vote-request':
      return `${head} ${message.kind} last=${message.lastIndex}/${message.lastTerm}`;
    case 'vote-request': {
      const forced = message.forced ? 'forced ' : '';
      return `${head} ${forced}${message.kind} last=${message.lastIndex}/${message.lastTerm}`;
    }
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
    case 'base-request':
      return `${head} base ${showPosition(message.base.position)}`;
    case 'timeout-now':
      return `${head} timeout-now`;
    case 'heartbeat-request':
      return `${head} heartbeat commit=${message.commitIndex} round=${message.round}`;
    case 'heartbeat-response':
      return `${head} heartbeat-response round=${message.round}`;
  }
}
