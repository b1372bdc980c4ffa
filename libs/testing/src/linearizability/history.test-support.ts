/** Operations of a test's history in one line each: who, when, what, the answer. */
import type {
  DeleteOperation,
  GetOperation,
  Operation,
  PutOperation,
  WriteCondition,
} from './history.ts';

export type Times = readonly [call: number, returned: number];

type Common = Pick<Operation, 'client' | 'protocol' | 'key' | 'call' | 'return'>;

/** Operations of one client on one key. */
export class ClientScript {
  readonly #client: number;
  readonly #key: string;

  constructor(client: number, key = 'k') {
    this.#client = client;
    this.#key = key;
  }

  put(
    times: Times,
    value: string,
    result: PutOperation['result'],
    condition?: WriteCondition,
  ): PutOperation {
    return { ...this.#common(times), kind: 'put', value, ...conditional(condition), result };
  }

  delete(
    times: Times,
    result: DeleteOperation['result'],
    condition?: WriteCondition,
  ): DeleteOperation {
    return { ...this.#common(times), kind: 'delete', ...conditional(condition), result };
  }

  get(times: Times, result: GetOperation['result']): GetOperation {
    return { ...this.#common(times), kind: 'get', result };
  }

  #common([call, returned]: Times): Common {
    return { client: this.#client, protocol: 'rest', key: this.#key, call, return: returned };
  }
}

export function written(version: number, revision: number): PutOperation['result'] {
  return { kind: 'written', version, revision };
}

/** Created by its first version, with no revision of another key in between. */
export function found(
  value: string,
  version: number,
  modRevision: number,
  more: { readonly revision?: number; readonly createRevision?: number } = {},
): GetOperation['result'] {
  const createRevision = modRevision - version + 1;
  return {
    kind: 'found',
    value,
    version,
    modRevision,
    createRevision,
    revision: modRevision,
    ...more,
  };
}

export function notFound(revision: number): GetOperation['result'] {
  return { kind: 'not-found', revision };
}

export function deleted(revision: number, existed?: boolean): DeleteOperation['result'] {
  return { kind: 'deleted', revision, ...(existed !== undefined && { existed }) };
}

export function failed(
  version: number,
  modRevision: number,
  revision: number,
): PutOperation['result'] & DeleteOperation['result'] {
  return { kind: 'condition-failed', version, modRevision, revision };
}

export const UNKNOWN = { kind: 'unknown', code: 'COMMIT_UNKNOWN' } as const;
export const REFUSED = { kind: 'not-applied', code: 'NO_LEADER' } as const;
export const IF_ABSENT: WriteCondition = { kind: 'absent' };

export function ifMod(modRevision: number): WriteCondition {
  return { kind: 'mod-revision', modRevision };
}

function conditional(condition: WriteCondition | undefined): { condition?: WriteCondition } {
  return condition === undefined ? {} : { condition };
}
