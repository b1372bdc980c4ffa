/**
 * The model: what one key holds, and what every operation does to it.
 *
 * Revisions are part of it, so that few orders are ever possible. A write whose answer was lost has a
 * revision that nobody knows yet: it is only bounded from below, and bound by the first answer that
 * shows it, unless that revision is `taken` by a write that is known. States are values; `step` returns
 * undefined when the operation cannot happen here.
 *
 * Invariants
 *   1. `floor` is at least every revision that the key is known to have passed, so the next change
 *      has a greater one; a write without a known revision raises it by one, the least it can take
 *   2. a mod revision that is undefined belongs to a write that nobody acknowledged and nobody read,
 *      and is at least `floor`
 *   3. `any` stands for every state: what cannot happen from it cannot happen at all
 */
import type { WriteCondition } from './history.ts';

export type KeyState =
  | { readonly kind: 'any'; readonly floor: number }
  | {
      readonly kind: 'absent';
      readonly floor: number;
      /** The revision of the delete, at least; 0 before the first put. */
      readonly changed: number;
    }
  | Present;

export interface Present {
  readonly kind: 'present';
  readonly floor: number;
  /** Undefined: a value that nobody ever read. */
  readonly value: string | undefined;
  readonly version: number;
  readonly modRevision: number | undefined;
  /** The create revision lies between them; it is known when they are equal. */
  readonly createMin: number;
  readonly createMax: number;
}

export const ABSENT: KeyState = { kind: 'absent', floor: 0, changed: 0 };
export const ANY: KeyState = { kind: 'any', floor: 0 };

/** What an operation does, as far as its client knows. */
export type Effect =
  | {
      readonly kind: 'put';
      readonly value: string;
      readonly condition: WriteCondition | undefined;
      readonly version: number;
      readonly revision: number;
      readonly createRevision: number | undefined;
    }
  /** Without an answer, and its value was never read. */
  | { readonly kind: 'unknown-put'; readonly condition: WriteCondition | undefined }
  | {
      readonly kind: 'delete';
      readonly condition: WriteCondition | undefined;
      readonly revision: number;
      readonly existed: boolean | undefined;
    }
  | { readonly kind: 'unknown-delete'; readonly condition: WriteCondition | undefined }
  | {
      readonly kind: 'found';
      readonly value: string;
      readonly version: number;
      readonly modRevision: number;
      readonly createRevision: number;
      readonly revision: number;
    }
  | { readonly kind: 'not-found'; readonly revision: number }
  | {
      readonly kind: 'condition-failed';
      readonly condition: WriteCondition;
      readonly version: number;
      readonly modRevision: number;
      readonly revision: number;
    };

type EffectOf<Kind extends Effect['kind']> = Extract<Effect, { kind: Kind }>;

/** The state after the effect; the same object when it changes nothing; undefined when it cannot be. */
export function step(
  state: KeyState,
  effect: Effect,
  taken: ReadonlySet<number>,
): KeyState | undefined {
  switch (effect.kind) {
    case 'put':
      return put(state, effect, taken);
    case 'unknown-put':
      return unknownPut(state, effect, taken);
    case 'delete':
      return remove(state, effect, taken);
    case 'unknown-delete':
      return unknownRemove(state, effect, taken);
    case 'found':
      return found(state, effect);
    case 'not-found':
      return seenAbsent(state, effect.revision);
    case 'condition-failed':
      return conditionFailed(state, effect, taken);
    default:
      return effect satisfies never;
  }
}

/** The revision of the last change is at least this. */
export function lastChangeMin(state: KeyState): number {
  switch (state.kind) {
    case 'any':
      return 0;
    case 'absent':
      return state.changed;
    case 'present':
      return state.modRevision ?? state.floor;
    default:
      return state satisfies never;
  }
}

function put(
  before: KeyState,
  effect: EffectOf<'put'>,
  taken: ReadonlySet<number>,
): KeyState | undefined {
  const { value, version, revision, createRevision } = effect;
  const state = meets(before, effect.condition, revision, taken);
  if (state === undefined || revision <= state.floor) return undefined;
  if (state.kind === 'absent' && version !== 1) return undefined;
  if (state.kind === 'present' && version !== state.version + 1) return undefined;
  const written = {
    kind: 'present',
    floor: revision,
    value,
    version,
    modRevision: revision,
  } as const;
  if (version === 1) {
    if (createRevision !== undefined && createRevision !== revision) return undefined;
    return { ...written, createMin: revision, createMax: revision };
  }
  // Between the create revision and this one lie the versions between them, a revision each.
  const createMin = state.kind === 'present' ? state.createMin : 1;
  const createMax = state.kind === 'present' ? state.createMax : Number.POSITIVE_INFINITY;
  const bounded = { ...written, createMin, createMax: Math.min(createMax, revision - version + 1) };
  return createRevision === undefined ? bounded : withCreateRevision(bounded, createRevision);
}

function unknownPut(
  before: KeyState,
  effect: EffectOf<'unknown-put'>,
  taken: ReadonlySet<number>,
): KeyState | undefined {
  const state = meets(before, effect.condition, Number.POSITIVE_INFINITY, taken);
  // Every state already includes what this one could bring about.
  if (state === undefined || state.kind === 'any') return undefined;
  const floor = state.floor + 1;
  const created = { createMin: floor, createMax: Number.POSITIVE_INFINITY };
  const { createMin, createMax } = state.kind === 'present' ? state : created;
  const version = state.kind === 'present' ? state.version + 1 : 1;
  return {
    kind: 'present',
    floor,
    value: undefined,
    version,
    modRevision: undefined,
    createMin,
    createMax,
  };
}

function remove(
  before: KeyState,
  effect: EffectOf<'delete'>,
  taken: ReadonlySet<number>,
): KeyState | undefined {
  const { revision, existed } = effect;
  const state = meets(before, effect.condition, revision, taken);
  if (state === undefined) return undefined;
  switch (state.kind) {
    case 'any':
      if (existed === false) return seenAbsent(state, revision);
      return { kind: 'absent', floor: revision, changed: existed === true ? revision : 0 };
    case 'absent':
      return existed === true ? undefined : seenAbsent(state, revision);
    case 'present':
      if (existed === false || revision <= state.floor) return undefined;
      return { kind: 'absent', floor: revision, changed: revision };
    default:
      return state satisfies never;
  }
}

function unknownRemove(
  before: KeyState,
  effect: EffectOf<'unknown-delete'>,
  taken: ReadonlySet<number>,
): KeyState | undefined {
  const state = meets(before, effect.condition, Number.POSITIVE_INFINITY, taken);
  if (state?.kind !== 'present') return undefined;
  // To delete what an unknown put just wrote is no better than to have left that put out.
  if (state.modRevision === undefined && effect.condition === undefined) return undefined;
  const floor = state.floor + 1;
  return { kind: 'absent', floor, changed: floor };
}

function found(state: KeyState, effect: EffectOf<'found'>): KeyState | undefined {
  const { value, version, modRevision, createRevision, revision } = effect;
  const createMax = modRevision - version + 1;
  if (revision < modRevision || createRevision > createMax) return undefined;
  if (version === 1 && createRevision < createMax) return undefined;
  switch (state.kind) {
    case 'any': {
      const floor = Math.max(state.floor, revision);
      const create = { createMin: createRevision, createMax: createRevision };
      return { kind: 'present', floor, value, version, modRevision, ...create };
    }
    case 'absent':
      return undefined;
    case 'present': {
      const same =
        state.value === value && state.version === version && state.modRevision === modRevision;
      const known = same ? withCreateRevision(state, createRevision) : undefined;
      return known && raise(known, revision);
    }
    default:
      return state satisfies never;
  }
}

function conditionFailed(
  state: KeyState,
  effect: EffectOf<'condition-failed'>,
  taken: ReadonlySet<number>,
): KeyState | undefined {
  const { condition, version, modRevision, revision } = effect;
  const wasAbsent = version === 0 && modRevision === 0;
  const held =
    condition.kind === 'absent' ? wasAbsent : !wasAbsent && condition.modRevision === modRevision;
  if (held) return undefined;
  if (wasAbsent) return seenAbsent(state, revision);
  if (revision < modRevision) return undefined;
  // A value that is not known matches none, so what any state becomes must stay any state.
  if (state.kind === 'any') return raise(state, revision);
  if (state.kind === 'absent' || state.version !== version) return undefined;
  const bound = withModRevision(state, modRevision, taken);
  return bound && raise(bound, revision);
}

function seenAbsent(state: KeyState, revision: number): KeyState | undefined {
  switch (state.kind) {
    case 'any':
      return { kind: 'absent', floor: Math.max(state.floor, revision), changed: 0 };
    case 'absent':
      return revision < state.changed ? undefined : raise(state, revision);
    case 'present':
      return undefined;
    default:
      return state satisfies never;
  }
}

/** The state in which the condition of a write with this revision holds. */
function meets(
  state: KeyState,
  condition: WriteCondition | undefined,
  revision: number,
  taken: ReadonlySet<number>,
): KeyState | undefined {
  if (condition === undefined) return state;
  if (condition.kind === 'absent') {
    if (state.kind === 'any') return { kind: 'absent', floor: state.floor, changed: 0 };
    return state.kind === 'absent' ? state : undefined;
  }
  if (condition.modRevision >= revision || state.kind === 'absent') return undefined;
  return state.kind === 'any' ? state : withModRevision(state, condition.modRevision, taken);
}

function withModRevision(
  state: Present,
  modRevision: number,
  taken: ReadonlySet<number>,
): Present | undefined {
  if (state.modRevision !== undefined) {
    return state.modRevision === modRevision ? state : undefined;
  }
  if (modRevision < state.floor || taken.has(modRevision)) return undefined;
  const createMax = Math.min(state.createMax, modRevision - state.version + 1);
  const createMin = state.version === 1 ? modRevision : state.createMin;
  if (createMin > createMax) return undefined;
  return { ...state, floor: modRevision, modRevision, createMin, createMax };
}

function withCreateRevision(state: Present, createRevision: number): Present | undefined {
  if (createRevision < state.createMin || createRevision > state.createMax) return undefined;
  if (state.createMin === state.createMax) return state;
  return { ...state, createMin: createRevision, createMax: createRevision };
}

function raise<State extends KeyState>(state: State, revision: number): State {
  return revision <= state.floor ? state : { ...state, floor: revision };
}
