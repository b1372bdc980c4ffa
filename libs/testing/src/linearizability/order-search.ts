/**
 * Finds an order of one key's steps that respects real time and the model, or shows that there is
 * none: the search of Wing and Gong (1993) with the memory of Lowe (2017), without recursion.
 *
 * A step may come next when every step that returned before its call has been taken. The search takes
 * one, remembers (steps taken, state), and goes back when nothing can come next. Four things keep it
 * short without making it miss an order:
 *   - what leaves the state as it is comes at once: it can only take a duty away
 *   - of unknown writes that do the same, the one called first comes first
 *   - what leads past the revision of a step that must still come leads nowhere
 *   - the rest is tried by revision, which in a correct history is the right order
 *
 * Memory: one short string per configuration, written as what is NOT taken, which is bounded by the
 * number of concurrent operations and not by the length of the history.
 */
import { assert } from '@kvstore/std';
import { type Effect, type KeyState, lastChangeMin, step } from './key-state.ts';
import type { Step } from './key-steps.ts';

export interface SearchVerdict {
  readonly kind: 'order' | 'no-order' | 'gave-up';
  readonly configurations: number;
}

export interface SearchBounds {
  /** Revisions of this key's known writes: see `revisionsTaken`. */
  readonly taken: ReadonlySet<number>;
  readonly configurationsMax: number;
}

/** `steps` in the order of their calls, all of one key. */
export function searchOrder(
  steps: readonly Step[],
  initial: KeyState,
  bounds: SearchBounds,
): SearchVerdict {
  return new OrderSearch(steps, initial, bounds).run();
}

/** What may come next, and what it leads to. */
interface Choice {
  /** Index of a step, or of a class of unknown writes. */
  readonly of: 'step' | 'unknown';
  readonly index: number;
  readonly state: KeyState;
  readonly hint: number;
}

interface Frame {
  readonly state: KeyState;
  readonly choices: readonly Choice[];
  next: number;
  /** The greatest step taken so far. */
  readonly last: number;
}

/** Unknown writes with the same effect, by call: it makes no difference which of them happens. */
interface UnknownClass {
  readonly effect: Effect;
  readonly calls: number[];
  used: number;
}

class OrderSearch {
  readonly #steps: readonly Step[];
  readonly #unknown: readonly UnknownClass[];
  readonly #open: OpenSteps;
  readonly #states = new StateTable();
  readonly #taken: ReadonlySet<number>;
  readonly #seen = new Set<string>();
  readonly #configurationsMax: number;
  readonly #initial: KeyState;
  /** Steps that must be taken and are not. */
  #duties: number;
  /** Of the duties: by the revision that the key must not have passed, or not have changed after. */
  readonly #changes: Deadlines;
  readonly #observations: Deadlines;

  constructor(steps: readonly Step[], initial: KeyState, bounds: SearchBounds) {
    this.#steps = steps.filter((each) => !isUnknown(each.effect));
    this.#unknown = classesOf(steps.filter((each) => isUnknown(each.effect)));
    this.#taken = bounds.taken;
    this.#open = new OpenSteps(this.#steps.length);
    this.#configurationsMax = bounds.configurationsMax;
    this.#initial = this.#states.intern(initial);
    this.#duties = this.#steps.filter(isDuty).length;
    this.#changes = new Deadlines(this.#steps.map(changeDeadline));
    this.#observations = new Deadlines(this.#steps.map(observationDeadline));
  }

  run(): SearchVerdict {
    if (this.#duties === 0) return this.#verdict('order');
    const frames = [this.#frame(this.#initial, -1)];
    for (let top = frames.at(-1); top !== undefined; top = frames.at(-1)) {
      const choice = top.choices[top.next++];
      if (choice === undefined) {
        frames.pop();
        const parent = frames.at(-1);
        if (parent !== undefined) this.#undo(parent.choices[parent.next - 1] as Choice);
        continue;
      }
      this.#take(choice);
      if (this.#duties === 0) return this.#verdict('order');
      if (this.#isPastHope(choice.state)) {
        this.#undo(choice);
        continue;
      }
      const last = choice.of === 'step' ? Math.max(top.last, choice.index) : top.last;
      if (!this.#remember(choice.state, last)) {
        this.#undo(choice);
        continue;
      }
      if (this.#seen.size > this.#configurationsMax) return this.#verdict('gave-up');
      frames.push(this.#frame(choice.state, last));
    }
    return this.#verdict('no-order');
  }

  #verdict(kind: SearchVerdict['kind']): SearchVerdict {
    return { kind, configurations: this.#seen.size };
  }

  #take({ of, index }: Choice): void {
    if (of === 'unknown') {
      (this.#unknown[index] as UnknownClass).used += 1;
      return;
    }
    this.#open.remove(index);
    this.#changes.take(index);
    this.#observations.take(index);
    if (isDuty(this.#steps[index] as Step)) this.#duties -= 1;
  }

  #undo({ of, index }: Choice): void {
    if (of === 'unknown') {
      (this.#unknown[index] as UnknownClass).used -= 1;
      return;
    }
    this.#open.restore(index);
    this.#changes.restore(index);
    this.#observations.restore(index);
    if (isDuty(this.#steps[index] as Step)) this.#duties += 1;
  }

  /** Whether a step that must still come can no longer come. */
  #isPastHope(state: KeyState): boolean {
    return (
      state.floor > this.#changes.earliest || lastChangeMin(state) > this.#observations.earliest
    );
  }

  #frame(state: KeyState, last: number): Frame {
    return { state, choices: this.#choices(state), next: 0, last };
  }

  #choices(state: KeyState): readonly Choice[] {
    const choices: Choice[] = [];
    let returnMin = Number.POSITIVE_INFINITY;
    for (let index = this.#open.first; index !== NONE; index = this.#open.after(index)) {
      const { effect, call, return: returned } = this.#steps[index] as Step;
      if (call > returnMin) break;
      returnMin = Math.min(returnMin, returned);
      const next = this.#step(state, effect);
      if (next === undefined) continue;
      const choice: Choice = { of: 'step', index, state: next, hint: hintOf(effect) };
      if (next === state) return [choice];
      choices.push(choice);
    }
    choices.sort((a, b) => a.hint - b.hint);
    for (const [index, { effect, calls, used }] of this.#unknown.entries()) {
      const call = calls[used];
      if (call === undefined || call > returnMin) continue;
      const next = this.#step(state, effect);
      if (next !== undefined) choices.push({ of: 'unknown', index, state: next, hint: Infinity });
    }
    return choices;
  }

  #step(state: KeyState, effect: Effect): KeyState | undefined {
    const next = step(state, effect, this.#taken);
    return next === undefined || next === state ? next : this.#states.intern(next);
  }

  /** False when the search has been here before. */
  #remember(state: KeyState, last: number): boolean {
    const units: number[] = [];
    pushNumber(units, this.#states.idOf(state));
    pushNumber(units, last + 1);
    for (const { used } of this.#unknown) pushNumber(units, used);
    for (
      let index = this.#open.first;
      index !== NONE && index < last;
      index = this.#open.after(index)
    ) {
      pushNumber(units, last - index);
    }
    const key = String.fromCharCode(...units);
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }
}

const NONE = -1;

/** The steps not taken yet, in the order of their calls: a list whose links survive removal. */
class OpenSteps {
  /** Shifted by one: place 0 is the head. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(length: number) {
    this.#next = Int32Array.from({ length: length + 1 }, (_, at) => (at === length ? 0 : at + 1));
    this.#previous = Int32Array.from({ length: length + 1 }, (_, at) =>
      at === 0 ? length : at - 1,
    );
  }

  get first(): number {
    return (this.#next[0] as number) - 1;
  }

  /** `NONE` after the last. */
  after(index: number): number {
    return (this.#next[index + 1] as number) - 1;
  }

  remove(index: number): void {
    const next = this.#next[index + 1] as number;
    const previous = this.#previous[index + 1] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  /** Removals are undone in the reverse order. */
  restore(index: number): void {
    const next = this.#next[index + 1] as number;
    const previous = this.#previous[index + 1] as number;
    this.#next[previous] = index + 1;
    this.#previous[next] = index + 1;
  }
}

/** The earliest deadline of the steps not taken, a deadline being a revision. */
class Deadlines {
  /** Infinity: none. */
  readonly #of: readonly number[];
  /** The steps that have one, by it. */
  readonly #order: readonly number[];
  readonly #placeOf = new Map<number, number>();
  readonly #taken: Uint8Array;
  #first = 0;

  constructor(deadlines: readonly number[]) {
    this.#of = deadlines;
    this.#order = [...deadlines.keys()]
      .filter((index) => deadlines[index] !== Number.POSITIVE_INFINITY)
      .sort((a, b) => (deadlines[a] as number) - (deadlines[b] as number));
    for (const [place, index] of this.#order.entries()) this.#placeOf.set(index, place);
    this.#taken = new Uint8Array(this.#order.length);
  }

  get earliest(): number {
    const index = this.#order[this.#first];
    return index === undefined ? Number.POSITIVE_INFINITY : (this.#of[index] as number);
  }

  take(index: number): void {
    const place = this.#placeOf.get(index);
    if (place === undefined) return;
    this.#taken[place] = 1;
    while (this.#taken[this.#first] === 1) this.#first += 1;
  }

  restore(index: number): void {
    const place = this.#placeOf.get(index);
    if (place === undefined) return;
    this.#taken[place] = 0;
    this.#first = Math.min(this.#first, place);
  }
}

/** Equal states are one object with one number. */
class StateTable {
  readonly #byText = new Map<string, KeyState>();
  readonly #ids = new Map<KeyState, number>();

  intern(state: KeyState): KeyState {
    const text = textOf(state);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    this.#byText.set(text, state);
    this.#ids.set(state, this.#ids.size);
    return state;
  }

  idOf(state: KeyState): number {
    const id = this.#ids.get(state);
    assert(id !== undefined, 'a state of the search is interned');
    return id;
  }
}

function textOf(state: KeyState): string {
  switch (state.kind) {
    case 'any':
      return `*${state.floor}`;
    case 'absent':
      return `-${state.floor} ${state.changed}`;
    case 'present': {
      const { floor, version, modRevision, createMin, createMax, value } = state;
      return `+${floor} ${version} ${modRevision} ${createMin} ${createMax} ${value === undefined ? '' : `=${value}`}`;
    }
    default:
      return state satisfies never;
  }
}

function isDuty(each: Step): boolean {
  return each.return !== Number.POSITIVE_INFINITY;
}

/** The revision that the key must not have passed when this step comes. */
function changeDeadline(each: Step): number {
  const { effect } = each;
  const changes = effect.kind === 'put' || (effect.kind === 'delete' && effect.existed === true);
  return changes && isDuty(each) ? effect.revision - 1 : Number.POSITIVE_INFINITY;
}

/** The revision after which the key must not have changed when this step comes. */
function observationDeadline(each: Step): number {
  if (!isDuty(each)) return Number.POSITIVE_INFINITY;
  const { effect } = each;
  switch (effect.kind) {
    case 'found':
      return effect.modRevision;
    case 'condition-failed':
      return effect.version === 0 ? effect.revision : effect.modRevision;
    case 'not-found':
    case 'delete':
      return effect.revision;
    case 'put':
    case 'unknown-put':
    case 'unknown-delete':
      return Number.POSITIVE_INFINITY;
    default:
      return effect satisfies never;
  }
}

function isUnknown({ kind }: Effect): boolean {
  return kind === 'unknown-put' || kind === 'unknown-delete';
}

function classesOf(steps: readonly Step[]): UnknownClass[] {
  const classes = new Map<string, UnknownClass>();
  for (const { effect, call } of steps) {
    const name = JSON.stringify(effect);
    const found = classes.get(name);
    if (found === undefined) classes.set(name, { effect, calls: [call], used: 0 });
    else found.calls.push(call);
  }
  return [...classes.values()];
}

/** By revision; a change before what was read at it. */
function hintOf(effect: Effect): number {
  switch (effect.kind) {
    case 'put':
      return effect.revision;
    case 'delete':
      return effect.existed === false ? effect.revision + 0.5 : effect.revision;
    case 'found':
    case 'not-found':
    case 'condition-failed':
      return effect.revision + 0.5;
    case 'unknown-put':
    case 'unknown-delete':
      return Number.POSITIVE_INFINITY;
    default:
      return effect satisfies never;
  }
}

/** As two UTF-16 units. */
function pushNumber(units: number[], value: number): void {
  units.push(value >>> 16, value & 0xffff);
}
