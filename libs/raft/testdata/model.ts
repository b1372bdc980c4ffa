/**
 * An exhaustive search over the real code: every order in which a few elections, proposals, crashes
 * and messages can happen to three replicas, breadth first, with every state judged.
 *
 * Why it is feasible: a replica is a function of its inputs, so a step of one replica is computed once,
 * by replaying its inputs, however many states of the whole it occurs in. A state of the whole is three
 * numbers, the messages under way, what is left of the bounds, and the ghosts (who led which term, what
 * was committed). A link delivers in order, or never; links are independent of each other. Replicas that
 * hear nothing need no step of their own: every state is judged, also those in which messages wait.
 */
import { encodeUtf8, term, type NodeId } from '@kvstore/std';
import { configurationOf, type Message } from '../src/index.ts';
import { testConfig } from './driven-node.ts';
import { nodeIds, SimulatedReplica } from './replica.ts';

export interface Bounds {
  readonly elections: number;
  readonly proposals: number;
  readonly crashes: number;
  /** Replicas that restart without their log; one at most is what three can bear. */
  readonly damages: number;
  /** Messages that are lost, or arrive twice. */
  readonly faults: number;
  /** Writes become durable in steps of their own instead of at once. */
  readonly slowDisks: boolean;
  /** Ends the search early; the result says so. */
  readonly statesMax: number;
}

export interface Explored {
  readonly states: number;
  readonly steps: number;
  readonly localStates: number;
  readonly depth: number;
  readonly isComplete: boolean;
  readonly leaders: number;
  readonly committedMax: number;
}

/** A position of a log: its term and its chain. */
interface Held {
  readonly term: number;
  readonly chain: number;
}

/** One replica in one state, told apart by everything that decides what it does next. */
interface Local {
  readonly id: number;
  readonly node: number;
  /** What leads from the start to this state. */
  readonly inputs: readonly string[];
  readonly role: string;
  readonly term: number;
  readonly log: readonly Held[];
  readonly commitIndex: number;
  readonly canWrite: boolean;
  readonly isUnderRepair: boolean;
  readonly steps: Map<string, Step>;
}

interface Step {
  readonly to: Local;
  readonly sent: readonly number[];
}

interface State {
  readonly locals: readonly Local[];
  /** Under way from i to j: at 3i + j, oldest first. */
  readonly links: readonly (readonly number[])[];
  readonly used: { readonly [Bound in Countable]: number };
  readonly leaders: string;
  readonly committed: readonly Held[];
  readonly parent: State | undefined;
  readonly by: string;
}

type Countable = 'elections' | 'proposals' | 'crashes' | 'damages' | 'faults';

const IDS = nodeIds(3);
const ELECTION_TICKS = 2;

export class Model {
  readonly #bounds: Bounds;
  readonly #locals = new Map<string, Local>();
  readonly #messages: Message[] = [];
  readonly #messageIds = new Map<string, number>();
  readonly #agreeing = new Set<number>();
  #steps = 0;
  #leaders = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  explore(): Explored {
    const locals = IDS.map((_, node) => this.#local(node, []).local);
    const used = { elections: 0, proposals: 0, crashes: 0, damages: 0, faults: 0 };
    const links = Array.from({ length: IDS.length ** 2 }, () => []);
    const none = { links, used, leaders: '', committed: [] };
    let frontier: State[] = [{ locals, ...none, parent: undefined, by: 'start' }];
    const seen = new Set<string>(frontier.map(keyOf));
    let depth = 0;
    let committedMax = 0;
    for (; frontier.length > 0 && seen.size < this.#bounds.statesMax; depth++) {
      const next: State[] = [];
      for (const state of frontier) {
        for (const successor of this.#successors(state)) {
          const key = keyOf(successor);
          if (seen.has(key)) continue;
          seen.add(key);
          committedMax = Math.max(committedMax, successor.committed.length);
          next.push(successor);
        }
      }
      frontier = next;
    }
    return {
      states: seen.size,
      steps: this.#steps,
      localStates: this.#locals.size,
      depth,
      isComplete: frontier.length === 0,
      leaders: this.#leaders,
      committedMax,
    };
  }

  *#successors(state: State): Generator<State> {
    const { used } = state;
    const { elections, proposals, crashes, damages, faults } = this.#bounds;
    for (const local of state.locals) {
      // The replicas are alike at the start: whoever is first is called n1.
      const isFirst = used.elections > 0 || local.node === 0;
      const mayStand = local.role !== 'leader' && !local.isUnderRepair;
      if (used.elections < elections && mayStand && isFirst) {
        yield this.#timeout(state, local);
      }
      if (used.proposals < proposals && local.role === 'leader') {
        yield this.#after(state, local, `propose ${used.proposals}`, 'proposals');
      }
      if (used.crashes < crashes && used.elections > 0) {
        yield this.#after(state, local, 'crash', 'crashes');
      }
      // Before there is anything to forget, or when nobody can be elected without it, nothing is at stake.
      const isAtStake = state.committed.length > 0 && used.elections < elections;
      if (used.damages < damages && isAtStake && local.log.length > 0) {
        yield this.#after(state, local, 'damage', 'damages');
      }
      if (local.canWrite) yield this.#after(state, local, 'write', undefined);
    }
    for (const [at, link] of state.links.entries()) {
      const [message, ...rest] = link;
      if (message === undefined) continue;
      const local = state.locals[at % IDS.length] as Local;
      const input = `message ${message}`;
      const without = { ...state, links: state.links.map((each, i) => (i === at ? rest : each)) };
      yield this.#after(without, local, input, undefined, state);
      if (used.faults === faults) continue;
      yield this.#after(state, local, input, 'faults');
      yield this.#lost(without, state, message);
    }
  }

  #lost(without: State, parent: State, message: number): State {
    this.#steps++;
    const used = { ...parent.used, faults: parent.used.faults + 1 };
    return { ...without, used, parent, by: `lost ${this.#describe(`message ${message}`)}` };
  }

  /** Time passes for everybody who does not lead, until `local` stands for election. */
  #timeout(state: State, local: Local): State {
    let passed = state;
    for (const other of state.locals) {
      if (other === local || other.role === 'leader') continue;
      passed = this.#after(passed, other, 'pass', undefined, state);
    }
    return this.#after(passed, local, 'timeout', 'elections', state);
  }

  #after(
    from: State,
    local: Local,
    input: string,
    bound: Countable | undefined,
    parent = from,
  ): State {
    this.#steps++;
    const { to, sent } = this.#step(local, input);
    const locals = from.locals.map((each) => (each === local ? to : each));
    const links = sent.length === 0 ? from.links : this.#send(from.links, sent);
    const used = bound === undefined ? from.used : { ...from.used, [bound]: from.used[bound] + 1 };
    const by = `n${local.node + 1} ${this.#describe(input)}`;
    const ghosts = { leaders: from.leaders, committed: from.committed };
    const state = { locals, links, used, ...ghosts, parent, by };
    if (to === local) return state;
    if (to.term === local.term && to.role === local.role) return this.#judge(state, local, to);
    const kept = links.map((link) => link.filter((id) => this.#matters(id, to)));
    return this.#judge({ ...state, links: kept }, local, to);
  }

  #send(links: State['links'], sent: readonly number[]): State['links'] {
    const queues = links.map((link) => [...link]);
    for (const id of sent) {
      const { from, to } = this.#messages[id] as Message;
      queues[IDS.indexOf(from) * IDS.length + IDS.indexOf(to)]?.push(id);
    }
    return queues;
  }

  /**
   * Answers are void, now and for ever, when their receiver is in a later term, or not in the role any
   * more that asked: nobody is a candidate or a leader twice in one term.
   */
  #matters(id: number, receiver: Local): boolean {
    const { kind, to, term: of } = this.#messages[id] as Message;
    if (to !== IDS[receiver.node] || !kind.endsWith('response')) return true;
    if (of !== receiver.term) return of > receiver.term;
    if (kind === 'vote-response') return receiver.role === 'candidate';
    return kind !== 'pre-vote-response' && receiver.role === 'leader';
  }

  /** The four safety properties of the paper's figure 3, for what changed. */
  #judge(state: State, before: Local, after: Local): State {
    let { leaders, committed } = state;
    if (after.role === 'leader' && (before.role !== 'leader' || before.term !== after.term)) {
      const name = `${after.term}:`;
      const known = leaders.split(' ').find((each) => each.startsWith(name));
      const mine = `${name}${after.node}`;
      if (known !== undefined && known !== mine) fail(state, `two leaders in term ${after.term}`);
      if (known === undefined) {
        this.#leaders++;
        leaders = `${leaders} ${mine}`.trim();
      }
      for (const [at, entry] of committed.entries()) {
        if (entry.term >= after.term) break;
        if (after.log[at]?.chain !== entry.chain) fail(state, `a leader lacks ${at + 1}`);
      }
    }
    if (after.commitIndex > committed.length) committed = after.log.slice(0, after.commitIndex);
    for (const [at, entry] of state.committed.entries()) {
      if (committed[at]?.chain !== entry.chain) fail(state, `${at + 1} is committed twice`);
    }
    const end = after.commitIndex - 1;
    if (end >= 0 && after.log[end]?.chain !== committed[end]?.chain) {
      fail(state, `n${after.node + 1} commits another ${end + 1}`);
    }
    for (const other of state.locals) if (other !== after) this.#mustAgree(state, after, other);
    return { ...state, leaders, committed };
  }

  /** Log matching: equal index and term mean equal chain. Asked once for every two local states. */
  #mustAgree(state: State, a: Local, b: Local): void {
    const key = Math.min(a.id, b.id) * 2 ** 26 + Math.max(a.id, b.id);
    if (this.#agreeing.has(key)) return;
    for (const [at, held] of a.log.entries()) {
      const other = b.log[at];
      if (other === undefined || other.term !== held.term || other.chain === held.chain) continue;
      fail(state, `n${a.node + 1} and n${b.node + 1} differ at ${at + 1}`);
    }
    this.#agreeing.add(key);
  }

  #step(local: Local, input: string): Step {
    const known = local.steps.get(input);
    if (known !== undefined) return known;
    const { local: to, sent } = this.#local(local.node, [...local.inputs, input]);
    const step = { to, sent: sent.map((message) => this.#idOf(message)) };
    local.steps.set(input, step);
    return step;
  }

  /** Replays `inputs`; returns the state they lead to, and what the last one made the replica send. */
  #local(node: number, inputs: readonly string[]): { local: Local; sent: readonly Message[] } {
    let sent: Message[] = [];
    const replica = createReplica(IDS[node] as NodeId, (messages) => sent.push(...messages));
    replica.start();
    this.#settle(replica);
    for (const input of inputs) {
      sent = [];
      this.#carryOut(replica, input);
      this.#settle(replica);
    }
    const key = localKey(replica);
    const known = this.#locals.get(key);
    if (known !== undefined) return { local: known, sent };
    const status = replica.node?.status();
    const local: Local = {
      id: this.#locals.size,
      node,
      inputs,
      role: status?.role ?? '',
      term: status?.term ?? 0,
      log: replica.log.entries.map((entry) => ({ term: entry.term, chain: entry.chain })),
      commitIndex: status?.commitIndex ?? 0,
      canWrite: replica.writes.length > 0,
      isUnderRepair: status?.isUnderRepair ?? false,
      steps: new Map(),
    };
    this.#locals.set(key, local);
    return { local, sent };
  }

  #carryOut(replica: SimulatedReplica, input: string): void {
    const [verb, argument = ''] = input.split(' ');
    const { node } = replica;
    switch (verb) {
      case 'message':
        return node?.step(this.#messages[Number(argument)] as Message);
      case 'propose':
        node?.propose(encodeUtf8(argument));
        return;
      case 'write':
        replica.completeWrite();
        return;
      case 'crash':
        replica.crash();
        return replica.start();
      case 'damage':
        replica.crash();
        replica.damage(0);
        return replica.start();
      case 'pass':
        while (ticksOf(replica)[1] < ELECTION_TICKS) node?.tick(0);
        return;
      case 'timeout':
        do node?.tick(0);
        while (ticksOf(replica)[0] > 0);
        return;
      default:
        throw new Error(`unknown input ${input}`);
    }
  }

  #settle(replica: SimulatedReplica): void {
    replica.pump();
    while (replica.completeLoad() || (!this.#bounds.slowDisks && replica.completeWrite())) {
      replica.pump();
    }
  }

  #idOf(message: Message): number {
    const key = JSON.stringify(message);
    const known = this.#messageIds.get(key);
    if (known !== undefined) return known;
    this.#messages.push(message);
    this.#messageIds.set(key, this.#messages.length - 1);
    return this.#messages.length - 1;
  }

  #describe(input: string): string {
    if (!input.startsWith('message ')) return input;
    const { kind, from, term: of } = this.#messages[Number(input.slice(8))] as Message;
    return `${kind} of ${from} in ${of}`;
  }
}

function createReplica(id: NodeId, onSent: (messages: readonly Message[]) => void) {
  const config = {
    ...testConfig(id),
    electionTicks: ELECTION_TICKS,
    random: { below: (bound: number) => bound - 1 },
    openingBody: (of: number) => Uint8Array.of(of),
  };
  const replica = new SimulatedReplica(config, configurationOf(IDS), {
    onReady: (_, ready) => onSent(ready.messages),
  });
  replica.hardState = { term: term(0), vote: undefined };
  return replica;
}

function localKey(replica: SimulatedReplica): string {
  const { id, node, hardState, repairTerm, log, disk, writes } = replica;
  const chains = (of: typeof log): string => of.entries.map(({ chain }) => chain).join();
  const inMemory = log.entries.map(({ index }) => node?.chainAt(index) !== undefined);
  const { role, term: of, commitIndex, durableIndex } = node?.status() ?? {};
  const visible = [role, of, commitIndex, durableIndex, hardState, repairTerm, chains(log)];
  return JSON.stringify([id, visible, chains(disk), inMemory, writes, node?.inspect()]);
}

/** Since the last reset, and since a leader was heard. */
function ticksOf(replica: SimulatedReplica): readonly [number, number] {
  const [timer] = replica.node?.inspect() ?? [];
  return timer as readonly [number, number];
}

function keyOf({ locals, links, used, leaders, committed }: State): string {
  const places = locals.map(({ id }) => id).join();
  const last = committed[committed.length - 1]?.chain ?? 0;
  const counts = `${used.elections}${used.proposals}${used.crashes}${used.damages}${used.faults}`;
  return `${places}|${links.join(';')}|${counts}|${leaders}|${last}`;
}

function fail(state: State, what: string): never {
  const path: string[] = [];
  for (let at: State | undefined = state; at !== undefined; at = at.parent) path.unshift(at.by);
  throw new Error(`${what}, after: ${path.join('; ')}`);
}
