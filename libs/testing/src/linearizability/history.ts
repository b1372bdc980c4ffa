/**
 * What clients saw: one record per operation, with the times of its call and its return on one
 * monotonic clock. Kept as JSON lines, so that a failing run can be checked again.
 *
 * Invariants
 *   1. every value is put by at most one operation; a write repeated under one idempotency key is ONE
 *      operation, from its first call to its last answer
 *   2. 'not-applied' is said only when the service promised it, or when nothing was ever sent
 *   3. everything else without an answer is 'unknown': it may take effect at any time after its call,
 *      or never
 */

export type WriteCondition =
  { readonly kind: 'absent' } | { readonly kind: 'mod-revision'; readonly modRevision: number };

interface OperationBase {
  readonly client: number;
  readonly protocol: 'rest' | 'grpc';
  /** The gateway that answered, or that was tried last. */
  readonly gateway?: string;
  readonly key: string;
  /** Milliseconds. */
  readonly call: number;
  /** When the client knew the result, or gave up. Not below `call`. */
  readonly return: number;
  /** How often the request was sent; above 1 only with an idempotency key. */
  readonly attempts?: number;
}

export interface PutOperation extends OperationBase {
  readonly kind: 'put';
  readonly value: string;
  readonly condition?: WriteCondition;
  readonly result: Written | ConditionFailed | NotApplied | Unknown;
}

export interface DeleteOperation extends OperationBase {
  readonly kind: 'delete';
  readonly condition?: WriteCondition;
  readonly result: Deleted | ConditionFailed | NotApplied | Unknown;
}

export interface GetOperation extends OperationBase {
  readonly kind: 'get';
  readonly result: Found | NotFound | NotApplied;
}

export type Operation = PutOperation | DeleteOperation | GetOperation;
export type History = readonly Operation[];

export interface Written {
  readonly kind: 'written';
  readonly version: number;
  readonly revision: number;
  /** Not every protocol tells it. */
  readonly createRevision?: number;
}

export interface Deleted {
  readonly kind: 'deleted';
  /** Of the delete; of the store when there was nothing to delete. */
  readonly revision: number;
  /** Not every protocol tells it. */
  readonly existed?: boolean;
}

export interface Found {
  readonly kind: 'found';
  readonly value: string;
  readonly version: number;
  readonly modRevision: number;
  readonly createRevision: number;
  /** Of the store when it was read. */
  readonly revision: number;
}

export interface NotFound {
  readonly kind: 'not-found';
  readonly revision: number;
}

/** A write that did nothing, and told what it saw instead; version and mod revision 0: no such key. */
export interface ConditionFailed {
  readonly kind: 'condition-failed';
  readonly version: number;
  readonly modRevision: number;
  readonly revision: number;
}

export interface NotApplied {
  readonly kind: 'not-applied';
  readonly code: string;
}

export interface Unknown {
  readonly kind: 'unknown';
  readonly code: string;
}

/** What is no history: nothing can be said about it. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
}

export function encodeHistory(history: History): string {
  return history.map((operation) => `${JSON.stringify(operation)}\n`).join('');
}

/** Throws `HistoryError`, which names the line. */
export function decodeHistory(text: string): Operation[] {
  return text.split('\n').flatMap((line, at) => (line === '' ? [] : [decodeLine(line, at + 1)]));
}

function decodeLine(line: string, number: number): Operation {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new HistoryError(`line ${number} is not JSON`);
  }
  const flaw = flawOf(value);
  if (flaw !== undefined) throw new HistoryError(`line ${number}: ${flaw}`);
  return value as Operation;
}

/** Throws `HistoryError` when the history breaks an invariant that the checker builds on. */
export function validateHistory(history: History): void {
  const values = new Set<string>();
  for (const [at, operation] of history.entries()) {
    const flaw = flawOf(operation);
    if (flaw !== undefined) throw new HistoryError(`operation ${at}: ${flaw}`);
    if (operation.kind !== 'put') continue;
    if (values.has(operation.value)) {
      throw new HistoryError(`operation ${at}: the value "${operation.value}" is put twice`);
    }
    values.add(operation.value);
  }
}

type Fields = Readonly<Record<string, unknown>>;

const RESULTS: Readonly<Record<string, readonly string[]>> = {
  put: ['written', 'condition-failed', 'not-applied', 'unknown'],
  delete: ['deleted', 'condition-failed', 'not-applied', 'unknown'],
  get: ['found', 'not-found', 'not-applied'],
};

const NUMBERS: Readonly<Record<string, readonly string[]>> = {
  written: ['version', 'revision'],
  deleted: ['revision'],
  found: ['version', 'modRevision', 'createRevision', 'revision'],
  'not-found': ['revision'],
  'condition-failed': ['version', 'modRevision', 'revision'],
};

function flawOf(value: unknown): string | undefined {
  if (!isFields(value)) return 'is no object';
  const { kind, key, call, result, condition } = value;
  if (typeof kind !== 'string' || !Object.hasOwn(RESULTS, kind)) return 'has no known kind';
  if (typeof key !== 'string') return 'has no key';
  if (typeof call !== 'number' || typeof value['return'] !== 'number') return 'has no times';
  if (!(call <= value['return'])) return 'returns before its call';
  if (kind === 'put' && typeof value['value'] !== 'string') return 'puts no value';
  if (!isFields(result) || typeof result['kind'] !== 'string') return 'has no result';
  if (!RESULTS[kind]?.includes(result['kind'])) return `cannot end as ${result['kind']}`;
  if (result['kind'] === 'condition-failed' && condition === undefined) {
    return 'failed a condition that it does not have';
  }
  const missing = NUMBERS[result['kind']]?.find((name) => !Number.isSafeInteger(result[name]));
  return missing === undefined ? undefined : `has a result without ${missing}`;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
