/**
 * Histories that are linearizable by construction: clients in simulated time, and a store that does
 * every operation at one instant between its call and its return. Writes may lose their answer, and
 * then happen at once, much later or never; others are refused and do nothing.
 */
import { SeededRandom } from '@kvstore/std';
import type {
  DeleteOperation,
  GetOperation,
  Operation,
  PutOperation,
  WriteCondition,
} from './history.ts';

export interface Simulation {
  readonly seed: number;
  readonly clients: number;
  readonly operations: number;
  readonly keys: number;
  /** Of 100 writes. */
  readonly unknownPercent?: number;
  readonly refusedPercent?: number;
}

const LATENCY_MAX = 16;
const LATE_MAX = 200;

export function simulate(options: Simulation): Operation[] {
  return new SimulatedClients(options).run();
}

/** Something that happens at a time. */
interface Event {
  readonly time: number;
  readonly run: () => void;
}

type Draft = Pick<Operation, 'client' | 'protocol' | 'key' | 'call' | 'return'>;

class SimulatedClients {
  readonly #options: Required<Simulation>;
  readonly #random: SeededRandom;
  readonly #store = new SimulatedStore();
  readonly #history: Operation[] = [];
  readonly #pending: Event[] = [];
  /** The mod revision of each key as some client saw it last; 0 when it was absent. */
  readonly #lastSeen = new Map<string, number>();
  #begun = 0;

  constructor(options: Simulation) {
    this.#options = { unknownPercent: 0, refusedPercent: 0, ...options };
    this.#random = new SeededRandom(options.seed);
  }

  run(): Operation[] {
    for (let client = 0; client < this.#options.clients; client++) {
      this.#at(this.#random.below(LATENCY_MAX), (time) => this.#begin(client, time));
    }
    for (let next = this.#earliest(); next !== undefined; next = this.#earliest()) next.run();
    return this.#history;
  }

  #at(time: number, run: (time: number) => void): void {
    this.#pending.push({ time, run: () => run(time) });
  }

  #earliest(): Event | undefined {
    let best = 0;
    for (const [at, event] of this.#pending.entries()) {
      if (event.time < (this.#pending[best] as Event).time) best = at;
    }
    return this.#pending.splice(best, 1)[0];
  }

  #begin(client: number, call: number): void {
    if (this.#begun === this.#options.operations) return;
    const number = this.#begun++;
    const key = `key-${this.#random.below(this.#options.keys)}`;
    const effect = call + this.#random.below(LATENCY_MAX);
    const returned = effect + this.#random.below(LATENCY_MAX);
    const protocol = client % 2 === 0 ? 'rest' : 'grpc';
    const draft: Draft = { client, protocol, key, call, return: returned };
    const dice = this.#random.below(10);
    if (dice < 4) this.#at(effect, () => this.#get(draft));
    else this.#write(draft, dice < 9 ? `value-${number}` : undefined, effect);
    this.#at(returned, (time) => this.#begin(client, time + this.#random.below(LATENCY_MAX)));
  }

  #get(draft: Draft): void {
    const result = this.#store.get(draft.key);
    this.#lastSeen.set(draft.key, result.kind === 'found' ? result.modRevision : 0);
    this.#history.push({ ...draft, kind: 'get', result });
  }

  /** A put of `value`, or a delete. */
  #write(draft: Draft, value: string | undefined, effect: number): void {
    const condition = this.#condition(draft.key);
    const conditional = condition === undefined ? {} : { condition };
    const apply = (): PutOperation['result'] | DeleteOperation['result'] =>
      value === undefined
        ? this.#store.delete(draft.key, condition)
        : this.#store.put(draft.key, value, condition);
    const record = (result: PutOperation['result'] | DeleteOperation['result']): void => {
      const operation = { ...draft, ...conditional, result, ...(value !== undefined && { value }) };
      const kind = value === undefined ? 'delete' : 'put';
      this.#history.push({ ...operation, kind } as Operation);
    };
    const fate = this.#random.below(100);
    const { unknownPercent, refusedPercent } = this.#options;
    if (fate < unknownPercent) {
      record({ kind: 'unknown', code: 'COMMIT_UNKNOWN' });
      if (fate % 3 !== 0) this.#at(effect + this.#lateness(fate), apply);
    } else if (fate < unknownPercent + refusedPercent) {
      record({ kind: 'not-applied', code: 'NO_LEADER' });
    } else {
      this.#at(effect, () => record(this.#hide(draft, apply())));
    }
  }

  #lateness(fate: number): number {
    return fate % 3 === 1 ? 0 : this.#random.below(LATE_MAX);
  }

  /** REST does not tell whether a deleted key existed, nor the create revision of a put. */
  #hide(
    { protocol }: Draft,
    result: PutOperation['result'] | DeleteOperation['result'],
  ): PutOperation['result'] | DeleteOperation['result'] {
    if (protocol === 'grpc') return result;
    if (result.kind === 'deleted') return { kind: 'deleted', revision: result.revision };
    if (result.kind !== 'written') return result;
    return { kind: 'written', version: result.version, revision: result.revision };
  }

  #condition(key: string): WriteCondition | undefined {
    const modRevision = this.#lastSeen.get(key);
    if (modRevision === undefined || this.#random.below(2) === 0) return undefined;
    return modRevision === 0 ? { kind: 'absent' } : { kind: 'mod-revision', modRevision };
  }
}

interface Stored {
  readonly value: string;
  readonly version: number;
  readonly modRevision: number;
  readonly createRevision: number;
}

class SimulatedStore {
  readonly #entries = new Map<string, Stored>();
  #revision = 0;

  get(key: string): GetOperation['result'] {
    const stored = this.#entries.get(key);
    if (stored === undefined) return { kind: 'not-found', revision: this.#revision };
    return { kind: 'found', ...stored, revision: this.#revision };
  }

  put(key: string, value: string, condition: WriteCondition | undefined): PutOperation['result'] {
    const before = this.#entries.get(key);
    if (!holds(condition, before)) return this.#conditionFailed(before);
    const revision = ++this.#revision;
    const version = (before?.version ?? 0) + 1;
    const createRevision = before?.createRevision ?? revision;
    this.#entries.set(key, { value, version, modRevision: revision, createRevision });
    return { kind: 'written', version, revision, createRevision };
  }

  delete(key: string, condition: WriteCondition | undefined): DeleteOperation['result'] {
    const before = this.#entries.get(key);
    if (!holds(condition, before)) return this.#conditionFailed(before);
    const existed = this.#entries.delete(key);
    if (existed) this.#revision += 1;
    return { kind: 'deleted', revision: this.#revision, existed };
  }

  #conditionFailed(
    before: Stored | undefined,
  ): Extract<PutOperation['result'], { kind: 'condition-failed' }> {
    const { version, modRevision } = before ?? { version: 0, modRevision: 0 };
    return { kind: 'condition-failed', version, modRevision, revision: this.#revision };
  }
}

function holds(condition: WriteCondition | undefined, stored: Stored | undefined): boolean {
  if (condition === undefined) return true;
  if (condition.kind === 'absent') return stored === undefined;
  return stored?.modRevision === condition.modRevision;
}
